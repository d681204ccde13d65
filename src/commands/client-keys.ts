/**
 * The keys of clients, from the settings and from a file that may change under a running server. Knows nobody who asks for them.
 */
import { type ApiKey, parseApiKeys } from "../api-keys.ts"
import { type Clock, realClock } from "../clock.ts"
import type { Program } from "./program.ts"
import { reasonOf } from "./reason.ts"

/** How often the file is looked at. Watching it would miss a mounted secret, which is replaced by way of a link. */
export const KEYS_LOOK_MS = 5_000

export interface ClientKeys {
  /** Undefined: open to all. */
  current(): readonly ApiKey[] | undefined
  /** Idempotent. */
  close(): void
}

/** Rejects with a line for the operator if the file cannot be read now; later the keys before it stay, and the log says why. */
export async function openClientKeys(
  program: Pick<Program, "settings" | "log" | "onHangUp" | "terminal">,
  clock: Clock = realClock,
): Promise<ClientKeys> {
  const { settings, log, onHangUp, terminal } = program
  const { STT_API_KEYS: fixed, STT_API_KEYS_FILE: file } = settings
  if (file === undefined) return { current: () => fixed, close: terminal ? () => {} : onHangUp(nothingToRead) }
  const path = file
  let text = await readText(path)
  let keys = readKeys(text)
  let cancelLook = () => {}
  let closed = false
  let fault = ""

  function readKeys(list: string): readonly ApiKey[] {
    const parsed = parseApiKeys(list)
    if (!parsed.ok) throw new Error(`STT_API_KEYS_FILE: ${parsed.fault}`)
    return [...(fixed ?? []), ...parsed.keys]
  }

  /** A supervisor asks to read again; from a terminal it would mean that the terminal is gone. */
  function nothingToRead() {
    log.info("nothing to read again", { reason: "STT_API_KEYS_FILE is not set" })
  }

  async function look() {
    cancelLook()
    try {
      const now = await readText(path)
      if (now !== text || fault !== "") {
        keys = readKeys(now)
        text = now
        fault = ""
        log.info("keys read", { keys: keys.length })
      }
    } catch (thrown) {
      const reason = reasonOf(thrown)
      if (reason !== fault) log.error("keys not read: those before stay", { reason })
      fault = reason
    }
    cancelLook()
    if (!closed) cancelLook = clock.after(KEYS_LOOK_MS, look)
  }

  cancelLook = clock.after(KEYS_LOOK_MS, look)
  const forgetHangUp = onHangUp(() => void look())
  return {
    current: () => keys,
    close() {
      closed = true
      cancelLook()
      forgetHangUp()
    },
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await Bun.file(path).text()
  } catch (thrown) {
    throw new Error(`STT_API_KEYS_FILE: ${reasonOf(thrown)}`)
  }
}
