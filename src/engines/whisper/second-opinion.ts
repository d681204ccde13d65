/**
 * Asking the voice activity detector about a stretch of audio that is at hand as a whole. Knows no words and no threshold of
 * Whisper; whatever goes wrong with the detector is "no answer", because there is always a way without it.
 */
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { type VadStream, type VoiceActivityDetector, WINDOW_SAMPLES } from "../../speech/vad/vad.ts"

/** 28 s of audio take it 90 ms. The words of an utterance must not wait for a detector that is stuck. */
const DEADLINE_MS = 3_000

/** The probabilities of speech of the whole windows of `samples`; null if the detector gives none, or if `signal` aborts. */
export type Listen = (samples: Int16Array, signal: AbortSignal) => Promise<readonly number[] | null>

export function createListen(vad: VoiceActivityDetector, { clock, log }: { clock: Clock; log: Log }): Listen {
  return async (samples, signal) => {
    const windows = Math.floor(samples.length / WINDOW_SAMPLES)
    if (windows === 0) return []
    if (signal.aborted) return null
    const heard: number[] = []
    const over = Promise.withResolvers<readonly number[] | null>()
    const giveUp = (why: string) => {
      log.warn("voice activity detector gave no answer", { why })
      over.resolve(null)
    }
    const abort = () => over.resolve(null)
    const stop = clock.after(DEADLINE_MS, () => giveUp("deadline"))
    signal.addEventListener("abort", abort)
    let stream: VadStream | undefined
    try {
      const hear = (probabilities: readonly number[]) => {
        heard.push(...probabilities)
        if (heard.length >= windows) over.resolve(heard)
      }
      stream = vad.open(hear, () => giveUp("failed"))
      stream.accept(samples)
      return await over.promise
    } finally {
      stream?.close()
      stop()
      signal.removeEventListener("abort", abort)
    }
  }
}
