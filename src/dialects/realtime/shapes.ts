/**
 * The events of OpenAI's realtime transcription in both directions, field by field with their meaning, as far as this server
 * speaks them. The description of the interface is made of them. Times are ms of audio since the stream began.
 */
import { z } from "zod"
import { NoiseReduction, Update } from "./settings.ts"

function clientEvent<Type extends string, Fields extends z.ZodRawShape>(type: Type, meaning: string, fields: Fields) {
  const event_id = z.string().max(512).optional().describe("comes back in the `error` that this event causes")
  return z.object({ type: z.literal(type), event_id, ...fields }).describe(meaning)
}

export const CLIENT_EVENTS = [
  clientEvent("session.update", "changes what stands in it, all or nothing", { session: Update }),
  clientEvent("transcription_session.update", "the same, on the older wire", { session: Update }),
  clientEvent("input_audio_buffer.append", "more audio", {
    audio: z.string().describe("base64, in the format of the session, at most 15 MiB"),
  }),
  clientEvent("input_audio_buffer.commit", "ends the open utterance now; it needs at least 100 ms of audio", {}),
  clientEvent("input_audio_buffer.clear", "forgets the open utterance and its audio", {}),
]

const ms = z.int().min(0)
const item_id = z.string().describe("of the utterance")
const previous_item_id = z.string().nullable().describe("of the utterance that was committed before it")

function serverEvent<Type extends string, Fields extends z.ZodRawShape>(type: Type, meaning: string, fields: Fields) {
  return z.object({ type: z.literal(type), event_id: z.string(), ...fields }).describe(meaning)
}

function transcriptionEvent<Fields extends z.ZodRawShape>(kind: string, meaning: string, fields: Fields) {
  const place = { item_id, content_index: z.literal(0) }
  return serverEvent(`conversation.item.input_audio_transcription.${kind}`, meaning, { ...place, ...fields })
}

const turn_detection = z
  .union([
    z.object({
      type: z.literal("server_vad"),
      threshold: z.number(),
      prefix_padding_ms: ms,
      silence_duration_ms: ms,
    }),
    z.object({ type: z.literal("semantic_vad"), eagerness: z.string() }),
  ])
  .nullable()
  .describe("who ends utterances: the server, at a silence; null: only commits do")

const sessionHead = {
  object: z.literal("realtime.transcription_session"),
  id: z.string(),
  expires_at: z.int().describe("Unix time in seconds; a session ends with its socket"),
  include: z.null(),
}

export const RealtimeSession = z
  .object({
    type: z.literal("transcription"),
    ...sessionHead,
    audio: z.object({
      input: z.object({
        format: z.object({ type: z.enum(["audio/pcm", "audio/pcmu", "audio/pcma"]), rate: z.int().optional() }),
        transcription: z
          .looseObject({ model: z.string() })
          .nullable()
          .describe("as the client said it; null: the server's own model and language"),
        noise_reduction: NoiseReduction.nullable(),
        turn_detection,
      }),
    }),
  })
  .describe("what the session is set to")

export const BetaSession = z
  .object({
    ...sessionHead,
    input_audio_format: z.enum(["pcm16", "g711_ulaw", "g711_alaw"]),
    input_audio_transcription: z.object({ model: z.string(), language: z.string().nullable(), prompt: z.string() }).nullable(),
    turn_detection,
    input_audio_noise_reduction: NoiseReduction.nullable(),
    client_secret: z.null(),
  })
  .describe("the same, as the older wire tells it")

const Item = z.object({
  id: z.string(),
  object: z.literal("realtime.item"),
  type: z.literal("message"),
  status: z.literal("completed"),
  role: z.literal("user"),
  content: z.array(z.object({ type: z.literal("input_audio"), transcript: z.null() })),
})

const error = {
  code: z.string(),
  message: z.string().describe("one line for a developer; holds nothing of what was said"),
  param: z.string().nullable().describe("the field that is wrong"),
}

const itemFields = { previous_item_id, item: Item }

export const SERVER_EVENTS = [
  serverEvent("session.created", "the first event", { session: RealtimeSession }),
  serverEvent("session.updated", "the answer to an update", { session: RealtimeSession }),
  serverEvent("transcription_session.created", "the first event of the older wire", { session: BetaSession }),
  serverEvent("transcription_session.updated", "the answer to an update of the older wire", { session: BetaSession }),
  serverEvent("input_audio_buffer.speech_started", "somebody speaks", { audio_start_ms: ms, item_id }),
  serverEvent("input_audio_buffer.speech_stopped", "the speaker stopped", { audio_end_ms: ms, item_id }),
  serverEvent("input_audio_buffer.committed", "the audio of an utterance is complete", { item_id, previous_item_id }),
  serverEvent("input_audio_buffer.cleared", "the answer to a clear", {}),
  serverEvent("conversation.item.added", "the utterance as an item", itemFields),
  serverEvent("conversation.item.done", "the same, once it is complete", itemFields),
  serverEvent("conversation.item.created", "the utterance as an item, on the older wire", itemFields),
  transcriptionEvent("delta", "the next words, which will not change; all deltas, joined, are the transcript", { delta: z.string() }),
  transcriptionEvent("completed", "all words of the utterance", {
    transcript: z.string(),
    languages: z.array(z.object({ code: z.string().describe("ISO 639-1") })).describe("that were heard in it"),
    usage: z.object({ type: z.literal("duration"), seconds: z.number().min(0) }),
  }),
  transcriptionEvent("failed", "the words of the utterance are lost", {
    error: z.object({ type: z.literal("transcription_error"), ...error }),
  }),
  serverEvent("error", "an event that was refused and changed nothing; or why the server closes (`server_error`)", {
    error: z.object({
      type: z.enum(["invalid_request_error", "server_error"]),
      ...error,
      event_id: z.string().nullable().describe("of the client's event"),
    }),
  }),
]

/** What the address may say. */
export const RealtimeParameters = z.object({
  intent: z.literal("transcription").default("transcription"),
  model: z.string().optional().describe("any name means the one model of this server, unless the server is strict (`STT_STRICT_MODELS`)"),
  transcription_model: z.string().optional().describe("the same, before `model`"),
  language: z.string().optional().describe("of the speech, as in `en`; `auto` detects it. Default: the server's own"),
})
