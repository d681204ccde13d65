/**
 * The bytes of one file as the decoder asks for them: from front to back where the format allows it, and as a whole where it
 * does not. Knows no codec.
 */
import { createWavHeader, WAV_HEADER_MAX_BYTES } from "../wav-header.ts"
import type { Take } from "./sound.ts"

export interface ByteSource {
  /** The first bytes, which show what the file is. */
  readonly head: Uint8Array
  /** From the first byte on, once. Null at the end. */
  readonly take: Take
  /** The same in slices so small that what one of them unpacks to fits into memory. */
  readonly takeSlice: Take
  /** All of the bytes, if they have to be held: then `take` gives nothing. */
  readonly whole: Uint8Array | null
  /** Bytes that came from the sender so far, less those of which no slice was taken yet. */
  readonly takenBytes: number
  /** What `take` threw: it may have passed through code that took it for damage. */
  readonly failure: unknown
}

/** So much shows whether a file must be held as a whole. */
const HEAD_BYTES = 64 * 1024

/** Of silence at most 4 s a byte. */
const SLICE_BYTES = 1024

/** `next` gives the next bytes, null at their end. */
export function openSource(next: Take, maxBytes: number): ByteSource {
  let takenBytes = 0
  let failure: unknown
  const counted = () => {
    try {
      const bytes = next()
      takenBytes += bytes?.length ?? 0
      return bytes
    } catch (error) {
      failure = error
      throw error
    }
  }
  const head = plainHead(readHead(counted), counted)
  const whole = mustBeWhole(head) ? wholeFile(head, counted, maxBytes) : null
  let first: Uint8Array | null = whole === null ? head : null
  let sliced: Uint8Array = new Uint8Array(0)

  function take() {
    const bytes = first ?? (whole === null ? counted() : null)
    first = null
    return bytes
  }

  return {
    head,
    take,
    takeSlice() {
      while (sliced.length === 0) {
        const bytes = take()
        if (bytes === null) return null
        sliced = bytes
      }
      const slice = sliced.subarray(0, SLICE_BYTES)
      sliced = sliced.subarray(slice.length)
      return slice
    },
    whole,
    get takenBytes() {
      return takenBytes - sliced.length
    },
    get failure() {
      return failure
    },
  }
}

function readHead(take: Take): Uint8Array {
  const chunks: Uint8Array[] = []
  let length = 0
  while (length < HEAD_BYTES) {
    const chunk = take()
    if (chunk === null) break
    chunks.push(chunk)
    length += chunk.length
  }
  return new Uint8Array(Buffer.concat(chunks))
}

function wholeFile(head: Uint8Array, take: Take, maxBytes: number): Uint8Array {
  const memory = new ArrayBuffer(head.length, { maxByteLength: Math.max(head.length, maxBytes) })
  for (let chunk: Uint8Array | null = head, at = 0; chunk !== null; at += chunk.length, chunk = take()) {
    memory.resize(at + chunk.length)
    new Uint8Array(memory).set(chunk, at)
  }
  return new Uint8Array(memory)
}

/** Of a WAV file as much as is needed to make its header plain. */
function plainHead(head: Uint8Array, take: Take): Uint8Array {
  const header = createWavHeader()
  const chunks: Uint8Array[] = []
  let length = 0
  for (let chunk: Uint8Array | null = head; chunk !== null && length <= WAV_HEADER_MAX_BYTES; chunk = take()) {
    chunks.push(chunk)
    length += chunk.length
    const plain = header.read(chunk)
    if (plain.kind === "plain") return new Uint8Array(plain.bytes)
    if (plain.kind === "none") break
  }
  return chunks.length === 1 ? head : new Uint8Array(Buffer.concat(chunks))
}

/** Files whose table of contents may lie behind the sound. */
function mustBeWhole(head: Uint8Array): boolean {
  return MP4_BOXES.has(text(head, 4)) && !tableComesFirst(head)
}

/** What an MP4 or QuickTime file may begin with. */
const MP4_BOXES = new Set(["ftyp", "moov", "mdat", "free", "skip", "wide", "pnot"])

const BOX_HEADER_BYTES = 8

function tableComesFirst(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  for (let at = 0; at + BOX_HEADER_BYTES <= head.length; ) {
    const name = text(head, at + 4)
    if (name === "moov") return true
    const sizeBytes = view.getUint32(at)
    // 0 is "to the end", 1 a size of 64 bits: neither stands before the table of a file that was meant to be streamed.
    if (name === "mdat" || sizeBytes < BOX_HEADER_BYTES) return false
    at += sizeBytes
  }
  return false
}

function text(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4))
}
