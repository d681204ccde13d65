/**
 * Log-mel features as Whisper was trained on them, equal to transformers.js's WhisperFeatureExtractor but for rounding.
 * Knows no model: how many frames and bins are wanted comes in.
 */
import { SAMPLE_RATE_HZ } from "../../audio/pcm.ts"
import { createPairSpectrum, FRAME_SAMPLES, SPECTRUM_BINS } from "./fft.ts"

/** Samples from one frame to the next. */
export const HOP_SAMPLES = 160

/** Powers below this count as silence: the floor under the logarithm. */
const POWER_FLOOR = 1e-10
const SILENCE_LOG = Math.log10(POWER_FLOOR)
/** What lies further below the loudest value of the utterance, in powers of ten, is lifted to that depth. */
const DYNAMIC_RANGE_LOG = 8

export interface LogMel {
  readonly bins: number
  /**
   * Features of samples in [-1, 1) followed by silence, `bins` rows of `frames` values: the first `frames` columns of what
   * the whole 30 s would give. Audio beyond the last frame is not heard.
   */
  features(samples: Float32Array, frames: number): Float32Array
}

export function createLogMel(bins: number): LogMel {
  const filters = melFilters(bins)
  const window = Float64Array.from({ length: FRAME_SAMPLES }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME_SAMPLES))
  const spectrum = createPairSpectrum()

  function writeLogs(power: Float64Array, features: Float32Array, frame: number, frames: number): number {
    let loudest = SILENCE_LOG
    for (let bin = 0; bin < bins; bin++) {
      const { first, weights } = filters[bin] as MelFilter
      let energy = 0
      for (let i = 0; i < weights.length; i++) energy += (weights[i] as number) * (power[first + i] as number)
      const log = Math.log10(Math.max(POWER_FLOOR, energy))
      features[bin * frames + frame] = log
      if (log > loudest) loudest = log
    }
    return loudest
  }

  return {
    bins,
    features(samples, frames) {
      const features = new Float32Array(bins * frames).fill(SILENCE_LOG)
      // A frame reaches half a window beyond its centre: later ones hear nothing.
      const heard = Math.min(frames, Math.ceil((samples.length + FRAME_SAMPLES / 2) / HOP_SAMPLES))
      let loudest = SILENCE_LOG
      for (let frame = 0; frame < heard; frame += 2) {
        writeFrame(samples, frame, window, spectrum.first)
        writeFrame(samples, frame + 1, window, spectrum.second)
        spectrum.run()
        loudest = Math.max(loudest, writeLogs(spectrum.firstPower, features, frame, frames))
        if (frame + 1 < frames) loudest = Math.max(loudest, writeLogs(spectrum.secondPower, features, frame + 1, frames))
      }
      const floor = loudest - DYNAMIC_RANGE_LOG
      for (let i = 0; i < features.length; i++) features[i] = (Math.max(floor, features[i] as number) + 4) / 4
      return features
    },
  }
}

/** The window of a frame, centred on its hop. Before the first sample the signal is mirrored, after the last it is silent. */
function writeFrame(samples: Float32Array, frame: number, window: Float64Array, into: Float64Array): void {
  const start = frame * HOP_SAMPLES - FRAME_SAMPLES / 2
  for (let i = 0; i < FRAME_SAMPLES; i++) into[i] = (window[i] as number) * (samples[Math.abs(start + i)] ?? 0)
}

interface MelFilter {
  /** The first spectrum bin that it hears. */
  readonly first: number
  readonly weights: Float64Array
}

/** Slaney's scale: linear up to 1 kHz, logarithmic above. */
const LINEAR_HZ = 200 / 3
const LOG_FROM_HZ = 1000
const LOG_FROM_MEL = LOG_FROM_HZ / LINEAR_HZ
const LOG_STEP = Math.log(6.4) / 27

const melFromHz = (hz: number): number => (hz < LOG_FROM_HZ ? hz / LINEAR_HZ : LOG_FROM_MEL + Math.log(hz / LOG_FROM_HZ) / LOG_STEP)
const hzFromMel = (mel: number): number => (mel < LOG_FROM_MEL ? mel * LINEAR_HZ : LOG_FROM_HZ * Math.exp(LOG_STEP * (mel - LOG_FROM_MEL)))

/** Triangles evenly spaced in mel, each of the same area. */
function melFilters(bins: number): MelFilter[] {
  const highest = melFromHz(SAMPLE_RATE_HZ / 2)
  const edgeHz = (edge: number): number => hzFromMel((highest * edge) / (bins + 1))
  return Array.from({ length: bins }, (_, bin) => {
    const [low, middle, high] = [edgeHz(bin), edgeHz(bin + 1), edgeHz(bin + 2)]
    const weights = Array.from({ length: SPECTRUM_BINS }, (_, k) => {
      const hz = (k * SAMPLE_RATE_HZ) / FRAME_SAMPLES
      return Math.max(0, Math.min((hz - low) / (middle - low), (high - hz) / (high - middle))) * (2 / (high - low))
    })
    const first = Math.max(
      0,
      weights.findIndex((weight) => weight > 0),
    )
    const last = weights.findLastIndex((weight) => weight > 0)
    return { first, weights: Float64Array.from(weights.slice(first, last + 1)) }
  })
}
