/**
 * A bound around work that does not keep time by itself: one deadline over all of it, and an end as soon as the caller
 * gives up, whether or not the work listens.
 */
import type { Clock } from "../clock.ts"
import { EngineError } from "./engine.ts"

export interface Fence {
  /** Aborts when the fence falls: for the work, if it listens. */
  readonly signal: AbortSignal
  /** Time left before the deadline. */
  readonly remainingMs: number
  /** What the work gives; rejects with EngineError `timeout` or `aborted` the moment the fence falls. */
  within<T>(work: Promise<T>): Promise<T>
  /** Rejects likewise. */
  pause(ms: number): Promise<void>
  /** Takes its timer and its listeners away. To be called once the work is over. */
  close(): void
}

export interface FenceOptions {
  /** Any of them ends it with `aborted`. */
  readonly signals: readonly AbortSignal[]
  /** From now. */
  readonly deadlineMs: number
  readonly clock: Clock
  /** Whose work it is, for the messages. */
  readonly name: string
}

export function openFence({ signals, deadlineMs, clock, name }: FenceOptions): Fence {
  const stop = new AbortController()
  const fallen = Promise.withResolvers<never>()
  // Nobody may be inside when it falls.
  fallen.promise.catch(() => {})
  const endsAtMs = clock.now() + deadlineMs

  const fall = (error: EngineError) => {
    fallen.reject(error)
    stop.abort()
  }
  const abort = () => fall(new EngineError("aborted", `${name}: given up by the caller`))
  const timeout = () => fall(new EngineError("timeout", `${name}: no answer within ${Math.round(deadlineMs)} ms`, { retryable: true }))
  const cancelDeadline = clock.after(deadlineMs, timeout)
  for (const signal of signals) {
    if (signal.aborted) abort()
    signal.addEventListener("abort", abort)
  }

  const within = <T>(work: Promise<T>) => Promise.race([fallen.promise, work])
  return {
    signal: stop.signal,
    get remainingMs() {
      return endsAtMs - clock.now()
    },
    within,
    async pause(ms) {
      const over = Promise.withResolvers<void>()
      const cancel = clock.after(ms, over.resolve)
      try {
        await within(over.promise)
      } finally {
        cancel()
      }
    },
    close() {
      cancelDeadline()
      for (const signal of signals) signal.removeEventListener("abort", abort)
    },
  }
}
