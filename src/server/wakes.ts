/**
 * The time of one session, as its dialect sees it, and the deadlines that the dialect asks for. It stands still while the client
 * is not read from on purpose: then nobody can know whether it is silent. Knows no wire.
 */
import type { Clock } from "../clock.ts"
import type { Command, Dialect } from "../dialects/dialect.ts"

export interface WakesOptions {
  readonly dialect: Pick<Dialect, "wakeAtMs" | "wake">
  readonly obey: (command: Command) => void
  /** The dialect or `obey` threw, where nobody else would catch it. */
  readonly onBroken: (thrown: unknown) => void
  readonly clock: Clock
}

export interface Wakes {
  /** Ms since these were created, without the pauses. */
  nowMs(): number
  /** To be called with what each call of the dialect gave: its deadline may have moved. Returns the same. */
  after<Given>(given: Given): Given
  pause(): void
  resume(): void
  /** Idempotent: nobody is woken any more. */
  close(): void
}

export function createWakes({ dialect, obey, onBroken, clock }: WakesOptions): Wakes {
  /** On the clock: where the session's time would be 0, had it never paused longer than it did. */
  let originMs = clock.now()
  let pausedAtMs: number | null = null
  /** In the session's time; null if no timer runs. */
  let setForMs: number | null = null
  let cancelTimer: (() => void) | undefined
  let closed = false

  const nowMs = () => (pausedAtMs ?? clock.now()) - originMs

  function disarm() {
    cancelTimer?.()
    cancelTimer = undefined
    setForMs = null
  }

  /** A deadline that moves away with every message costs no timer each: the one that was set finds out that it is early. */
  function arm() {
    const atMs = dialect.wakeAtMs ?? null
    if (closed || pausedAtMs !== null || atMs === null) return disarm()
    if (setForMs !== null && setForMs <= atMs) return
    disarm()
    setForMs = atMs
    cancelTimer = clock.after(Math.max(0, atMs - nowMs()), ring)
  }

  function ring() {
    disarm()
    const atMs = dialect.wakeAtMs ?? null
    const now = nowMs()
    if (closed || atMs === null || !dialect.wake) return
    if (now < atMs) return arm()
    try {
      for (const command of dialect.wake(now)) if (!closed) obey(command)
    } catch (thrown) {
      return onBroken(thrown)
    }
    arm()
  }

  return {
    nowMs,
    after(given) {
      if (dialect.wake) arm()
      return given
    },
    pause() {
      pausedAtMs ??= clock.now()
      disarm()
    },
    resume() {
      if (pausedAtMs === null) return
      originMs += clock.now() - pausedAtMs
      pausedAtMs = null
      if (dialect.wake) arm()
    },
    close() {
      closed = true
      disarm()
    },
  }
}
