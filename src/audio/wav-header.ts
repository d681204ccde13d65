/** What stands before the sound of a WAV file, made plain. Pure: bytes in, bytes out; knows no stream and no codec. */

const RIFF_HEADER_BYTES = 12
const CHUNK_HEADER_BYTES = 8

/** Titles and pictures may stand before the sound, but not more of them than this. */
export const WAV_HEADER_MAX_BYTES = 16 * 1024 * 1024

/** Of a file of more than 4 GB, whose lengths stand elsewhere. */
const NAMES = ["RIFF", "RF64", "BW64"]

/** Recorders that cannot go back write one of these for the length of the sound: it ends with the file. */
const isUnknown = (length: number) => length === 0 || length >= LENGTH_MAX_BYTES
const LENGTH_MAX_BYTES = 0xffff_ff00

export type PlainWav =
  | { readonly kind: "plain"; readonly bytes: Buffer }
  /** Its sound has not begun yet. */
  | { readonly kind: "unfinished" }
  | { readonly kind: "none" }

/**
 * The beginning of a WAV file with nothing but the format before its sound. Decoders walk over other chunks too, but stumble
 * over what programs write there: one of odd length, a list that is none, a length that nobody knows.
 */
export function plainWav(head: Uint8Array): PlainWav {
  if (head.length < RIFF_HEADER_BYTES) return { kind: "unfinished" }
  const bytes = Buffer.from(head.buffer as ArrayBuffer, head.byteOffset, head.length)
  if (!NAMES.includes(bytes.toString("latin1", 0, 4)) || bytes.toString("latin1", 8, 12) !== "WAVE") return { kind: "none" }
  const riff = Buffer.alloc(RIFF_HEADER_BYTES)
  riff.write("RIFF")
  riff.writeUInt32LE(0xffff_ffff, 4)
  riff.write("WAVE", 8)
  const kept = [riff]
  for (let at = RIFF_HEADER_BYTES; at + CHUNK_HEADER_BYTES <= bytes.length; ) {
    const name = bytes.toString("latin1", at, at + 4)
    const length = bytes.readUInt32LE(at + 4)
    if (name === "data") {
      const data = Buffer.alloc(CHUNK_HEADER_BYTES)
      data.write("data")
      data.writeUInt32LE(isUnknown(length) ? LENGTH_MAX_BYTES : length, 4)
      return { kind: "plain", bytes: Buffer.concat([...kept, data, bytes.subarray(at + CHUNK_HEADER_BYTES)]) }
    }
    // One of odd length is followed by a byte that does not count.
    const end = at + CHUNK_HEADER_BYTES + length + (length % 2)
    if (name === "fmt ") kept.push(bytes.subarray(at, end))
    at = end
  }
  return { kind: "unfinished" }
}
