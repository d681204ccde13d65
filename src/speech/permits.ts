/**
 * How many may work at once, and how many may wait for that: one limiter for all clients of an engine. Knows nothing of
 * speech. First come, first served.
 */
import { EngineError } from "../engines/engine.ts"

export interface Permits {
  /**
   * A permit, at once or when one becomes free; call the function to give it back, once (again is ignored). Rejects with
   * EngineError `overloaded` if too many wait already, `aborted` if the signal aborts first: both leave no trace.
   */
  take(signal: AbortSignal): Promise<() => void>
  /** How many wait now. */
  readonly waiting: number
  /** How many are out now. */
  readonly taken: number
}

export interface PermitsOptions {
  /** Permits in all; at least 1. */
  readonly atOnce: number
  /** How many may wait beyond them; 0 refuses whoever cannot start at once. */
  readonly waitingMax: number
  /** Called whenever `waiting` changed. */
  readonly onWaiting?: (count: number) => void
}

export function createPermits({ atOnce, waitingMax, onWaiting = () => {} }: PermitsOptions): Permits {
  if (!Number.isInteger(atOnce) || atOnce < 1) throw new RangeError(`atOnce: expected a whole number from 1, got ${atOnce}`)
  if (!(waitingMax >= 0)) throw new RangeError(`waitingMax: expected a number from 0, got ${waitingMax}`)

  let taken = 0
  /** In order of arrival. Not empty only while every permit is out. */
  const queue = new Set<() => void>()

  function permit(): () => void {
    let out = true
    return () => {
      if (!out) return
      out = false
      const [grant] = queue
      if (grant) grant()
      else taken--
    }
  }

  function wait(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        queue.delete(grant)
        signal.removeEventListener("abort", abort)
        onWaiting(queue.size)
      }
      const grant = () => {
        leave()
        resolve(permit())
      }
      const abort = () => {
        leave()
        reject(aborted())
      }
      queue.add(grant)
      signal.addEventListener("abort", abort)
      onWaiting(queue.size)
    })
  }

  return {
    async take(signal) {
      if (signal.aborted) throw aborted()
      if (taken < atOnce) {
        taken++
        return permit()
      }
      if (queue.size >= waitingMax) throw new EngineError("overloaded", `${queue.size} utterances wait already`, { retryable: true })
      return wait(signal)
    },
    get waiting() {
      return queue.size
    },
    get taken() {
      return taken
    },
  }
}

function aborted(): EngineError {
  return new EngineError("aborted", "given up while waiting for a permit")
}
