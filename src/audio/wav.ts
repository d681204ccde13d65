/** Samples as a WAV file in memory, for those who want a file. Writes only; reading is the business of `files.ts`. */
import { BYTES_PER_SAMPLE, bytesFromSamples, SAMPLE_RATE_HZ } from "./pcm.ts"

export const WAV_HEADER_BYTES = 44

/** PCM s16le, 16 kHz, mono, with the plain header of 44 bytes. */
export function wavFromSamples(samples: Int16Array): Uint8Array {
  const data = bytesFromSamples(samples)
  const wav = new Uint8Array(WAV_HEADER_BYTES + data.byteLength)
  wav.set(wavHeader(samples.length))
  wav.set(data, WAV_HEADER_BYTES)
  return wav
}

/** The header alone, for whoever can send the samples behind it without a copy. */
export function wavHeader(sampleCount: number): Uint8Array<ArrayBuffer> {
  const dataBytes = sampleCount * BYTES_PER_SAMPLE
  const header = new Uint8Array(WAV_HEADER_BYTES)
  const view = new DataView(header.buffer)
  const word = (at: number, text: string) => new TextEncoder().encodeInto(text, header.subarray(at))

  word(0, "RIFF")
  view.setUint32(4, WAV_HEADER_BYTES - 8 + dataBytes, true)
  word(8, "WAVE")
  word(12, "fmt ")
  view.setUint32(16, 16, true) // bytes of this chunk
  view.setUint16(20, 1, true) // PCM
  view.setUint16(22, 1, true) // channels
  view.setUint32(24, SAMPLE_RATE_HZ, true)
  view.setUint32(28, SAMPLE_RATE_HZ * BYTES_PER_SAMPLE, true)
  view.setUint16(32, BYTES_PER_SAMPLE, true) // a frame of one channel
  view.setUint16(34, BYTES_PER_SAMPLE * 8, true)
  word(36, "data")
  view.setUint32(40, dataBytes, true)
  return header
}
