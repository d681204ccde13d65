/**
 * What passes between OpenAI's REST clients and us, field by field with its meaning: the form of a request, and every answer. The
 * form is read, the answers are written by these types, and the description of the interface is made of them. Seconds on this
 * wire.
 */
import { z } from "zod"
import { CONFIG_FIELDS, CONFIG_VALUES } from "../config.ts"

export const FORMATS = ["json", "text", "srt", "verbose_json", "vtt"] as const
const GRANULARITIES = ["word", "segment"] as const

const mustBe = (name: string, values: string) => ({ error: `${name} must be ${values}` })
const temperatureFault = mustBe("temperature", "a number from 0 to 1")

/** The fields beside the file, all of them text. Their faults are whole sentences. */
export const FormFields = z.object({
  model: z
    .string({ error: "model is missing" })
    .describe("any name: it means the one model of this server, unless the server is strict (`STT_STRICT_MODELS`)"),
  temperature: z
    .string()
    .transform(Number)
    .pipe(z.number(temperatureFault).min(0, temperatureFault).max(1, temperatureFault))
    .optional()
    .describe("changes nothing"),
  response_format: z
    .enum(FORMATS, mustBe("response_format", `one of ${FORMATS.join(", ")}`))
    .default("json")
    .describe("the kind of answer"),
  stream: z
    .string()
    .regex(/^(true|false|1|0)$/i, mustBe("stream", "true or false"))
    .transform((said) => /^(true|1)$/i.test(said))
    .pipe(z.boolean())
    .default(false)
    .describe("whether the words come as server-sent events while the recording is heard; with `json` or `text` only"),
  timestamp_granularities: z
    .array(z.enum(GRANULARITIES, mustBe("timestamp_granularities", GRANULARITIES.join(" or "))))
    .default([])
    .describe("which times `verbose_json` tells: of words, of segments (unless only `word` is said), or of both; may be written with `[]`"),
  language: CONFIG_FIELDS.language
    .optional()
    .describe(`of the speech: ${CONFIG_VALUES.language}. Default: the server's own (\`STT_LANGUAGE_CODE\`); of translations \`auto\``),
  languages: z.array(z.string()).optional().describe("of several the language is detected"),
  keywords: z.array(z.string()).optional().describe("names and rare words that may come: a hint"),
  prompt: CONFIG_FIELDS.prompt.optional().describe("names and rare words that may come, in the spelling that is wanted; its end counts"),
})

const seconds = z.number().min(0).describe("in seconds since the start of the recording")
const usage = z.object({ type: z.literal("duration"), seconds: z.int().min(0).describe("of the recording, rounded up") })
const text = z.string().describe("all of it; empty if nobody spoke")

export const Transcript = z.object({ text, usage }).describe("`response_format=json`")

export const TranscriptSegment = z
  .object({
    id: z.int().min(0).describe("counted from 0"),
    seek: z.int().min(0).describe("its start in hundredths of a second"),
    start: seconds,
    end: seconds,
    text: z.string().describe("begins with a space, as OpenAI has it"),
    tokens: z.array(z.int()).describe("the model's own; empty if the engine does not tell them"),
    temperature: z.number().min(0),
    avg_logprob: z.number().describe("mean of the natural log of the probabilities of the tokens; 0 if the engine does not say"),
    compression_ratio: z.number().min(0).describe("above 2.4 the text repeats itself; 0 if the engine does not say"),
    no_speech_prob: z.number().min(0).max(1).describe("0 if the engine does not say"),
  })
  .describe("a stretch of the recording as the model wrote it")

export const TranscriptWord = z.object({ word: z.string(), start: seconds, end: seconds })

export const VerboseTranscript = z
  .object({
    task: z.enum(["transcribe", "translate"]),
    language: z.string().describe("by its English name, such as `german`"),
    duration: z.number().min(0).describe("of the recording, in seconds"),
    text,
    segments: z.array(TranscriptSegment).optional(),
    words: z.array(TranscriptWord).optional(),
    usage,
  })
  .describe("`response_format=verbose_json`")

export const TextDelta = z
  .object({ type: z.literal("transcript.text.delta"), delta: z.string().describe("the next words; all deltas, joined, are the text") })
  .describe("an event of `stream=true`: words that will not change")

export const TextDone = z.object({ type: z.literal("transcript.text.done"), text }).describe("the last event of `stream=true`")

export const Model = z.object({
  id: z.string().describe("the name"),
  object: z.literal("model"),
  created: z.int().describe("not known: 0"),
  owned_by: z.string().describe("the provider: `whisper`, `groq` or `deepgram`"),
})

export const ModelList = z
  .object({ object: z.literal("list"), data: z.array(Model) })
  .describe("the one model, and the names that mean it as well")

export const ErrorBody = z.object({
  message: z.string().describe("one line for a developer; holds nothing of what was sent"),
  type: z.enum(["invalid_request_error", "rate_limit_error", "server_error"]),
  param: z.string().nullable().describe("the field that is wrong"),
  code: z.string().nullable().describe("where the client's code could act on it, such as `invalid_audio` or `model_not_found`"),
})

export const ErrorAnswer = z.object({ error: ErrorBody }).describe("the envelope of OpenAI's errors")
