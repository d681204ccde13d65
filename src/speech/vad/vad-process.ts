/**
 * One voice activity process, from its spawn to its end. It knows time limits and how to kill; it does not know streams or
 * restarts, and it never throws: how a process ended is a value.
 */
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import type { FromVad, Init, Probabilities, ToVad, Windows } from "./ipc.ts"

/** Loading reads 30 MB, once written to a cache folder before. */
const START_DEADLINE_MS = 60_000
/** A full message takes 20 ms of one core. */
const ANSWER_DEADLINE_MS = 10_000
/** What is kept of the last lines that the process wrote on stderr, where a native crash explains itself. */
const STDERR_TAIL_CHARS = 1_000

export interface VadCommand {
  /** The program and its arguments. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly log: Log
}

/** Why a process is no more. */
export interface Ending {
  readonly cause:
    | "exit" /** It left by itself. */
    | "signal" /** It crashed, or somebody else killed it. */
    | "timeout" /** We killed it: it was stuck. */
    | "refused" /** It said that it cannot load; we killed it. */
    | "closed" /** We killed it: nobody needs it any more. */
    | "spawn" /** The system did not start it. */
  /** One line for the log and for error messages. */
  readonly detail: string
}

export interface VadProcess {
  /** True once it can be asked, false if it ended before. */
  readonly ready: Promise<boolean>
  readonly ended: Promise<Ending>
  /** One message at a time, only while ready. Null if the process ended first; `ended` says why. */
  hear(windows: Windows): Promise<Probabilities | null>
  kill(): void
}

export function startVadProcess(init: Init, { command, env, clock, log }: VadCommand): VadProcess {
  const ready = Promise.withResolvers<boolean>()
  const ended = Promise.withResolvers<Ending>()
  const startedAt = clock.now()
  let killed: Ending | undefined
  let over = false
  let settle: ((answer: Probabilities | null) => void) | undefined

  const child = spawn()
  const promises = { ready: ready.promise, ended: ended.promise }
  if (!child) return { ...promises, hear: async () => null, kill() {} }
  const stderr = keepTail(child.stderr)
  const startDeadline = clock.after(START_DEADLINE_MS, () => kill({ cause: "timeout", detail: "took too long to load" }))
  send(init)
  watchEnd(child)

  return {
    ...promises,
    kill: () => kill({ cause: "closed", detail: "closed" }),
    async hear(windows) {
      if (over) return null
      const answered = Promise.withResolvers<Probabilities | null>()
      settle = answered.resolve
      const deadline = clock.after(ANSWER_DEADLINE_MS, () =>
        kill({ cause: "timeout", detail: `gave no answer within ${ANSWER_DEADLINE_MS} ms` }),
      )
      send(windows)
      const answer = await answered.promise
      deadline()
      return answer
    },
  }

  function spawn() {
    try {
      return Bun.spawn([...command], {
        // In its real environment: Bun does not hand process.env writes to the C library that ONNX Runtime asks.
        env: { ...env, ORT_DISABLE_TELEMETRY: "1" },
        serialization: "advanced",
        ipc: (message: FromVad) => receive(message),
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      })
    } catch (error) {
      ready.resolve(false)
      ended.resolve({ cause: "spawn", detail: oneLine(error instanceof Error ? error.message : String(error)) })
      return undefined
    }
  }

  function receive(message: FromVad) {
    if (message.type === "probabilities") return settle?.(message)
    if (message.type === "failed") return kill({ cause: "refused", detail: oneLine(message.message) })
    startDeadline()
    log.info("voice activity process ready", {
      pid: child?.pid,
      startMs: Math.round(clock.now() - startedAt),
      loadMs: Math.round(message.loadMs),
    })
    ready.resolve(true)
  }

  /** A message to a process that is already gone changes nothing: its end is on the way. */
  function send(message: ToVad) {
    try {
      child?.send(message)
    } catch {
      child?.kill("SIGKILL")
    }
  }

  function kill(why: Ending) {
    killed ??= why
    child?.kill("SIGKILL")
  }

  async function watchEnd(process: NonNullable<typeof child>) {
    await process.exited
    startDeadline()
    const natural: Ending = process.signalCode
      ? { cause: "signal", detail: `died of ${process.signalCode}` }
      : { cause: "exit", detail: `left with exit code ${process.exitCode}` }
    const ending = killed ?? natural
    over = true
    const fields = { pid: process.pid, cause: ending.cause, detail: ending.detail }
    ended.resolve(ending)
    ready.resolve(false)
    settle?.(null)
    if (ending.cause === "closed") log.debug("voice activity process ended", fields)
    else log.warn("voice activity process ended", { ...fields, stderr: await stderr })
  }
}

/** Reads a stream to its end, so that the writer never blocks, and keeps its last lines. */
async function keepTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let tail = ""
  for await (const bytes of stream) tail = (tail + decoder.decode(bytes, { stream: true })).slice(-STDERR_TAIL_CHARS)
  return tail.trim()
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().slice(0, 300)
}
