/**
 * The pieces of one message to an engine process, from their sending to the last answer: which are still owed, which nobody waits
 * for, and when the engine holds on to them for too long. Knows no process: what is to be done about it is its caller's.
 */
import type { Clock } from "../../clock.ts"
import type { Failed, Result } from "./ipc.ts"

export interface Owed {
  readonly id: number
  /** Nobody waits for it any more. */
  readonly signal: AbortSignal
}

export interface InHandOptions {
  readonly clock: Clock
  /** From now, for all of them. */
  readonly deadlineMs: number
  /** For letting go, once nobody waits for any of them. Infinity: until the deadline. */
  readonly graceMs: number
  /** Called once for each piece that is answered, with its place in the list. */
  readonly onAnswer: (index: number, answer: Result | Failed) => void
  /** Called for a piece that is given up before it was answered. */
  readonly onAbort: (id: number) => void
  /** `deadline`: it was late. `grace`: it did not let go. The pieces stay in hand until they are answered or lost. */
  readonly onStuck: (of: "deadline" | "grace") => void
}

export interface InHand {
  /** Answers to what is not or no longer owed are ignored. */
  answer(message: Result | Failed): void
  /** No more answers will come. */
  lose(): void
  /** True once all are answered, false if some were lost. No timer and no listener is left then. */
  readonly over: Promise<boolean>
}

/** At least one piece. */
export function takeInHand(pieces: readonly Owed[], options: InHandOptions): InHand {
  const { clock, deadlineMs, graceMs, onAnswer, onAbort, onStuck } = options
  const over = Promise.withResolvers<boolean>()
  const owed = new Map(pieces.map(({ id, signal }, index) => [id, { index, signal }]))
  const stops = [clock.after(deadlineMs, () => onStuck("deadline"))]
  let grace = false

  for (const { id, signal } of pieces) {
    const abort = () => {
      if (!owed.has(id)) return
      onAbort(id)
      startGrace()
    }
    signal.addEventListener("abort", abort)
    stops.push(() => signal.removeEventListener("abort", abort))
    if (signal.aborted) abort()
  }

  function startGrace() {
    const wanted = owed.values().some(({ signal }) => !signal.aborted)
    if (grace || wanted || graceMs === Number.POSITIVE_INFINITY) return
    grace = true
    stops.push(clock.after(graceMs, () => onStuck("grace")))
  }

  function end(allAnswered: boolean) {
    for (const stop of stops) stop()
    over.resolve(allAnswered)
  }

  return {
    answer(message) {
      const piece = message.id === null ? undefined : owed.get(message.id)
      if (message.id === null || piece === undefined) return
      owed.delete(message.id)
      onAnswer(piece.index, message)
      if (owed.size === 0) end(true)
      else startGrace()
    },
    lose: () => end(false),
    over: over.promise,
  }
}
