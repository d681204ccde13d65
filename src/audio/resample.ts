/**
 * Any sample rate → 16 kHz, by libsamplerate: what lies above 8 kHz is filtered away and does not fold back into the speech.
 * Knows no container.
 */
import { ConverterType, create } from "@alexanderolsen/libsamplerate-js"
import { SAMPLE_RATE_HZ } from "./pcm.ts"

/** One stream of sound; chunk sizes do not matter. */
export interface Resampler {
  /** What can be said so far at the new rate; it lags a few ms behind. */
  push(samples: Float32Array): Float32Array
  /** The rest. The resampler cannot be used again. */
  end(): Float32Array
}

/** The library holds 1 008 000 samples at a time; its own way of cutting longer input ignores where a view begins. */
const CHUNK_SAMPLES = 100_000

/** Longer than the filter: this much silence pushes the last sample out. */
const FLUSH_SECONDS = 0.1

/** From `rateHz` to 16 kHz. The output is as long as the input, to the sample. */
export async function createResampler(rateHz: number): Promise<Resampler> {
  if (rateHz === SAMPLE_RATE_HZ) return { push: (samples) => samples, end: () => new Float32Array(0) }
  const source = await create(1, rateHz, SAMPLE_RATE_HZ, { converterType: ConverterType.SRC_SINC_MEDIUM_QUALITY })
  let taken = 0
  let given = 0

  function push(samples: Float32Array): Float32Array {
    const pieces: Float32Array[] = []
    for (let at = 0; at < samples.length; at += CHUNK_SAMPLES) pieces.push(source.full(samples.subarray(at, at + CHUNK_SAMPLES)))
    taken += samples.length
    const output = join(pieces)
    given += output.length
    return output
  }

  return {
    push,
    end() {
      const owed = Math.round((taken * SAMPLE_RATE_HZ) / rateHz) - given
      const rest = push(new Float32Array(Math.ceil(rateHz * FLUSH_SECONDS))).subarray(0, Math.max(0, owed))
      source.destroy()
      return rest
    },
  }
}

function join(pieces: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}
