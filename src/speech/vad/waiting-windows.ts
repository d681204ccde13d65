/**
 * The samples of one stream that nobody has heard yet, as whole windows with the context before each. Pure bookkeeping:
 * knows no process and no clock, and copies a sample once, when it is taken.
 */
import { CONTEXT_SAMPLES } from "./ipc.ts"
import { WINDOW_SAMPLES } from "./vad.ts"

export interface WaitingWindows {
  /** Whole windows that can be taken. */
  readonly count: number
  /** The array MUST NOT change until it was taken. */
  add(samples: Int16Array): void
  /** The context of the next window, then so many windows as fill `into`: at most `count`. */
  take(into: Int16Array): void
}

export function createWaitingWindows(): WaitingWindows {
  const pieces: Int16Array[] = []
  let samples = 0
  /** The end of what was taken last: silence before the first window. */
  let context = new Int16Array(CONTEXT_SAMPLES)
  return {
    get count() {
      return Math.floor(samples / WINDOW_SAMPLES)
    },
    add(more) {
      pieces.push(more)
      samples += more.length
    },
    take(into) {
      into.set(context)
      samples -= into.length - CONTEXT_SAMPLES
      for (let at = CONTEXT_SAMPLES; at < into.length; ) {
        const piece = pieces.shift()
        if (piece === undefined) throw new Error("more windows were taken than wait")
        const here = piece.subarray(0, into.length - at)
        into.set(here, at)
        at += here.length
        if (here.length < piece.length) pieces.unshift(piece.subarray(here.length))
      }
      context = into.slice(-CONTEXT_SAMPLES)
    },
  }
}
