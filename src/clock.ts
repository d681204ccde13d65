/** Time as an argument, so that tests can turn it by hand. The only place that touches the real timers. */

export interface Clock {
  /** Milliseconds from a fixed point; never goes back. */
  now(): number
  /** Calls back once after `ms`; the returned function calls it off and may be called at any time. */
  after(ms: number, callback: () => void): () => void
}

export const realClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

/** Resolves after `ms`; rejects with the signal's reason. */
export async function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (ms <= 0) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const cancel = clock.after(ms, resolve)
  const abort = () => reject(signal.reason)
  signal.addEventListener("abort", abort, { once: true })
  try {
    await promise
  } finally {
    cancel()
    signal.removeEventListener("abort", abort)
  }
}
