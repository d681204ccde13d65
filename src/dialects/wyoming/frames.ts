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

export interface FrameReader {
  /** The events that these bytes complete. Throws a SyntaxError at what is no event or a too long one; nothing is to be read after that. */
  read(bytes: Uint8Array): Frame[]
}

export function createFrameReader(): FrameReader {
  let rest: Uint8Array = new Uint8Array()

  /** The first event of what is there, and how long it is; null if more has to come. */
  function first(bytes: Uint8Array): { frame: Frame; length: number } | null {
    const end = bytes.indexOf(NEWLINE)
    if ((end < 0 ? bytes.length : end) > LINE_BYTES_MAX) throw new SyntaxError(`an event's line has at most ${LINE_BYTES_MAX} bytes`)
    if (end < 0) return null
    const header = Header.safeParse(json(bytes.subarray(0, end))).data
    if (!header) throw new SyntaxError("not an event of Wyoming, or a too long one")
    const dataEnd = end + 1 + (header.data_length ?? 0)
    const length = dataEnd + (header.payload_length ?? 0)
    if (bytes.length < length) return null
    const more = header.data_length ? Data.safeParse(json(bytes.subarray(end + 1, dataEnd))).data : {}
    if (!more) throw new SyntaxError("an event's data is not a JSON object")
    return { frame: { type: header.type, data: { ...header.data, ...more }, payload: bytes.subarray(dataEnd, length) }, length }
  }

  return {
    read(bytes) {
      let left = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      const frames: Frame[] = []
      for (let next = first(left); next; next = first(left)) {
        frames.push(next.frame)
        left = left.subarray(next.length)
      }
      // A copy: the socket may use its bytes again, and a short rest must not keep a long message.
      rest = left.slice()
      return frames
    },
  }
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
