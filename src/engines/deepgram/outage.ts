/**
 * When to dial again after a failure, and when to give up what is owed. An outage begins with a failure and is over when
 * Deepgram has given words or silence for audio again: an open socket proves nothing. Knows no socket.
 */
import type { Clock } from "../../clock.ts"
import type { EngineError } from "../engine.ts"
import type { Timings } from "./timings.ts"

/** Dials in a row before giving up, whatever time is left. */
const FAILURES_MAX = 6

export interface Outage {
  /** One more failure: ms to wait before the next dial, or null to give up what is owed. */
  failed(error: EngineError): number | null
  /** Deepgram is back. */
  over(): void
  /** Ms until the next dial is allowed after giving up; 0 if it is. */
  readonly coolingMs: number
  /** Why it was given up last; undefined if there is no outage. */
  readonly reason: EngineError | undefined
  /** How often it was given up in this outage. */
  readonly givenUp: number
}

export function createOutage(clock: Clock, timings: Timings): Outage {
  let sinceMs = 0
  let failures = 0
  let givenUp = 0
  let coolUntilMs = 0
  let reason: EngineError | undefined

  return {
    failed(error) {
      const nowMs = clock.now()
      if (failures === 0) sinceMs = nowMs
      failures++
      reason = error
      const hopeful = error.retryable && failures < FAILURES_MAX && nowMs - sinceMs < timings.recoveryMs
      if (hopeful) return timings.redialMs * 2 ** (failures - 1)
      coolUntilMs = nowMs + Math.min(timings.cooldownMs * 2 ** givenUp, timings.cooldownMaxMs)
      givenUp++
      return null
    },
    over() {
      failures = 0
      givenUp = 0
      coolUntilMs = 0
      reason = undefined
    },
    get coolingMs() {
      return Math.max(0, coolUntilMs - clock.now())
    },
    get reason() {
      return reason
    },
    get givenUp() {
      return givenUp
    },
  }
}
