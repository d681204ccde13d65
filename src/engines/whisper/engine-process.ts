/**
 * One engine process, from its spawn to its end: the only file that spawns. It knows time limits and how to kill; it does not
 * know queues, second tries or restarts, and it never throws: how a process ended is a value.
 */
import { msFromSamples } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { type InHand, takeInHand } from "./in-hand.ts"
import type { Failed, FromEngine, Init, Piece, Ready, Result, ToEngine } from "./ipc.ts"

/** Loading may read gigabytes from a slow disk. */
const START_DEADLINE_MS = 180_000

/**
 * When an engine that owes answers counts as stuck: after this, and for each piece twice the length of its audio and ten times what
 * the warm-up of this engine took, so that a large model on a small machine is slow but not stuck.
 */
const ANSWER_DEADLINE_MS = 10_000
const ANSWER_DEADLINE_PER_AUDIO = 2
const ANSWER_DEADLINE_PER_WARM_UP = 10

/**
 * How long an engine may go on when all that it has in hand is cancelled, before it is killed: one encoder run cannot be
 * interrupted. At least as long as the start of the engine took, because a kill costs that much.
 */
const CANCEL_GRACE_MS = 500

/** What is kept of the last lines that a process wrote on stderr. */
const STDERR_TAIL_CHARS = 1_000

/**
 * Of the GNU C library: memory freed between two runs stays with the process. Without it each encoder run asks the system for
 * 30 to 60 MB anew, and a quarter of its time goes by on page faults. The engine gives memory back when it is idle. And memory
 * comes in pages of 2 MB where the system has them for who asks: a step of the decoder reads 50 MB, a sixth sooner from those.
 */
const MALLOC_ENV = {
  MALLOC_TRIM_THRESHOLD_: String(256 * 1024 * 1024),
  MALLOC_MMAP_THRESHOLD_: String(32 * 1024 * 1024),
  GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
}

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
  /** Somebody else killed it, or the system for want of memory: a program that crashes dies of another signal. */
  readonly fromOutside?: boolean
}

/** A piece without its number, which is the process' own affair. */
export interface PieceInHand extends Omit<Piece, "id"> {
  /** Nobody waits for it any more. */
  readonly signal: AbortSignal
}

export interface RecogniseOptions {
  /** Called once for each piece that was answered, with its place in the list. */
  readonly onAnswer: (index: number, answer: Result | Failed) => void
  /** Cancelled pieces may take as long as they would have taken anyhow: the engine is not killed for them. */
  readonly patient?: boolean
}

export interface EngineProcess {
  /** True once it is loaded and warm, false if it ended before. */
  readonly ready: Promise<boolean>
  /** As `Ready.piecesMax`; 1 until it is ready. */
  readonly piecesMax: number
  readonly ended: Promise<Ending>
  /** Resolves if it says that it grew too heavy, and works on. */
  readonly grown: Promise<void>
  /**
   * At least one and at most `piecesMax` pieces together, one call at a time, only while ready. The deadline starts at this call.
   * Settles when the process is free again: true once all are answered, so after an abort only when the engine let go; false if it
   * is gone.
   */
  recognise(pieces: readonly PieceInHand[], options: RecogniseOptions): Promise<boolean>
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
  let inHand: InHand | undefined
  let gone = false

  const child = spawn()
  const promises = { ready: ready.promise, ended: ended.promise, grown: grown.promise }
  if (!child) return { ...promises, piecesMax: 1, recognise: async () => false, kill() {} }
  const stderr = keepTail(child.stderr)
  const startDeadline = clock.after(START_DEADLINE_MS, () => kill({ cause: "timeout", detail: "took too long to load" }))
  send(init)
  watchEnd(child)

  return {
    ...promises,
    get piecesMax() {
      return loaded?.piecesMax ?? 1
    },
    kill: () => kill({ cause: "closed", detail: "closed" }),
    async recognise(pieces, { onAnswer, patient = false }) {
      if (gone) return false
      const numbered = pieces.map((piece) => ({ ...piece, id: nextId++ }))
      const deadlineMs = answerDeadlineMs(pieces)
      send({ type: "recognise", pieces: numbered.map(toSend) })
      inHand = takeInHand(numbered, {
        clock,
        deadlineMs,
        graceMs: patient ? Number.POSITIVE_INFINITY : Math.max(CANCEL_GRACE_MS, loaded?.startMs ?? 0),
        onAnswer,
        onAbort: (id) => send({ type: "cancel", id }),
        onStuck: (of) =>
          kill(
            of === "grace"
              ? { cause: "cancel", detail: "did not let go of a cancelled utterance" }
              : { cause: "timeout", detail: `gave no answer within ${Math.round(deadlineMs)} ms` },
          ),
      })
      const allAnswered = await inHand.over
      inHand = undefined
      return allAnswered
    },
  }

  function answerDeadlineMs(pieces: readonly PieceInHand[]): number {
    const audioMs = msFromSamples(pieces.reduce((sum, { samples }) => sum + samples.length, 0))
    const warmUpsMs = pieces.length * (loaded?.warmUpMs ?? 0)
    return ANSWER_DEADLINE_MS + audioMs * ANSWER_DEADLINE_PER_AUDIO + warmUpsMs * ANSWER_DEADLINE_PER_WARM_UP
  }

  function spawn() {
    try {
      return Bun.spawn([...command], {
        // In its real environment: Bun does not hand process.env writes to the C library that ONNX Runtime asks.
        env: { ...MALLOC_ENV, ...env, ORT_DISABLE_TELEMETRY: "1" },
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
        piecesMax: message.piecesMax,
      })
      ready.resolve(true)
    } else if (message.type === "failed" && message.id === null) {
      kill({ cause: "refused", detail: oneLine(message.message) })
    } else if (message.type === "grown") {
      log.info("engine process grew", { pid: child?.pid, megabytes: Math.round(message.bytes / 1e6) })
      grown.resolve()
    } else {
      inHand?.answer(message)
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
    gone = true
    startDeadline()
    const natural: Ending = process.signalCode
      ? { cause: "signal", detail: `died of ${process.signalCode}`, fromOutside: process.signalCode === "SIGKILL" }
      : { cause: "exit", detail: `left with exit code ${process.exitCode}` }
    const ending = killed ?? natural
    const fields = { pid: process.pid, cause: ending.cause, detail: ending.detail }
    ended.resolve(ending)
    ready.resolve(false)
    inHand?.lose()
    if (ending.cause === "closed") log.debug("engine process ended", fields)
    else log.warn("engine process ended", { ...fields, stderr: await stderr })
  }
}

/** A view would drag its whole buffer through the channel. */
function toSend({ signal: _, ...piece }: PieceInHand & Piece): Piece {
  const { samples, context } = piece
  return { ...piece, samples: ownBuffer(samples), ...(context && { context: { ...context, samples: ownBuffer(context.samples) } }) }
}

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
