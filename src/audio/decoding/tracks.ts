/**
 * Files whose sound lies in packets (MP4, QuickTime, WebM, Matroska, MP3, ADTS) → sound: the first audio track.
 * The packets are found by Mediabunny, which never decodes here. Knows no codec.
 */
import {
  ADTS,
  BufferSource,
  EncodedPacketSink,
  Input,
  type InputAudioTrack,
  MATROSKA,
  MP3,
  MP4,
  QTFF,
  ReadableStreamSource,
  WEBM,
} from "mediabunny"
import { openCodec } from "./codecs.ts"
import type { Sound, Take } from "./sound.ts"
import { UNKNOWN, UnreadableRecording } from "./unreadable.ts"

/** Sound and picture lie side by side, some seconds at a time. */
const LOOK_BACK_BYTES = 16 * 1024 * 1024

const FORMATS = [MP4, QTFF, WEBM, MATROSKA, ADTS, MP3]

export async function* readTrack(bytes: Take | Uint8Array, mixed: boolean): AsyncGenerator<Sound, void> {
  using input = new Input({ formats: FORMATS, source: sourceOf(bytes) })
  input.on("source", () => endSearches(Reflect.get(input, "_reader")))
  const track = await firstTrack(input)
  const codec = await openCodec(track, mixed)
  try {
    let damage: unknown
    const sink = new EncodedPacketSink(track)
    // Not by its generator, which reads a second of its own time ahead: that may be a quarter of an hour.
    let packet = await sink.getFirstPacket()
    while (packet) {
      const sound = await codec.decode(packet)
      if (sound) yield sound
      packet = await sink.getNextPacket(packet).catch((error: unknown) => {
        damage = error
        return null
      })
    }
    const last = await codec.end()
    if (last) yield last
    if (damage !== undefined) throw damage
  } finally {
    codec.free()
  }
}

/** As Mediabunny reads a file by itself, as far as we know it. */
interface Reader {
  requestSlice(start: number, length: number): Slice | Promise<Slice>
  requestSliceRange(start: number, least: number, most: number): Slice | Promise<Slice>
}
type Slice = { readonly length: number } | null

/** The longest number in the head of an element of Matroska. */
const NUMBER_BYTES_MAX = 8

/**
 * Damage makes Mediabunny (1.61) turn in circles in two places. Where an element of Matroska is damaged it searches for the next one, in
 * slices that overlap by so many bytes, and in the last ones for ever: there is nothing more to be found in them. Where a table of MP4 is
 * damaged it asks for bytes at no place at all, which a stream looks for without an end.
 */
function endSearches(reader: Reader | undefined) {
  if (!reader) return
  const { requestSlice, requestSliceRange } = reader
  const orNothing = (slice: Slice) => (slice && slice.length > NUMBER_BYTES_MAX ? slice : null)
  reader.requestSlice = (start, length) =>
    Number.isSafeInteger(start) && Number.isSafeInteger(length) ? requestSlice.call(reader, start, length) : null
  reader.requestSliceRange = (start, least, most) => {
    if (!Number.isSafeInteger(start)) return null
    const slice = requestSliceRange.call(reader, start, least, most)
    if (least > 0) return slice
    return slice instanceof Promise ? slice.then(orNothing) : orNothing(slice)
  }
}

async function firstTrack(input: Input): Promise<InputAudioTrack> {
  const tracks = await input.getAudioTracks().catch(() => [])
  const [track] = tracks
  if (!track) throw new UnreadableRecording(UNKNOWN)
  return track
}

function sourceOf(bytes: Take | Uint8Array) {
  if (typeof bytes !== "function") return new BufferSource(bytes)
  const take = filledMatroska(bytes)
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const part = take()
        if (part === null) controller.close()
        else controller.enqueue(part)
      },
    },
    // Nothing ahead of what is asked for.
    { highWaterMark: 0 },
  )
  return new ReadableStreamSource(stream, { maxCacheSize: LOOK_BACK_BYTES })
}

const MATROSKA_NAME = Buffer.of(0x1a, 0x45, 0xdf, 0xa3)
const CLUSTER_NAME = Buffer.of(0x1f, 0x43, 0xb6, 0x75)

/** More than one cluster, which holds some seconds. */
const FILLER_BYTES = 128 * 1024
/** An element to be skipped, of 108 bytes, wherever the reading begins. */
const SKIPPED = 0xec
/** One of no length that nobody knows: for clusters that end with the file. */
const EMPTY = 0x80

/** Mediabunny drops a cluster of Matroska that was cut off: something stands for what is missing of it. */
function filledMatroska(take: Take): Take {
  let filler: Uint8Array | null | undefined
  return () => {
    const bytes = take()
    if (filler === undefined) filler = bytes && fillerOf(bytes)
    if (bytes !== null) return bytes
    const last = filler
    filler = null
    return last
  }
}

function fillerOf(head: Uint8Array): Uint8Array | null {
  const bytes = Buffer.from(head.buffer as ArrayBuffer, head.byteOffset, head.length)
  if (!bytes.subarray(0, MATROSKA_NAME.length).equals(MATROSKA_NAME)) return null
  const at = bytes.indexOf(CLUSTER_NAME) + CLUSTER_NAME.length
  const endsWithFile = bytes[at] === 0xff || bytes[at + 1] === 0xff
  return new Uint8Array(FILLER_BYTES).fill(endsWithFile ? EMPTY : SKIPPED)
}
