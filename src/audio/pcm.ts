/**
 * Samples as the whole house passes them: PCM s16le, 16 kHz, mono, in an Int16Array. The only place that knows the
 * number 32768 and the length of a sample. Knows no container, no socket and no engine.
 */

/** Every engine hears this rate; other rates are resampled at the edge. */
export const SAMPLE_RATE_HZ = 16_000

export const BYTES_PER_SAMPLE = 2

const FULL_SCALE = 32_768

/**
 * The samples of a whole message, in memory of their own (the socket may reuse its buffer).
 * A last odd byte is dropped: half a sample says nothing.
 */
export function samplesFromBytes(bytes: Uint8Array): Int16Array {
  const samples = new Int16Array(Math.floor(bytes.byteLength / BYTES_PER_SAMPLE))
  new Uint8Array(samples.buffer).set(bytes.subarray(0, samples.byteLength))
  return samples
}

/** The samples as s16le bytes; a view, not a copy. */
export function bytesFromSamples(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
}

/** Int16 to [-1, 1). */
export function floatsFromSamples(samples: Int16Array): Float32Array {
  const floats = new Float32Array(samples.length)
  for (let i = 0; i < samples.length; i++) floats[i] = (samples[i] as number) / FULL_SCALE
  return floats
}

/** [-1, 1] to Int16, rounded; what lies outside is clipped. */
export function samplesFromFloats(floats: Float32Array): Int16Array {
  const samples = new Int16Array(floats.length)
  for (let i = 0; i < floats.length; i++) {
    const scaled = Math.round((floats[i] as number) * FULL_SCALE)
    samples[i] = Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, scaled))
  }
  return samples
}

export function msFromSamples(samples: number): number {
  return Math.round((samples * 1000) / SAMPLE_RATE_HZ)
}

export function samplesFromMs(ms: number): number {
  return Math.round((ms * SAMPLE_RATE_HZ) / 1000)
}

/** Several pieces of one stream as one. */
export function joinSamples(pieces: readonly Int16Array[]): Int16Array {
  const joined = new Int16Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}

/** Turns any slicing of a byte stream into whole samples: an odd last byte waits for the next slice. */
export function createSampleReader(): (bytes: Uint8Array) => Int16Array {
  let carried: number | undefined
  return (bytes) => {
    if (carried !== undefined && bytes.length > 0) {
      const joined = new Uint8Array(bytes.length + 1)
      joined[0] = carried
      joined.set(bytes, 1)
      bytes = joined
      carried = undefined
    }
    if (bytes.length % BYTES_PER_SAMPLE === 1) carried = bytes[bytes.length - 1]
    return samplesFromBytes(bytes)
  }
}
