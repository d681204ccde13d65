/** What stands before the sound of a WAV file, made plain. Bytes in, bytes out; knows no stream and no codec. */

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

/** No format is longer; one that claims to be would have to be waited for. */
const FORMAT_MAX_BYTES = 64 * 1024

/**
 * The beginning of a WAV file with nothing but the format before its sound. Decoders walk over other chunks too, but stumble
 * over what programs write there: one of odd length, a list that is none, a length that nobody knows.
 */
export interface WavHeader {
  /** The next bytes of the file; none once `plain` or `none` was said. A byte costs the same, however the file is sliced. */
  read(bytes: Uint8Array): PlainWav
}

export function createWavHeader(): WavHeader {
  const kept: Buffer[] = []
  /** Bytes that say too little without those behind them. */
  let held: Buffer = Buffer.alloc(0)
  /** Bytes still to come that say nothing. */
  let skippedBytes = 0

  function walk(bytes: Buffer): PlainWav {
    let at = 0
    if (kept.length === 0) {
      if (bytes.length < RIFF_HEADER_BYTES) return unfinished(bytes)
      if (!NAMES.includes(bytes.toString("latin1", 0, 4)) || bytes.toString("latin1", 8, 12) !== "WAVE") return { kind: "none" }
      kept.push(plainRiff())
      at = RIFF_HEADER_BYTES
    }
    while (at + CHUNK_HEADER_BYTES <= bytes.length) {
      const name = bytes.toString("latin1", at, at + 4)
      const length = bytes.readUInt32LE(at + 4)
      const soundAt = at + CHUNK_HEADER_BYTES
      if (name === "data") return { kind: "plain", bytes: Buffer.concat([...kept, dataHeader(length), bytes.subarray(soundAt)]) }
      // One of odd length is followed by a byte that does not count.
      const end = soundAt + length + (length % 2)
      if (name === "fmt " && length > FORMAT_MAX_BYTES) return { kind: "none" }
      if (name === "fmt " && end > bytes.length) break
      if (name === "fmt ") kept.push(Buffer.from(bytes.subarray(at, end)))
      at = end
    }
    skippedBytes += Math.max(0, at - bytes.length)
    return unfinished(bytes.subarray(at))
  }

  function unfinished(rest: Buffer): PlainWav {
    held = Buffer.from(rest)
    return { kind: "unfinished" }
  }

  return {
    read(bytes) {
      const said = bytes.subarray(skippedBytes)
      skippedBytes -= bytes.length - said.length
      return walk(Buffer.concat([held, said]))
    },
  }
}

function plainRiff(): Buffer {
  const riff = Buffer.alloc(RIFF_HEADER_BYTES)
  riff.write("RIFF")
  riff.writeUInt32LE(0xffff_ffff, 4)
  riff.write("WAVE", 8)
  return riff
}

function dataHeader(length: number): Buffer {
  const data = Buffer.alloc(CHUNK_HEADER_BYTES)
  data.write("data")
  data.writeUInt32LE(isUnknown(length) ? LENGTH_MAX_BYTES : length, 4)
  return data
}
