/**
 * The JSON texts of a client of OpenAI's realtime transcription: which there are, and what is wrong with one that is none of
 * them. Pure. Does not know what a session may be set to (settings.ts) nor what becomes of a message (realtime.ts).
 */
import { z } from "zod"

/** Of an `input_audio_buffer.append`, as OpenAI limits it. */
const AUDIO_BYTES_MAX = 15 * 1024 * 1024

const EVENT_ID_CHARACTERS_MAX = 512

/** A longer text can only be audio: to parse it whole would hold everybody else up. */
const PARSED_CHARACTERS_MAX = 512 * 1024

/** The audio of a long text begins before this. */
const HEAD_CHARACTERS = 4096

const BUFFER = ["input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear"] as const
const UPDATES = ["session.update", "transcription_session.update"] as const

const Message = z.discriminatedUnion("type", [
  z.object({ type: z.literal(BUFFER[0]), audio: z.string() }),
  z.object({ type: z.enum([BUFFER[1], BUFFER[2]]) }),
  z.object({ type: z.enum(UPDATES), session: z.record(z.string(), z.unknown()) }),
])

/** What of a client's we understand. `audio` is base64, not looked at yet. */
export type Message = z.output<typeof Message>

/** The `error` of an `error` event, but for the `event_id` that it echoes. */
export interface WireError {
  readonly type: "invalid_request_error" | "server_error"
  readonly code: string
  /** One line; repeats nothing of the message. */
  readonly message: string
  readonly param: string | null
}

/** The client's mistake. */
export function mistake(code: string, message: string, param: string | null = null): WireError {
  return { type: "invalid_request_error", code, message, param }
}

export type Reading = { readonly eventId: string | null } & ({ readonly message: Message } | { readonly error: WireError })

/** What OpenAI knows beside transcription: these are no slips of the pen. */
const OF_CONVERSATIONS = /^(response\.(create|cancel)|conversation\.item\.(create|truncate|delete|retrieve)|output_audio_buffer\.clear)$/

const Head = z.looseObject({ type: z.string(), event_id: z.string().max(EVENT_ID_CHARACTERS_MAX).nullish() })

export function readMessage(text: string): Reading {
  const parsed = parse(text)
  const head = Head.safeParse(parsed)
  if (!head.success) return { eventId: null, error: headError(parsed) }
  const { type, event_id: eventId = null } = head.data
  const result = Message.safeParse(parsed)
  if (!result.success) return { eventId, error: bodyError(type, String(result.error.issues[0]?.path[0])) }
  const message = result.data
  if ("audio" in message && message.audio.length > base64Characters(AUDIO_BYTES_MAX)) {
    return { eventId, error: mistake("invalid_value", `audio has at most ${AUDIO_BYTES_MAX} bytes`, "audio") }
  }
  return { eventId, message }
}

function headError(parsed: unknown): WireError {
  if (parsed === undefined) return mistake("invalid_json", "a message is a JSON object, of at most 512 KiB if it carries no audio")
  if (Head.pick({ type: true }).safeParse(parsed).success) {
    return mistake("invalid_value", `event_id must be text of at most ${EVENT_ID_CHARACTERS_MAX} characters`, "event_id")
  }
  return mistake("invalid_event", 'a message is a JSON object with a type, such as {"type":"input_audio_buffer.commit"}', "type")
}

function bodyError(type: string, field: string): WireError {
  if (field !== "type") return mistake("invalid_value", `${type} needs ${field}, ${field === "audio" ? "in base64" : "an object"}`, field)
  if (OF_CONVERSATIONS.test(type)) return mistake("unsupported_event", "this server transcribes and holds no conversations", "type")
  return mistake("invalid_event", `type must be one of ${[...BUFFER, ...UPDATES].join(", ")}`, "type")
}

function parse(text: string): unknown {
  try {
    return text.length <= PARSED_CHARACTERS_MAX ? JSON.parse(text) : parseAround(text)
  } catch {
    return undefined
  }
}

/** Takes the audio out of a long text, which needs no parser, and parses the rest. Undefined if there is none. */
function parseAround(text: string): unknown {
  const key = /"audio"\s*:\s*"/.exec(text.slice(0, HEAD_CHARACTERS))
  if (!key) return undefined
  const start = key.index + key[0].length
  const end = text.indexOf('"', start)
  const rest = text.slice(0, start) + text.slice(end)
  if (end < 0 || rest.length > PARSED_CHARACTERS_MAX) return undefined
  const around = z.looseObject({ audio: z.literal("") }).safeParse(JSON.parse(rest))
  // Some writers of JSON escape the slash.
  return around.success ? { ...around.data, audio: text.slice(start, end).replaceAll("\\/", "/") } : undefined
}

/** How many characters so many bytes are in base64. */
export function base64Characters(bytes: number): number {
  return Math.ceil(bytes / 3) * 4
}

/** The bytes, or undefined if it is no base64. Padding may be left out. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64")
  // The decoder skips what it does not know, and says nothing.
  const characters = text.length - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0)
  return characters % 4 !== 1 && bytes.length === Math.floor((characters * 3) / 4) ? bytes : undefined
}
