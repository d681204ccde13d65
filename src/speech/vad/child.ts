/**
 * The other end of the voice activity process: loads the model and answers each message of windows. Knows no stream and no
 * queue, and writes nothing to stdout. What loads ONNX Runtime is imported only after `init` came.
 */
import { liveAsChild } from "../../binary/child-life.ts"
import { openLibc } from "../../binary/libc.ts"
import type { FromVad, Init, ToVad, Windows } from "./ipc.ts"
import type { Silero } from "./silero.ts"

/** Never settles: the process ends when its channel closes. */
export function runVad(): Promise<void> {
  liveAsChild()

  let silero: Silero | undefined
  process.on("message", (message: ToVad) => (message.type === "init" ? load(message) : hear(message)))
  return new Promise(() => {})

  async function load({ cacheDirs }: Init) {
    try {
      const startedAt = performance.now()
      const { prepareOrt } = await import("../../binary/native.ts")
      await prepareOrt(cacheDirs)
      const { loadSilero } = await import("./silero.ts")
      silero = await loadSilero()
      // What only the loading needed: 5 MB.
      Bun.gc(true)
      openLibc()?.trim(0)
      send({ type: "ready", loadMs: performance.now() - startedAt })
    } catch (error) {
      send({ type: "failed", message: error instanceof Error ? error.message : String(error) })
    }
  }

  async function hear(windows: Windows) {
    if (!silero) throw new Error("windows came before the process was ready")
    send({ type: "probabilities", ...(await silero.hear(windows)) })
  }
}

function send(message: FromVad) {
  process.send?.(message)
}
