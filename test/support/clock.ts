import type { Clock } from "../../src/clock.ts"

export interface HandClock extends Clock {
  /** Moves time on and runs what falls due, in order, letting promises settle between. */
  advance(ms: number): Promise<void>
  /** Timers not yet due: zero when everything is closed. */
  readonly waiting: number
}

/** A clock that only moves when a test says so. */
export function handClock(): HandClock {
  let time = 0
  const timers = new Set<{ at: number; callback: () => void }>()
  return {
    now: () => time,
    after(ms, callback) {
      const timer = { at: time + ms, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const until = time + ms
      for (;;) {
        const due = [...timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0]
        if (!due) break
        time = Math.max(time, due.at)
        timers.delete(due)
        due.callback()
        await settle()
      }
      time = until
      await settle()
    },
    get waiting() {
      return timers.size
    },
  }
}

async function settle() {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}
