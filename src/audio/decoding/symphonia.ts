/**
 * Files of many kinds → sound, by Symphonia and libopus, both as WebAssembly. Each file gets memory of its own, which a damaged
 * one can neither leave nor grow over 256 MiB. Runs in the decoding process only. Knows no wire and no limits on length.
 */
import { OpusDecoder } from "opus-decoder"
import { SAMPLE_RATE_HZ } from "../pcm.ts"
import type { ByteSource } from "./byte-source.ts"
import wasmPath from "./symphonia/recordings.wasm" with { type: "file" }
import { UnreadableRecording } from "./unreadable.ts"

export interface Sound {
  /** One array a channel, of the same length, nominally -1 to 1. Good until the next sound is asked for. */
  readonly channels: readonly Float32Array[]
  readonly rateHz: number
}

export interface Recording {
  /** The next sound, null at the end. What is damaged in the middle is left out; what is cut off ends there. */
  next(): Sound | null
  close(): void
}

/** What `symphonia/src/lib.rs` gives. */
interface Exports {
  readonly memory: WebAssembly.Memory
  open(sizeBytes: number): number
  next(): number
  rate(): number
  channels(): number
  frames(): number
  samples(): number
  packet(): number
  packet_len(): number
  is_opus(): number
  setup(): number
  setup_len(): number
  failure(): number
  failure_len(): number
}

/** What its `open` and `next` answer. */
const SAMPLES = 1
const PACKET = 2
const FAILED = 3

const UNKNOWN = "no sound was found in this file: it is damaged, or none of wav, flac, mp3, ogg, opus, webm, m4a, mp4, aac, aiff, caf"
const DAMAGED = "this file is damaged: nothing in it can be decoded"

export async function loadSymphonia(): Promise<(source: ByteSource) => Promise<Recording>> {
  const module = await WebAssembly.compile(await Bun.file(wasmPath).bytes())
  return (source) => openRecording(module, source)
}

/** Rejects with UnreadableRecording. */
async function openRecording(module: WebAssembly.Module, source: ByteSource): Promise<Recording> {
  let stopped: unknown
  const host = {
    read(at: number, length: number): number {
      try {
        return source.read(new Uint8Array(symphonia.memory.buffer, at, length))
      } catch (error) {
        // It has to pass through code that would take it for a defect of its own.
        stopped = error
        throw error
      }
    },
    seek: (position: number) => source.seek(position),
  }
  const symphonia = new WebAssembly.Instance(module, { host }).exports as unknown as Exports

  /** What the module answers; undefined if it broke, as only a damaged file can bring about. */
  function ask(question: () => number): number | undefined {
    try {
      return question()
    } catch (error) {
      if (stopped !== undefined) throw stopped
      if (error instanceof WebAssembly.RuntimeError) return undefined
      throw error
    }
  }

  const opened = ask(() => symphonia.open(source.sizeBytes ?? -1))
  if (opened !== 0) throw new UnreadableRecording(opened === FAILED ? reasonOf(symphonia) : UNKNOWN)
  const opus = symphonia.is_opus() === 0 ? undefined : await openOpus(bytesAt(symphonia, symphonia.setup(), symphonia.setup_len()))
  let heard = false
  return {
    next() {
      for (;;) {
        const kind = ask(() => symphonia.next())
        const sound = kind === SAMPLES ? samplesOf(symphonia) : kind === PACKET ? opus?.decode(packetOf(symphonia)) : null
        heard ||= sound !== null && sound !== undefined
        if (sound) return sound
        if (kind === PACKET) continue
        if (!heard && (kind === undefined || kind === FAILED)) throw new UnreadableRecording(DAMAGED)
        return null
      }
    },
    close: () => opus?.free(),
  }
}

function samplesOf(symphonia: Exports): Sound {
  const frames = symphonia.frames()
  const at = symphonia.samples()
  const channels = Array.from(
    { length: symphonia.channels() },
    (_, channel) => new Float32Array(symphonia.memory.buffer, at + channel * frames * Float32Array.BYTES_PER_ELEMENT, frames),
  )
  // Unsigned over there.
  return { channels, rateHz: symphonia.rate() >>> 0 }
}

function packetOf(symphonia: Exports): Uint8Array {
  return bytesAt(symphonia, symphonia.packet(), symphonia.packet_len())
}

function bytesAt({ memory }: Exports, at: number, length: number): Uint8Array {
  return new Uint8Array(memory.buffer, at, length).slice()
}

function reasonOf(symphonia: Exports): string {
  const said = new TextDecoder().decode(bytesAt(symphonia, symphonia.failure(), symphonia.failure_len()))
  return OTHER_CODEC.test(said) ? "this file's sound is of a kind that cannot be decoded" : UNKNOWN
}

/** What Symphonia says of a file that is well, but not for it. */
const OTHER_CODEC = /^unsupported feature: .*(codec|wave format|complex|channel)/

/** Where the header of RFC 7845 keeps what. */
const OPUS_HEADER_BYTES = 19
const VERSION_AT = 8
const CHANNELS_AT = 9
const PRE_SKIP_AT = 10
const FAMILY_AT = 18

const OPUS_RATE_HZ = 48_000

async function openOpus(header: Uint8Array) {
  if (header.length < OPUS_HEADER_BYTES) throw new UnreadableRecording(DAMAGED)
  const channels = header[CHANNELS_AT] ?? 1
  const mapped = header[FAMILY_AT] !== 0
  if (mapped && header.length < OPUS_HEADER_BYTES + 2 + channels) throw new UnreadableRecording(DAMAGED)
  // In an MP4 file it is of version 0 and big-endian.
  const preSkip = new DataView(header.buffer).getUint16(PRE_SKIP_AT, header[VERSION_AT] !== 0)
  const decoder = new OpusDecoder({
    sampleRate: SAMPLE_RATE_HZ,
    preSkip: Math.round((preSkip * SAMPLE_RATE_HZ) / OPUS_RATE_HZ),
    channels,
    ...(mapped && {
      streamCount: header[OPUS_HEADER_BYTES] ?? 1,
      coupledStreamCount: header[OPUS_HEADER_BYTES + 1] ?? 0,
      channelMappingTable: [...header.subarray(OPUS_HEADER_BYTES + 2, OPUS_HEADER_BYTES + 2 + channels)],
    }),
  })
  await decoder.ready
  return {
    /** Null: nothing in this packet can be heard. */
    decode(packet: Uint8Array): Sound | null {
      const { channelData, samplesDecoded } = decoder.decodeFrame(packet)
      return samplesDecoded > 0 ? { channels: channelData, rateHz: SAMPLE_RATE_HZ } : null
    },
    free: () => decoder.free(),
  }
}
