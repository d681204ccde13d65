/** The program as an operator starts it: a process of its own, from the sources, or the file that `XRX_STT_BINARY` names. */
import { join, resolve } from "node:path"

const fromSources = [process.execPath, join(import.meta.dir, "../../src/main.ts")]
const command = process.env.XRX_STT_BINARY ? [resolve(process.env.XRX_STT_BINARY)] : fromSources

export interface Replica {
  readonly pid: number
  /** Its port, once it listens and has understood its first recording. Rejects if it ends before. */
  readonly port: Promise<number>
  /** The events of its log by this name, so far. */
  logged(event: string): readonly Record<string, unknown>[]
  /** SIGTERM; resolves with its exit code once the drain is over. */
  stop(): Promise<number>
  kill(): void
}

export function startReplica(settings: Readonly<Record<string, string>>): Replica {
  const child = Bun.spawn([...command, "serve"], {
    env: { ...process.env, ...settings },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  })
  const entries: Record<string, unknown>[] = []
  const port = Promise.withResolvers<number>()
  const logged = (event: string) => entries.filter((entry) => entry.event === event)

  const reading = (async () => {
    const decoder = new TextDecoder()
    let rest = ""
    for await (const bytes of child.stderr) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n")
      rest = lines.pop() ?? ""
      entries.push(...lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)))
      const [listening] = logged("listening")
      if (listening && logged("ready").length > 0) port.resolve(Number(new URL(String(listening.address)).port))
    }
    port.reject(new Error(`it ended with ${await child.exited}: ${JSON.stringify(entries.slice(-3))}`))
  })()
  port.promise.catch(() => {})

  return {
    pid: child.pid,
    port: port.promise,
    logged,
    async stop() {
      child.kill("SIGTERM")
      await reading
      return child.exited
    },
    kill: () => child.kill("SIGKILL"),
  }
}
