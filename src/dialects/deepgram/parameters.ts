/**
 * The parameters of `/v1/listen` that this server understands, each with its meaning: of live streams, of recordings, and of
 * both. `wishes.ts` reads them by these, and the description of the interface is made of them. Knows no address.
 */
import { z } from "zod"
import type { Encoding } from "../../audio/input.ts"
import { CONFIG_FIELDS } from "../config.ts"

export const ENCODINGS: Readonly<Record<string, Encoding>> = {
  linear16: "pcm_s16le",
  linear32: "pcm_f32le",
  mulaw: "mulaw",
  alaw: "alaw",
}

/** Deepgram's clients ask for 10 and 25 ms: its words do not depend on it. A recogniser of whole utterances would hear half sentences. */
export const SILENCE_MS_MIN = 300
export const SILENCE_MS_MAX = 10_000

/** As Deepgram limits it from below. */
const UTTERANCE_END_MS_MIN = 1000

/** What ends the sentence "NAME must be …". */
const fault = (error: string) => ({ error })

const flag = z
  .string()
  .regex(/^(true|false|1|0)$/i, fault("true or false"))
  .transform((said) => /^(true|1)$/i.test(said))
  .pipe(z.boolean())
  .default(false)

const ENDPOINTING_FAULT = "a whole number of ms or false"
const onOrOff = z
  .string()
  .regex(/^(true|false)$/i)
  .transform((said) => /^true$/i.test(said))
  .pipe(z.boolean())

function milliseconds(min: number, error: string) {
  return z
    .string(fault(error))
    .regex(/^\d{1,9}$/, fault(error))
    .transform(Number)
    .pipe(z.int().min(min, fault(error)))
}

const shared = {
  model: z.string().optional().describe("any name means the one model of this server"),
  language: z.string().optional().describe("of the speech, as in `en` or `pt-BR`; `multi` detects it. Default: the server's own"),
  detect_language: z.string().optional().describe("`true`, or the languages to choose from: the language is detected, of all there are"),
  encoding: z
    .enum(["linear16", "linear32", "mulaw", "alaw"])
    .optional()
    .describe(
      "of bare samples, with `sample_rate`. Left out: live, the stream begins with a WAV header; a recording is known by its content",
    ),
  sample_rate: CONFIG_FIELDS.sample_rate.optional().describe("in Hz; required with `encoding`"),
  channels: CONFIG_FIELDS.channels.default(1).describe("of bare samples; two are interleaved"),
  keyterm: z.array(z.string()).default([]).describe("names and rare words that may come: a hint; may be said several times"),
  keywords: z.array(z.string()).default([]).describe("the same, by the older name"),
  multichannel: flag.describe("recordings: whether each channel is heard by itself. Live streams are heard as one"),
}

export const LiveParameters = z.object({
  ...shared,
  interim_results: flag.describe("whether Results come while somebody speaks, with `is_final: false`"),
  endpointing: z
    .union([onOrOff, milliseconds(0, ENDPOINTING_FAULT)], fault(ENDPOINTING_FAULT))
    .optional()
    .describe(`silence in ms after which \`speech_final\` is told, from ${SILENCE_MS_MIN} to ${SILENCE_MS_MAX}; \`false\` for never`),
  utterance_end_ms: milliseconds(UTTERANCE_END_MS_MIN, `a whole number of ms, at least ${UTTERANCE_END_MS_MIN}`)
    .optional()
    .describe("silence in ms after the last word that is told as UtteranceEnd; with `interim_results`"),
  vad_events: flag.describe("whether SpeechStarted is told"),
})

export const RecordedParameters = z.object({
  ...shared,
  utterances: flag.describe("whether the answer holds the utterances"),
  utt_split: z
    .string()
    .transform(Number)
    .pipe(z.number(fault("a number of seconds above 0")).gt(0, fault("a number of seconds above 0")))
    // Where Deepgram ends an utterance of a recording unless it is told otherwise.
    .default(0.8)
    .describe("the pause in seconds that parts two utterances"),
  paragraphs: flag.describe("whether the answer holds the paragraphs"),
  smart_format: flag.describe("the same as `paragraphs`"),
})

const { shape: live } = LiveParameters
const { shape: recorded } = RecordedParameters
export const PARAMETERS = { ...live, ...recorded }
