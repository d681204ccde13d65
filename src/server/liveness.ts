/**
 * Finds clients that are gone without having said so. Bun's own idle timeout does it only while we send nothing to them
 * (https://github.com/oven-sh/bun/pull/39255), so we keep the time of the last word from each client ourselves and ping on our own.
 * Knows no socket: only when somebody was heard, and how to ask and to give up.
 */
import type { Clock } from "../clock.ts"

/** Proxies commonly drop a connection after 60 s without traffic; a ping at 30 s keeps an idle one alive. */
export const PING_AFTER_MS = 30_000

/** How often the sockets are looked through, and so also the time from one unanswered ping to the next. */
export const LOOK_EVERY_MS = 15_000

/** Pings asked in vain before a client counts as gone: with the two above, 75 to 90 s after its last word. */
export const UNANSWERED_PINGS_MAX = 3

export interface Watched {
  /** True while we do not read from the client on purpose: its silence is our doing. */
  readonly paused: boolean
  ping(): void
  /** The client is gone. */
  giveUp(): void
}

export interface Liveness<Key> {
  watch(key: Key, watched: Watched): void
  /** The client said something; a pong counts. */
  heard(key: Key): void
  /** After the last one is forgotten no timer is left. */
  forget(key: Key): void
}

export function createLiveness<Key>(clock: Clock): Liveness<Key> {
  const entries = new Map<Key, { watched: Watched; heardAtMs: number; unansweredPings: number }>()
  let cancelLook: (() => void) | undefined

  function look() {
    cancelLook = clock.after(LOOK_EVERY_MS, look)
    const nowMs = clock.now()
    for (const entry of [...entries.values()]) {
      if (entry.watched.paused) {
        entry.heardAtMs = nowMs
        entry.unansweredPings = 0
      }
      if (nowMs - entry.heardAtMs < PING_AFTER_MS) continue
      // Counted in pings, not in time: after a suspended machine wakes up, everybody gets the chance to answer.
      if (entry.unansweredPings >= UNANSWERED_PINGS_MAX) entry.watched.giveUp()
      else {
        entry.unansweredPings++
        entry.watched.ping()
      }
    }
  }

  return {
    watch(key, watched) {
      entries.set(key, { watched, heardAtMs: clock.now(), unansweredPings: 0 })
      cancelLook ??= clock.after(LOOK_EVERY_MS, look)
    },
    heard(key) {
      const entry = entries.get(key)
      if (!entry) return
      entry.heardAtMs = clock.now()
      entry.unansweredPings = 0
    },
    forget(key) {
      entries.delete(key)
      if (entries.size > 0) return
      cancelLook?.()
      cancelLook = undefined
    },
  }
}
