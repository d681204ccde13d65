/**
 * The last minutes of sound, to look at and to hear again: a ring of fixed size, so that a long talk takes no more memory than
 * a short one. Times are ms since the beginning. Knows no browser.
 */
import { msOf, RATE_HZ, samplesIn } from "./resampling.ts"

/** Samples in one bar of the waveform: 20 ms. */
const PEAK_SAMPLES = RATE_HZ / 50
export const PEAK_MS = 20

export interface Tape {
  readonly lengthMs: number
  /** Older sound is gone. */
  readonly oldestMs: number
  push(samples: Int16Array): void
  /** What is kept of the stretch. */
  between(startMs: number, endMs: number): Int16Array<ArrayBuffer>
  /** The loudest sample of the 20 ms at `ms`, 0 to 1; 0 where nothing is kept. */
  peakAt(ms: number): number
}

export function createTape(keptMs: number): Tape {
  const capacity = samplesIn(keptMs)
  const ring = new Int16Array(capacity)
  const peaks = new Float32Array(Math.ceil(capacity / PEAK_SAMPLES))
  let length = 0

  function push(samples: Int16Array) {
    for (const sample of samples) {
      ring[length % capacity] = sample
      const bar = Math.floor(length / PEAK_SAMPLES) % peaks.length
      const loud = Math.abs(sample) / 32_768
      peaks[bar] = length % PEAK_SAMPLES === 0 ? loud : Math.max(peaks[bar] ?? 0, loud)
      length++
    }
  }

  const oldest = () => Math.max(0, length - capacity)

  return {
    get lengthMs() {
      return msOf(length)
    },
    get oldestMs() {
      return msOf(oldest())
    },
    push,
    between(startMs, endMs) {
      const from = Math.max(oldest(), samplesIn(startMs))
      const to = Math.min(length, samplesIn(endMs))
      return Int16Array.from({ length: Math.max(0, to - from) }, (_, index) => ring[(from + index) % capacity] ?? 0)
    },
    peakAt(ms) {
      const sample = samplesIn(ms)
      if (sample < oldest() || sample >= length) return 0
      return peaks[Math.floor(sample / PEAK_SAMPLES) % peaks.length] ?? 0
    },
  }
}
