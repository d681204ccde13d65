/**
 * Whether an engine that is free begins at once or leaves a moment for more utterances to come. Two that are heard together cost
 * less than one after the other, and callers with one utterance after another are back a few ms after each answer. Knows no
 * engine, no queue and no audio.
 */
import type { Clock } from "../../clock.ts"

/** Callers who are not back so long after their answer are not waited for. Twice as long made as many pairs. */
const BACK_MS = 5

export interface Company {
  /** Somebody has the words of a short utterance, and may be back with the next one. */
  answered(): void
  /** A short utterance came. */
  came(): void
  /** How many may be back at any moment. */
  returning(): number
  /** Calls `onOver` once, when nobody is waited for any longer who is now. Idempotent meanwhile. */
  waitForThem(): void
  /** Ends the waiting. */
  close(): void
}

export function createCompany(clock: Clock, onOver: () => void): Company {
  /** When those were answered who are not back. The oldest first. */
  const answeredAtMs: number[] = []
  let stop: (() => void) | null = null

  function forgetLate() {
    const now = clock.now()
    while (answeredAtMs[0] !== undefined && now - answeredAtMs[0] >= BACK_MS) answeredAtMs.shift()
  }

  return {
    answered() {
      forgetLate()
      answeredAtMs.push(clock.now())
    },
    came() {
      answeredAtMs.shift()
    },
    returning() {
      forgetLate()
      return answeredAtMs.length
    },
    waitForThem() {
      const last = answeredAtMs.at(-1)
      if (stop !== null || last === undefined) return
      stop = clock.after(Math.max(0, last + BACK_MS - clock.now()), () => {
        stop = null
        onOver()
      })
    },
    close() {
      stop?.()
      answeredAtMs.length = 0
    },
  }
}
