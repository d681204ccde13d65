/**
 * One engine process, from its spawn to its end: the only file that spawns. It knows time limits and how to kill; it does not
 * know queues, second tries or restarts, and it never throws: how a process ended is a value.
 */
import { msFromSamples } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import type { Language } from "../engine.ts"
import type { Failed, FromEngine, Init, Ready, Result, ToEngine } from "./ipc.ts"

/** Loading may read gigabytes from a slow disk. */
const START_DEADLINE_MS = 180_000

/**
 * When a piece without an answer counts as stuck: this, and twice the length of its audio, and ten times what the warm-up of
 * this engine took, so that a large model on a small machine is slow but not stuck.
 */
const ANSWER_DEADLINE_MS = 10_000
const ANSWER_DEADLINE_PER_AUDIO = 2
const ANSWER_DEADLINE_PER_WARM_UP = 10

/**
 * How long a cancelled piece may go on before its engine is killed: one encoder run cannot be interrupted. At least as long
 * as the start of the engine took, because a kill costs that much.
 */
const CANCEL_GRACE_MS = 500

/** What is kept of the last lines that a process wrote on stderr. */
const STDERR_TAIL_CHARS = 1_000

export interface EngineCommand {
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
    | "cancel" /** We killed it: it did not let go of a cancelled piece. */
    | "refused" /** It said that it cannot load; we killed it. */
    | "closed" /** We killed it: nobody needs it any more. */
    | "spawn" /** The system did not start it. */
  /** One line for the log and for error messages. */
  readonly detail: string
}

/** `gone`: the process ended first; `ended` says why. */
export type Answer = Result | Failed | { readonly type: "gone" }

export interface EngineProcess {
  /** True once it is loaded and warm, false if it ended before. */
  readonly ready: Promise<boolean>
  readonly ended: Promise<Ending>
  /** Resolves if it says that it grew too heavy, and works on. */
  readonly grown: Promise<void>
  /**
   * One piece at a time, only while ready. The deadline starts at this call. Settles when the process is free again or gone,
   * so after an abort only when the engine let go.
   */
  recognise(samples: Int16Array, language: Language, signal: AbortSignal): Promise<Answer>
  kill(): void
}

export function startEngineProcess(init: Init, { command, env, clock, log }: EngineCommand): EngineProcess {
  const ready = Promise.withResolvers<boolean>()
  const ended = Promise.withResolvers<Ending>()
  const grown = Promise.withResolvers<void>()
  const startedAt = clock.now()
  let killed: Ending | undefined
  let loaded: (Ready & { startMs: number }) | undefined
  let nextId = 0
  let current: { id: number; settle: (answer: Answer) => void } | undefined

  const child = spawn()
  const promises = { ready: ready.promise, ended: ended.promise, grown: grown.promise }
  if (!child) return { ...promises, recognise: async () => ({ type: "gone" }), kill() {} }
  const stderr = keepTail(child.stderr)
  const startDeadline = clock.after(START_DEADLINE_MS, () => kill({ cause: "timeout", detail: "took too long to load" }))
  send(init)
  watchEnd(child)

  return {
    ...promises,
    kill: () => kill({ cause: "closed", detail: "closed" }),
    async recognise(samples, language, signal) {
      const id = nextId++
      const answered = Promise.withResolvers<Answer>()
      current = { id, settle: answered.resolve }
      const warmUpMs = loaded?.warmUpMs ?? 0
      const audioMs = msFromSamples(samples.length)
      const deadlineMs = ANSWER_DEADLINE_MS + audioMs * ANSWER_DEADLINE_PER_AUDIO + warmUpMs * ANSWER_DEADLINE_PER_WARM_UP
      const stops = [
        clock.after(deadlineMs, () => kill({ cause: "timeout", detail: `gave no answer within ${Math.round(deadlineMs)} ms` })),
      ]
      const cancel = () => {
        send({ type: "cancel", id })
        const graceMs = Math.max(CANCEL_GRACE_MS, loaded?.startMs ?? 0)
        stops.push(clock.after(graceMs, () => kill({ cause: "cancel", detail: "did not let go of a cancelled utterance" })))
      }
      send({ type: "recognise", id, samples: ownBuffer(samples), language })
      if (signal.aborted) cancel()
      signal.addEventListener("abort", cancel)
      const answer = await answered.promise
      signal.removeEventListener("abort", cancel)
      for (const stop of stops) stop()
      current = undefined
      return answer
    },
  }

  function spawn() {
    try {
      return Bun.spawn([...command], {
        // In its real environment: Bun does not hand process.env writes to the C library that ONNX Runtime asks.
        env: { ...env, ORT_DISABLE_TELEMETRY: "1" },
        serialization: "advanced",
        ipc: (message: FromEngine) => receive(message),
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

  function receive(message: FromEngine) {
    if (message.type === "ready") {
      startDeadline()
      loaded = { ...message, startMs: clock.now() - startedAt }
      log.info("engine process ready", {
        pid: child?.pid,
        startMs: Math.round(loaded.startMs),
        loadMs: Math.round(message.loadMs),
        warmUpMs: Math.round(message.warmUpMs),
      })
      ready.resolve(true)
    } else if (message.type === "failed" && message.id === null) {
      kill({ cause: "refused", detail: oneLine(message.message) })
    } else if (message.type === "grown") {
      log.info("engine process grew", { pid: child?.pid, megabytes: Math.round(message.bytes / 1e6) })
      grown.resolve()
    } else if (message.id === current?.id) {
      current.settle(message)
    }
  }

  /** A message to a process that is already gone changes nothing: its end is on the way. */
  function send(message: ToEngine) {
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
    const fields = { pid: process.pid, cause: ending.cause, detail: ending.detail }
    ended.resolve(ending)
    ready.resolve(false)
    current?.settle({ type: "gone" })
    if (ending.cause === "closed") log.debug("engine process ended", fields)
    else log.warn("engine process ended", { ...fields, stderr: await stderr })
  }
}

/** A view would drag its whole buffer through the channel. */
function ownBuffer(samples: Int16Array): Int16Array {
  return samples.byteLength === samples.buffer.byteLength ? samples : samples.slice()
}

/** Reads a stream to its end, so that the writer never blocks, and keeps its last lines: where a native crash explains itself. */
async function keepTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let tail = ""
  for await (const bytes of stream) tail = (tail + decoder.decode(bytes, { stream: true })).slice(-STDERR_TAIL_CHARS)
  return tail.trim()
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().slice(0, 300)
}
