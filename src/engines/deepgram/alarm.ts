/** One thing to do later, at most one at a time. Knows only the clock. */
import type { Clock } from "../../clock.ts"

export interface Alarm {
  /** Calls back once after `ms`, unless set again or cleared before. */
  set(ms: number, callback: () => void): void
  clear(): void
  readonly isSet: boolean
}

export function createAlarm(clock: Clock): Alarm {
  let callOff: (() => void) | undefined

  return {
    set(ms, callback) {
      callOff?.()
      callOff = clock.after(ms, () => {
        callOff = undefined
        callback()
      })
    },
    clear() {
      callOff?.()
      callOff = undefined
    },
    get isSet() {
      return callOff !== undefined
    },
  }
}
