/**
 * Wyoming's events on the wire: a line of JSON, then as many bytes of further JSON and of payload as it says. Pure; knows no event
 * by name.
 */
import { z } from "zod"

export interface Frame {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly payload: Uint8Array
}

/** A client that sends longer ones is none of ours. */
export const LINE_BYTES_MAX = 64 * 1024
export const PAYLOAD_BYTES_MAX = 1024 * 1024

const NEWLINE = 0x0a

const Data = z.record(z.string(), z.unknown())
const Header = z.looseObject({
  type: z.string(),
  data: Data.nullish(),
  data_length: z.int().min(0).max(LINE_BYTES_MAX).nullish(),
  payload_length: z.int().min(0).max(PAYLOAD_BYTES_MAX).nullish(),
})

/** What an event's line says, and where it lies from its beginning. */
interface Line {
  readonly header: z.output<typeof Header>
  readonly dataAt: number
  readonly payloadAt: number
  readonly end: number
}

export interface FrameReader {
  /**
   * The events that these bytes complete, in memory of their own. However the bytes are sliced, each costs the same. Throws a SyntaxError
   * at what is no event or a too long one; nothing is to be read after that.
   */
  read(bytes: Uint8Array): Frame[]
}

export function createFrameReader(): FrameReader {
  /** From the beginning of the event that is not complete; more room than bytes, so that few more are soon added. */
  let room = Buffer.alloc(0)
  let filled = 0
  /** Of the bytes from there on so many were searched for the end of the line. */
  let searched = 0
  /** Once its end was found. */
  let line: Line | null = null

  function append(bytes: Uint8Array) {
    if (filled + bytes.length > room.length) {
      const more = Buffer.alloc(Math.max(filled + bytes.length, 2 * filled))
      more.set(room.subarray(0, filled))
      room = more
    }
    room.set(bytes, filled)
    filled += bytes.length
  }

  /** The first event of what is there; null if more has to come. */
  function first(bytes: Buffer): { frame: Frame; end: number } | null {
    line ??= lineOf(bytes, searched)
    searched = bytes.length
    if (!line || bytes.length < line.end) return null
    const { header, dataAt, payloadAt, end } = line
    const more = header.data_length ? Data.safeParse(json(bytes.subarray(dataAt, payloadAt))).data : {}
    if (!more) throw new SyntaxError("an event's data is not a JSON object")
    return { frame: { type: header.type, data: { ...header.data, ...more }, payload: bytes.subarray(payloadAt, end) }, end }
  }

  return {
    read(bytes) {
      append(bytes)
      const frames: Frame[] = []
      let at = 0
      for (let next = first(room.subarray(0, filled)); next; next = first(room.subarray(at, filled))) {
        frames.push(next.frame)
        at += next.end
        line = null
        searched = 0
      }
      if (at === 0) return frames
      // A copy: the payloads lie in what was there.
      room = Buffer.from(room.subarray(at, filled))
      filled -= at
      return frames
    },
  }
}

/** Null if its end has to come yet. */
function lineOf(bytes: Buffer, searchFrom: number): Line | null {
  const end = bytes.indexOf(NEWLINE, searchFrom)
  if ((end < 0 ? bytes.length : end) > LINE_BYTES_MAX) throw new SyntaxError(`an event's line has at most ${LINE_BYTES_MAX} bytes`)
  if (end < 0) return null
  const header = Header.safeParse(json(bytes.subarray(0, end))).data
  if (!header) throw new SyntaxError("not an event of Wyoming, or a too long one")
  const dataAt = end + 1
  const payloadAt = dataAt + (header.data_length ?? 0)
  return { header, dataAt, payloadAt, end: payloadAt + (header.payload_length ?? 0) }
}

/** An event without payload. */
export function frameText(type: string, data: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ type, data })}\n`
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
