/**
 * The JSON events of mode `events`, as they stand on the wire: each with its fields and what they mean. `events.ts` writes them
 * by these types, and the description of the interface is made of them. Knows no stream.
 */
import { z } from "zod"
import type { EngineErrorCode } from "../engines/engine.ts"
import type { EndCause } from "../speech/events.ts"
import { CONFIG_FIELDS } from "./config.ts"

const count = z.int().min(0)
const ms = count
const probability = z.number().min(0).max(1).nullable()
const utt = count.describe("the utterance, counted from 0")
const seg = count.describe("the segment of the utterance, counted from 0")
const start_ms = ms.describe("where it begins, in ms of audio since the stream began")
const end_ms = ms.describe("where it ends")
const ref = z.string().optional().describe("that of the control which caused this event, if it had one")
const message = z.string().describe("one line for a developer; holds nothing of what was said")
const cause: z.ZodType<EndCause> = z.enum(["endpoint", "commit", "max", "close"])

const ENGINE_ERROR_CODES = [
  "unauthorized",
  "rate_limited",
  "overloaded",
  "unavailable",
  "timeout",
  "bad_audio",
  "aborted",
] as const satisfies readonly EngineErrorCode[]

function event<Type extends string, Fields extends z.ZodRawShape>(type: Type, meaning: string, fields: Fields) {
  const seq = count.describe("counts all events of the socket from 0, without a gap")
  return z.object({ type: z.literal(type), seq, ...fields }).describe(meaning)
}

export const ConfigFields = z.object(CONFIG_FIELDS).describe("all parameters of a stream")

export const WordFields = z
  .object({ text: z.string(), start_ms, end_ms, confidence: probability.describe("null if the engine does not say") })
  .describe("a word with the punctuation that belongs to it")

export const EVENTS = {
  ready: event("ready", "the first event, and the answer to each `config`", {
    session: z.string().optional().describe("the id of this session, as in the log of the server and in `x-request-id`"),
    model: z.string().optional().describe("which model answers"),
    config: ConfigFields,
    ref,
  }),
  speech_start: event("speech_start", "somebody speaks. Never with `vad=none`", {
    utt,
    at_ms: ms.describe("where the utterance begins, `prefix_ms` included"),
  }),
  partial: event("partial", "the segment so far, in place of the partial before", {
    utt,
    seg,
    text: z.string(),
    stable: count.describe("the first so many characters (UTF-16 units) of `text` will not change"),
    start_ms,
    end_ms: ms.describe("up to where the audio was heard"),
    lag_ms: ms.describe("how much audio had come beyond `end_ms`: it grows when the machine is full"),
  }),
  speech_end: event("speech_end", "the speaker stopped. Never with `vad=none`", {
    utt,
    at_ms: ms.describe("where the utterance ends, `silence_ms` included"),
  }),
  final: event("final", "words that will not change", {
    utt,
    seg,
    text: z.string().describe('may be ""'),
    start_ms,
    end_ms,
    end: z.boolean().describe("true on the last segment of its utterance"),
    cause: cause.describe("why the utterance ended: `endpoint` (silence), `commit`, `max` (`max_ms`) or `close`"),
    language: z.string().nullable().describe("ISO 639-1; null if the engine does not say"),
    confidence: probability.describe("how sure the engine is of its words; null if it does not say"),
    avg_logprob: z.number().nullable().describe("mean of the natural log of the probabilities of the tokens"),
    no_speech_prob: probability.describe("probability that nobody spoke"),
    words: z.array(WordFields).optional().describe("only with `words=1`, and where the engine has them"),
    ref,
  }),
  failed: event("failed", "in place of the last `final`: these words are lost, and the stream goes on", {
    utt,
    cause: cause.nullable().describe("what had ended the utterance; null if it was still open"),
    code: z.enum(ENGINE_ERROR_CODES),
    message,
    ref,
  }),
  cleared: event("cleared", "the answer to `clear`", { utt: count.nullable().describe("null if no utterance was open"), ref }),
  error: event("error", "a control that was refused and changed nothing; or, if `fatal`, why the server closes", {
    code: z.enum(["bad_message", "bad_parameter", "too_late", "engine_gone", "internal_error", "message_too_big"]),
    message,
    fatal: z.boolean(),
    ref,
  }),
  done: event("done", "the last event, after `close`", {
    audio_ms: ms.describe("how much was heard"),
    utterances: count.describe("how many ended in words or failure"),
    ref,
  }),
}

type Schemas = typeof EVENTS

/** What a line holds beside its number. */
export type EventFields = { [Type in keyof Schemas]: Omit<z.output<Schemas[Type]>, "seq"> }[keyof Schemas]
