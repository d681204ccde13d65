/**
 * How many may work at once, and how many may wait for that: one limiter for all clients of an engine. Knows nothing of
 * speech. First come, first served, except that long work never holds more than half of the permits, so that short work finds its
 * way past it.
 */
import { EngineError } from "../engines/engine.ts"

export interface Work {
  /** May take so long that others should not have to wait for its end. With a single permit it makes no difference. */
  readonly long: boolean
}

export interface Permits {
  /**
   * A permit, at once or when one becomes free; call the function to give it back, once (again is ignored). Rejects with
   * EngineError `overloaded` if too many wait already, `aborted` if the signal aborts first: both leave no trace.
   */
  take(signal: AbortSignal, work?: Work): Promise<() => void>
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

  // One long piece of work may well keep a whole engine busy, or all of them: more at once would not end sooner.
  const longAtOnce = Math.max(1, Math.floor(atOnce / 2))
  let taken = 0
  let takenByLong = 0
  /** In order of arrival. Whoever waits here cannot start now. */
  const queue = new Map<() => void, Work>()

  const canStart = ({ long }: Work) => taken < atOnce && (!long || takenByLong < longAtOnce)

  function permit({ long }: Work): () => void {
    taken++
    if (long) takenByLong++
    let out = true
    return () => {
      if (!out) return
      out = false
      taken--
      if (long) takenByLong--
      for (const [grant, work] of queue) if (canStart(work)) grant()
    }
  }

  function wait(signal: AbortSignal, work: Work): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        queue.delete(grant)
        signal.removeEventListener("abort", abort)
        onWaiting(queue.size)
      }
      const grant = () => {
        leave()
        resolve(permit(work))
      }
      const abort = () => {
        leave()
        reject(aborted())
      }
      queue.set(grant, work)
      signal.addEventListener("abort", abort)
      onWaiting(queue.size)
    })
  }

  return {
    async take(signal, work = { long: false }) {
      if (signal.aborted) throw aborted()
      if (canStart(work)) return permit(work)
      if (queue.size >= waitingMax) throw overloaded(waitingMax)
      return wait(signal, work)
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

function overloaded(waitingMax: number): EngineError {
  const message = waitingMax === 0 ? "all are busy, and none may wait" : `${waitingMax} utterances wait already`
  return new EngineError("overloaded", message, { retryable: true })
}
