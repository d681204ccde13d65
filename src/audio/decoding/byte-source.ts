/**
 * The bytes of one file as the decoder asks for them: from front to back where the format allows it, and as a whole where it
 * does not. Knows no codec.
 */
import { plainWav, WAV_HEADER_MAX_BYTES } from "../wav-header.ts"

export interface ByteSource {
  /** Fills what it can; 0 is the end. */
  read(into: Uint8Array): number
  /** Only if the size is known. */
  seek(position: number): void
  /** Null: the bytes pass by once. */
  readonly sizeBytes: number | null
  /** Bytes that came from the sender so far. */
  readonly takenBytes: number
}

/** So much shows whether a file must be held as a whole. */
const HEAD_BYTES = 64 * 1024

/** `take` gives the next bytes, null at their end. */
export function openSource(take: () => Uint8Array | null, maxBytes: number): ByteSource {
  let takenBytes = 0
  const counted = () => {
    const bytes = take()
    takenBytes += bytes?.length ?? 0
    return bytes
  }
  const head = plainHead(readHead(counted), counted)
  const source = mustBeWhole(head) ? wholeFile(head, counted, maxBytes) : passingFile(head, counted)
  return {
    ...source,
    get takenBytes() {
      return takenBytes
    },
  }
}

function readHead(take: () => Uint8Array | null): Uint8Array {
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

type Reading = Pick<ByteSource, "read" | "seek" | "sizeBytes">

function passingFile(head: Uint8Array, take: () => Uint8Array | null): Reading {
  let current: Uint8Array | null = head
  return {
    read(into) {
      while (current !== null && current.length === 0) current = take()
      if (current === null) return 0
      const here = current.subarray(0, into.length)
      into.set(here)
      current = current.subarray(here.length)
      return here.length
    },
    seek() {
      throw new Error("these bytes pass by once")
    },
    sizeBytes: null,
  }
}

function wholeFile(head: Uint8Array, take: () => Uint8Array | null, maxBytes: number): Reading {
  const memory = new ArrayBuffer(head.length, { maxByteLength: Math.max(head.length, maxBytes) })
  for (let chunk: Uint8Array | null = head, at = 0; chunk !== null; at += chunk.length, chunk = take()) {
    memory.resize(at + chunk.length)
    new Uint8Array(memory).set(chunk, at)
  }
  const bytes = new Uint8Array(memory)
  let position = 0
  return {
    read(into) {
      const here = bytes.subarray(position, position + into.length)
      into.set(here)
      position += here.length
      return here.length
    },
    seek(to) {
      position = Math.min(to, bytes.length)
    },
    sizeBytes: bytes.length,
  }
}

/** Of a WAV file as much as is needed to make its header plain. */
function plainHead(head: Uint8Array, take: () => Uint8Array | null): Uint8Array {
  for (;;) {
    const plain = plainWav(head)
    if (plain.kind === "plain") return plain.bytes
    if (plain.kind === "none" || head.length > WAV_HEADER_MAX_BYTES) return head
    const more = take()
    if (more === null) return head
    head = Buffer.concat([head, more])
  }
}

/** Files whose table of contents may lie behind the sound. */
function mustBeWhole(head: Uint8Array): boolean {
  if (text(head, 0) === "caff") return true
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
