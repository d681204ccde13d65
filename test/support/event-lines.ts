/** The events of mode `events` as strict schemas: an unknown field, a missing one or a fraction of a millisecond is a fault. */
import { z } from "zod"

const ms = z.int().min(0)
const index = z.int().min(0)
const ref = z.string().optional()
const probability = z.number().min(0).max(1).nullable()
const seq = index
const cause = z.enum(["endpoint", "commit", "max", "close"])

const ConfigLine = z.strictObject({
  language: z.string(),
  sample_rate: z.int(),
  encoding: z.string(),
  channels: z.int(),
  channel: z.union([z.literal("mix"), z.int()]),
  prompt: z.string(),
  vad: z.enum(["server", "none"]),
  threshold: z.number(),
  prefix_ms: ms,
  silence_ms: ms,
  max_ms: ms,
  interim: z.boolean(),
  words: z.boolean(),
})

const WordLine = z.strictObject({ text: z.string().min(1), start_ms: ms, end_ms: ms, confidence: probability })

export const EventLine = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ready"), seq, session: z.string(), model: z.string(), config: ConfigLine, ref }),
  z.strictObject({ type: z.literal("speech_start"), seq, utt: index, at_ms: ms }),
  z.strictObject({
    type: z.literal("partial"),
    seq,
    utt: index,
    seg: index,
    text: z.string(),
    stable: index,
    start_ms: ms,
    end_ms: ms,
    lag_ms: ms,
  }),
  z.strictObject({
    type: z.literal("final"),
    seq,
    utt: index,
    seg: index,
    text: z.string(),
    start_ms: ms,
    end_ms: ms,
    end: z.boolean(),
    cause,
    language: z.string().nullable(),
    confidence: probability,
    avg_logprob: z.number().max(0).nullable(),
    no_speech_prob: probability,
    words: z.array(WordLine).optional(),
    ref,
  }),
  z.strictObject({ type: z.literal("speech_end"), seq, utt: index, at_ms: ms }),
  z.strictObject({ type: z.literal("failed"), seq, utt: index, cause: cause.nullable(), code: z.string(), message: z.string(), ref }),
  z.strictObject({ type: z.literal("cleared"), seq, utt: index.nullable(), ref }),
  z.strictObject({ type: z.literal("error"), seq, code: z.string(), message: z.string(), fatal: z.boolean(), ref }),
  z.strictObject({ type: z.literal("done"), seq, audio_ms: ms, utterances: index, ref }),
])

export type EventLine = z.output<typeof EventLine>

export const readEventLine = (text: string): EventLine => EventLine.parse(JSON.parse(text))
