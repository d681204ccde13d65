/**
 * Whether it makes sense to ask an engine that failed: a circuit breaker. Knows no engine but by what became of its answers.
 */
import type { Clock } from "../clock.ts"
import type { EngineError, EngineErrorCode } from "./engine.ts"

/** `half_open`: it may be well again, and one utterance at a time finds out. */
export type BreakerState = "closed" | "half_open" | "open"

/** One failure may be bad luck; a third in a row would keep a third client waiting. */
export const FAILURES_TO_OPEN = 2

/** How long it is left alone; each failed probe doubles it. */
export const OPEN_MS = 2_000
export const OPEN_MAX_MS = 60_000

/** What says that the next utterance would fare no better. The others are about the utterance, or about ourselves. */
const TELLING: readonly EngineErrorCode[] = ["unauthorized", "rate_limited", "unavailable", "timeout"]
/** It said so itself: there is nothing to wait for. */
const CERTAIN: readonly EngineErrorCode[] = ["unauthorized", "rate_limited"]

export interface Breaker {
  readonly state: BreakerState
  /** True, once, if an utterance is to be tried now: `probed` MUST follow, after what became of it was told. */
  probe(): boolean
  probed(): void
  /** Of any utterance, also one that was no probe. */
  succeeded(): void
  /** `isProbe`: of the one that was to find out. */
  failed(error: EngineError, isProbe?: boolean): void
}

export interface BreakerOptions {
  readonly clock: Clock
  /** Called with the new state, and with the code of the failure that opened it. */
  readonly onChange: (state: BreakerState, code: EngineErrorCode | null, openMs: number) => void
}

export function createBreaker({ clock, onChange }: BreakerOptions): Breaker {
  let failures = 0
  /** In a row; 0 while closed. */
  let timesOpened = 0
  let openUntilMs = 0
  let probing = false

  function open({ code, retryAfterMs = 0 }: EngineError) {
    const openMs = Math.min(OPEN_MAX_MS, Math.max(retryAfterMs, OPEN_MS * 2 ** timesOpened))
    timesOpened++
    openUntilMs = clock.now() + openMs
    onChange("open", code, openMs)
  }

  function close() {
    failures = 0
    probing = false
    if (timesOpened === 0) return
    timesOpened = 0
    onChange("closed", null, 0)
  }

  return {
    get state() {
      if (timesOpened === 0) return "closed"
      return probing || clock.now() >= openUntilMs ? "half_open" : "open"
    },
    probe() {
      if (timesOpened === 0 || probing || clock.now() < openUntilMs) return false
      probing = true
      onChange("half_open", null, 0)
      return true
    },
    probed() {
      probing = false
    },
    succeeded: close,
    failed(error, isProbe = false) {
      // It answered, and about this utterance alone.
      if (error.code === "bad_audio") return close()
      if (!TELLING.includes(error.code)) return
      failures++
      const isNews = timesOpened === 0 ? failures >= FAILURES_TO_OPEN || CERTAIN.includes(error.code) : isProbe
      // What was asked before it opened, and fails now, says nothing new.
      if (isNews) open(error)
    },
  }
}
