/** This very program, started again as a server on a free port of this machine, for the bench alone. Knows no load. */
import type { Environment } from "../../settings.ts"
import { aborted } from "./aborted.ts"

export interface OwnServer {
  readonly pid: number
  readonly url: string
  readonly engine: string
  readonly model: string
  readonly engines: number | null
  /** Ends it, at the latest after a few seconds. */
  stop(): Promise<void>
}

export interface OwnServerOptions {
  /** As in Program. */
  readonly engineCommand: readonly string[]
  readonly env: Environment
  readonly signal: AbortSignal
  /** Takes log lines that a person wants to see. */
  readonly onLine: (line: string) => void
}

/** What the bench needs otherwise than the settings say: its own door, no hold of replies, no farewell. */
const OVERRIDES = {
  HOST: "127.0.0.1",
  PORT: "0",
  TLS_CERT: "",
  TLS_KEY: "",
  STT_MODE: "utterance",
  STT_MIN_REPLY_MS: "0",
  STT_DRAIN_MS: "0",
  // What it is measured to follow is not to be taken from what it measured itself.
  STT_MAX_SPEAKERS: "0",
  LOG_LEVEL: "info",
}

/** How often `/readyz` is asked. */
const READY_POLL_MS = 50

/** A server that does not end within this time is killed. */
const STOP_LIMIT_MS = 5000

/** Resolves once it is ready; rejects with its own words if it ends before, or when `signal` aborts. */
export async function startOwnServer({ engineCommand, env, signal, onLine }: OwnServerOptions): Promise<OwnServer> {
  const command = engineCommand.filter((word) => word !== "__engine")
  const child = Bun.spawn([...command, "serve"], { env: { ...env, ...OVERRIDES }, stdin: "ignore", stdout: "ignore", stderr: "pipe" })
  const listening = Promise.withResolvers<Record<string, unknown>>()
  let lastReason = ""
  const reading = (async () => {
    for await (const line of linesOf(child.stderr)) {
      const { level, event, reason, ...fields } = parseLine(line)
      if (event === "listening") listening.resolve(fields)
      if (level !== "info" || String(event).startsWith("downloading")) onLine(line)
      if (typeof reason === "string") lastReason = reason
    }
    const code = await child.exited
    const error = new Error(`the server ended with code ${code}${lastReason && `: ${lastReason}`}`)
    listening.reject(error)
    throw error
  })()
  // Whoever waits sees it; after `stop` nobody does.
  reading.catch(() => {})
  listening.promise.catch(() => {})

  async function stop() {
    child.kill("SIGTERM")
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS)
    await child.exited
    clearTimeout(late)
  }

  const over = new AbortController()
  try {
    const { address, engine, model, engines } = await Promise.race([listening.promise, reading, aborted(signal)])
    await Promise.race([untilReady(String(address), AbortSignal.any([signal, over.signal])), reading])
    return {
      pid: child.pid,
      url: String(address),
      engine: String(engine),
      model: String(model),
      engines: typeof engines === "number" ? engines : null,
      stop,
    }
  } catch (error) {
    over.abort()
    await stop()
    throw error
  }
}

async function untilReady(address: string, signal: AbortSignal): Promise<void> {
  const url = new URL("/readyz", address.replace(/^ws/, "http"))
  for (;;) {
    // Not even a connection: it is about to end, and why is told on its way out.
    const answer = await fetch(url, { signal }).catch((error) => {
      if (signal.aborted) throw error
    })
    if (answer?.ok) return
    await Bun.sleep(READY_POLL_MS)
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ""
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n")
    rest = lines.pop() ?? ""
    yield* lines
  }
  if (rest !== "") yield rest
}

/** Lines that are no log lines are told, too: they are what a program says when it cannot even log. */
function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line)
  } catch {
    return { reason: line }
  }
}
