/**
 * Ogg with Vorbis, FLAC or Opus, and FLAC as it is → sound. What is damaged is left out where the parser finds the next page
 * or frame. Knows the beginning of a page and nothing else of Ogg: that is the libraries' business.
 */
import { FLACDecoder } from "@wasm-audio-decoders/flac"
import { OggVorbisDecoder } from "@wasm-audio-decoders/ogg-vorbis"
import CodecParser, { type OggPage } from "codec-parser"
import { openOpus } from "./opus.ts"
import type { Sound, Take } from "./sound.ts"
import { OTHER_KIND, UnreadableRecording } from "./unreadable.ts"

/**
 * Where nobody speaks Opus still has a packet of a byte every 20 ms, at times 60, and one of some bytes every 400 ms: 85 bytes a second and
 * more with what Ogg adds.
 */
const OPUS_LEAST_BYTES_PER_SECOND = 64

export const readFlac = (take: Take): AsyncGenerator<Sound, void> => readBy(new FLACDecoder(), take)

/** Several recordings may lie one behind the other, each with a beginning of its own. */
export async function* readOgg(take: Take): AsyncGenerator<Sound, void> {
  const nextLink = createLinks(take)
  for (let link = nextLink(); link !== null; link = nextLink()) {
    yield* readerOf(link)
    while (link.take() !== null);
  }
}

function readerOf({ codec, take }: Link): AsyncGenerator<Sound, void> {
  if (codec === "opus") return readOpus(take)
  if (codec === "vorbis") return readBy(new OggVorbisDecoder(), take)
  if (codec === "flac") return readBy(new FLACDecoder(), take)
  throw new UnreadableRecording(OTHER_KIND)
}

async function* readBy(decoder: FLACDecoder | OggVorbisDecoder, take: Take): AsyncGenerator<Sound, void> {
  await decoder.ready
  try {
    for (let slice = take(); slice !== null; slice = take()) {
      const sound = soundOf(await decoder.decode(slice))
      if (sound) yield sound
    }
    const last = soundOf(await decoder.flush())
    if (last) yield last
  } finally {
    decoder.free()
  }
}

async function* readOpus(take: Take): AsyncGenerator<Sound, void> {
  const parser = new CodecParser<OggPage>("audio/ogg", { enableFrameCRC32: false })
  let opus: Awaited<ReturnType<typeof openOpus>> | undefined
  try {
    for (const page of pagesOf(parser, take)) {
      for (const { header, data } of page.codecFrames) {
        opus ??= await openOpus("preSkip" in header ? header.data : undefined)
        const sound = opus.decode({ data })
        if (sound) yield { ...sound, leastBytesPerSecond: OPUS_LEAST_BYTES_PER_SECOND }
      }
    }
  } finally {
    opus?.free()
  }
}

function* pagesOf(parser: CodecParser<OggPage>, take: Take): Generator<OggPage, void> {
  for (let slice = take(); slice !== null; slice = take()) yield* Iterator.from(parser.parseChunk(slice))
  yield* Iterator.from(parser.flush())
}

function soundOf(decoded: { channelData: Float32Array[]; samplesDecoded: number; sampleRate: number }): Sound | null {
  return decoded.samplesDecoded > 0 ? { channels: decoded.channelData, rateHz: decoded.sampleRate } : null
}

interface Link {
  readonly codec: "opus" | "vorbis" | "flac" | undefined
  readonly take: Take
}

/** A page of version 0 which says that a stream begins with it. */
const FIRST_PAGE = Buffer.from("OggS\0\x02", "latin1")
const PAGE_HEADER_BYTES = 27
/** Those of all streams of one recording take some hundred bytes. */
const FIRST_PAGES_BYTES = 1024
const SEGMENTS_AT = 26

/** Cuts at the beginnings: what one link leaves must be taken before the next one is asked for. */
function createLinks(take: Take): () => Link | null {
  let held = Buffer.alloc(0)
  let over = false
  const more = () => {
    const bytes = take()
    over = bytes === null
    if (bytes) held = Buffer.concat([held, bytes])
  }
  return () => {
    while (!over && held.length < FIRST_PAGES_BYTES) more()
    if (held.length === 0) return null
    const codec = codecOf(held)
    // The streams of one recording all begin before the first of them goes on.
    let searchFrom = endOfFirstPages(held)
    let ended = false
    return {
      codec,
      take() {
        if (ended) return null
        if (!over && held.length < FIRST_PAGE.length) more()
        const next = held.indexOf(FIRST_PAGE, searchFrom)
        searchFrom = 0
        ended = next !== -1 || over
        // A beginning may lie across two parts.
        const end = next !== -1 ? next : over ? held.length : held.length - FIRST_PAGE.length + 1
        const bytes = held.subarray(0, end)
        held = held.subarray(end)
        return bytes.length > 0 ? new Uint8Array(bytes) : ended ? null : this.take()
      },
    }
  }
}

function endOfFirstPages(bytes: Buffer): number {
  let at = 0
  while (bytes.subarray(at, at + FIRST_PAGE.length).equals(FIRST_PAGE) && at + PAGE_HEADER_BYTES <= bytes.length) {
    const segments = bytes.subarray(at + PAGE_HEADER_BYTES, at + PAGE_HEADER_BYTES + (bytes[at + SEGMENTS_AT] ?? 0))
    at += PAGE_HEADER_BYTES + segments.length + segments.reduce((sum, length) => sum + length, 0)
  }
  return at
}

function codecOf(bytes: Buffer): Link["codec"] {
  const firstPages = bytes.subarray(0, endOfFirstPages(bytes))
  if (firstPages.includes("OpusHead")) return "opus"
  if (firstPages.includes("\x01vorbis")) return "vorbis"
  if (firstPages.includes("\x7fFLAC")) return "flac"
  return undefined
}
