/**
 * The beginning of a live stream whose format nobody named: a WAV header tells it. Bytes in, format and the first sound
 * out. Other containers are refused: what decodes them wants whole recordings.
 */
import { type AudioFormat, type Encoding, SAMPLE_RATES_HZ } from "./input.ts"
import { createWavHeader } from "./wav-header.ts"

/** Titles may stand before the sound; pictures do not in a live stream. */
const HEADER_BYTES_MAX = 64 * 1024

export type Beginning =
  | { readonly kind: "sound"; readonly format: AudioFormat; readonly bytes: Uint8Array }
  /** To be asked again with more bytes. */
  | { readonly kind: "unfinished" }
  /** One line for a developer. */
  | { readonly kind: "none"; readonly fault: string }

const RIFF_BYTES = 12
const CHUNK_HEAD_BYTES = 8
const FORMAT_AT = RIFF_BYTES + CHUNK_HEAD_BYTES
const FORMAT_BYTES_MIN = 16
/** Where the real code stands if the format is extensible. */
const EXTENSION_AT = 24
const EXTENSIBLE = 0xfffe

/** By the code of the format and the bits of a sample. */
const ENCODINGS: Readonly<Record<string, Encoding>> = { "1/16": "pcm_s16le", "3/32": "pcm_f32le", "6/8": "alaw", "7/8": "mulaw" }

export interface BeginningReader {
  /** The next bytes; to be asked again only where the beginning is `unfinished`. */
  read(bytes: Uint8Array): Beginning
}

export function createBeginningReader(): BeginningReader {
  const header = createWavHeader()
  let headBytes = 0
  return {
    read(bytes) {
      headBytes += bytes.length
      const wav = header.read(bytes)
      if (wav.kind === "none") return none("without encoding, a live stream must begin with a WAV header")
      if (wav.kind === "unfinished") return headBytes > HEADER_BYTES_MAX ? none("no sound in the first 64 KiB") : wav
      return soundOf(wav.bytes)
    },
  }
}

/** No other chunk is left before the sound; without a format, its place is the sound's. */
function soundOf(bytes: Buffer): Beginning {
  const formatBytes = bytes.toString("latin1", RIFF_BYTES, RIFF_BYTES + 4) === "fmt " ? bytes.readUInt32LE(RIFF_BYTES + 4) : 0
  const soundAt = FORMAT_AT + formatBytes + (formatBytes % 2) + CHUNK_HEAD_BYTES
  if (formatBytes < FORMAT_BYTES_MIN || soundAt > bytes.length) return none("a damaged WAV header")
  const format = formatOf(bytes.subarray(FORMAT_AT, FORMAT_AT + formatBytes))
  return format ? { kind: "sound", format, bytes: bytes.subarray(soundAt) } : none("this kind of WAV is not understood live")
}

function formatOf(chunk: Buffer): AudioFormat | undefined {
  const named = chunk.readUInt16LE(0)
  const code = named === EXTENSIBLE && chunk.length > EXTENSION_AT + 1 ? chunk.readUInt16LE(EXTENSION_AT) : named
  const encoding = ENCODINGS[`${code}/${chunk.readUInt16LE(14)}`]
  const channels = chunk.readUInt16LE(2)
  const rateHz = chunk.readUInt32LE(4)
  const sampleRateHz = SAMPLE_RATES_HZ.find((known) => known === rateHz)
  if (!encoding || !sampleRateHz || (channels !== 1 && channels !== 2)) return undefined
  return { encoding, sampleRateHz, channels, channel: "mix" }
}

function none(fault: string): Beginning {
  return { kind: "none", fault }
}
