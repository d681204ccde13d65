/**
 * Whether a client is read from: not while it makes us hold too much. Knows neither what is held nor how a socket stops.
 */
import type { Clock } from "../clock.ts"

/** What weighs may go without a word (silence in a continuous stream), so a paused client is looked at again. */
const PAUSED_LOOK_MS = 100

export interface BackpressureOptions {
  /** Whether the client makes us hold too much now. */
  readonly heavy: () => boolean
  readonly pause: () => void
  readonly resume: () => void
  readonly clock: Clock
}

export interface Backpressure {
  /** To be called when something came in or went out. */
  weigh(): void
  readonly paused: boolean
  /** Idempotent: nothing is weighed any more. */
  close(): void
}

export function createBackpressure({ heavy, pause, resume, clock }: BackpressureOptions): Backpressure {
  let paused = false
  let closed = false
  let cancelLook: (() => void) | undefined

  function weigh() {
    cancelLook?.()
    cancelLook = undefined
    if (closed) return
    const tooHeavy = heavy()
    if (tooHeavy) cancelLook = clock.after(PAUSED_LOOK_MS, weigh)
    if (tooHeavy === paused) return
    paused = tooHeavy
    if (paused) pause()
    else resume()
  }

  return {
    weigh,
    get paused() {
      return paused
    },
    close() {
      closed = true
      cancelLook?.()
    },
  }
}
