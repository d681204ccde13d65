/**
 * Replies on their way out: first in, first out, none before its time. Knows only text and time.
 */
import type { Clock } from "../clock.ts"

export interface Replies {
  /** Sends `text` once `notBeforeMs` (on the clock) has come and every earlier reply is out: at once, if that is so already. */
  push(text: string, notBeforeMs: number): void
  /** Sends all that is held, now. */
  release(): void
  /** Resolves when nothing is held any more, or on close. */
  empty(): Promise<void>
  /** Idempotent: what is held is forgotten. */
  close(): void
}

export function createReplies({ clock, send }: { clock: Clock; send: (text: string) => void }): Replies {
  let held: { text: string; notBeforeMs: number }[] = []
  let cancelTimer: (() => void) | undefined
  let waiters: (() => void)[] = []

  function sendDue(nowMs: number) {
    cancelTimer?.()
    cancelTimer = undefined
    for (let first = held[0]; first; first = held[0]) {
      if (first.notBeforeMs > nowMs) {
        cancelTimer = clock.after(first.notBeforeMs - nowMs, () => sendDue(clock.now()))
        return
      }
      held.shift()
      send(first.text)
    }
    for (const resolve of waiters) resolve()
    waiters = []
  }

  return {
    push(text, notBeforeMs) {
      held.push({ text, notBeforeMs })
      if (!cancelTimer) sendDue(clock.now())
    },
    release: () => sendDue(Number.POSITIVE_INFINITY),
    empty: () => (held.length === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
    close() {
      held = []
      sendDue(clock.now())
    },
  }
}
