/**
 * The windows of all streams that wait to be heard, and the one message of them that is on its way. Every window is in exactly
 * one of both until it was answered. Knows no process and no time.
 */
import { vadWindowsWaiting } from "../../metrics.ts"
import { CONTEXT_SAMPLES, type Probabilities, STATE_FLOATS, type Windows } from "./ipc.ts"
import { type VadStream, WINDOW_SAMPLES } from "./vad.ts"
import { createWaitingWindows, type WaitingWindows } from "./waiting-windows.ts"

/**
 * The ceilings of one message: 17 ms of work for the process, 0.5 MB for the channel. So a stream that brings a minute at once
 * delays the others by no more than that.
 */
const WINDOWS_OF_STREAM_MAX = 8
const STREAMS_MAX = 64

type Hear = (probabilities: readonly number[]) => void
type Fail = (error: unknown) => void

interface Listener {
  readonly hear: Hear
  readonly fail: Fail
  readonly windows: WaitingWindows
  /** What the model carries on from the last answered window. */
  state: Float32Array
}

export interface Gathering {
  open(hear: Hear, fail: Fail): VadStream
  /** True if there is a message without an answer, or whole windows for one. */
  readonly waiting: boolean
  /** The message without an answer: made of what waits, unless there is one already. Undefined if nothing waits. */
  message(): Windows | undefined
  /** Hands out what the message was answered with, and forgets the message. */
  answer(probabilities: Probabilities): void
  /** Ends every stream: it hears nothing more but this error, if there is one. */
  end(error?: unknown): void
}

/** `onWaiting` is called, within `accept`, when windows wait and none did before. */
export function createGathering(onWaiting: () => void): Gathering {
  const listeners = new Set<Listener>()
  /** Those with a whole window, the longest waiting first. */
  const queue = new Set<Listener>()
  let sent: { message: Windows; from: readonly Listener[] } | undefined
  let windowsWaiting = 0

  return {
    open(hear, fail) {
      const listener: Listener = { hear, fail, windows: createWaitingWindows(), state: new Float32Array(STATE_FLOATS) }
      listeners.add(listener)
      return {
        accept(samples) {
          if (!listeners.has(listener)) return
          const before = listener.windows.count
          listener.windows.add(samples)
          count(listener.windows.count - before)
          if (listener.windows.count === 0) return
          queue.add(listener)
          if (queue.size === 1) onWaiting()
        },
        close: () => drop(listener),
      }
    },
    get waiting() {
      return sent !== undefined || queue.size > 0
    },
    message() {
      if (!sent && queue.size > 0) sent = gather()
      return sent?.message
    },
    answer({ probabilities, states }) {
      if (!sent) throw new Error("an answer came without a message")
      const { message, from } = sent
      sent = undefined
      let at = 0
      for (const [row, listener] of from.entries()) {
        const heard = probabilities.subarray(at, at + (message.counts[row] ?? 0))
        at += heard.length
        listener.state = states.subarray(row * STATE_FLOATS, (row + 1) * STATE_FLOATS)
        if (listeners.has(listener)) listener.hear([...heard])
      }
    },
    end(error) {
      sent = undefined
      for (const listener of [...listeners]) {
        drop(listener)
        if (error !== undefined) listener.fail(error)
      }
    },
  }

  function gather() {
    const from = [...queue].slice(0, STREAMS_MAX)
    const counts = from.map(({ windows }) => Math.min(windows.count, WINDOWS_OF_STREAM_MAX))
    const lengths = counts.map((count) => CONTEXT_SAMPLES + count * WINDOW_SAMPLES)
    const samples = new Int16Array(lengths.reduce((sum, length) => sum + length, 0))
    const states = new Float32Array(from.length * STATE_FLOATS)
    let at = 0
    for (const [row, listener] of from.entries()) {
      const length = lengths[row] ?? 0
      listener.windows.take(samples.subarray(at, at + length))
      at += length
      states.set(listener.state, row * STATE_FLOATS)
      // Who has more goes behind the others.
      queue.delete(listener)
      if (listener.windows.count > 0) queue.add(listener)
    }
    count(-counts.reduce((sum, windows) => sum + windows, 0))
    return { message: { type: "windows", counts, samples, states } as const, from }
  }

  function drop(listener: Listener) {
    if (!listeners.delete(listener)) return
    queue.delete(listener)
    count(-listener.windows.count)
  }

  function count(windows: number) {
    windowsWaiting += windows
    vadWindowsWaiting.set(windowsWaiting)
  }
}
