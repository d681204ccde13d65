/**
 * What a session of OpenAI's realtime transcription is set to: the client's updates in, a whole session and what it means here,
 * or one clear fault out. Pure. Knows no message but the `session` inside.
 */
import { z } from "zod"
import { SAMPLE_RATES_HZ } from "../../audio/input.ts"
import type { Language } from "../../engines/engine.ts"
import { CONFIG_VALUES, type Config, DEFAULT_CONFIG, PROMPT_CHARACTERS_MAX, withWishes } from "../config.ts"
import { languageOf, promptOf } from "../openai/hints.ts"

const Format = z.discriminatedUnion("type", [
  z.object({ type: z.literal("audio/pcm"), rate: z.literal(SAMPLE_RATES_HZ).default(24_000) }),
  z.object({ type: z.literal("audio/pcmu") }),
  z.object({ type: z.literal("audio/pcma") }),
])
type Format = z.output<typeof Format>

const BETA_FORMATS = {
  pcm16: { type: "audio/pcm", rate: 24_000 },
  g711_ulaw: { type: "audio/pcmu" },
  g711_alaw: { type: "audio/pcma" },
} as const
const BetaFormat = z.enum(["pcm16", "g711_ulaw", "g711_alaw"])

/** Longer names and lists are a mistake, and would be told again in each answer. */
const NAME_CHARACTERS_MAX = 200
const WORDS_MAX = 200
const name = z.string().max(NAME_CHARACTERS_MAX)

export const Transcription = z.object({
  model: name.nullish().describe("any name means the one model of this server"),
  language: name.nullish().describe("of the speech, as in `en`; `auto` or empty to detect it"),
  languages: z.array(name).max(WORDS_MAX).nullish().describe("of several, each is detected"),
  keywords: z.array(name).max(WORDS_MAX).nullish().describe("names and rare words that may come: a hint"),
  // Of a longer one the end counts, as of a recording's: it is nearest to what is said now.
  prompt: z
    .string()
    .transform((prompt) => prompt.slice(-PROMPT_CHARACTERS_MAX))
    .nullish()
    .describe("the same as a text; its end counts"),
  delay: name.nullish().describe("changes nothing"),
})
type Transcription = z.output<typeof Transcription>

const milliseconds = z.number().nonnegative()

export const TurnDetection = z.object({
  type: z.enum(["server_vad", "semantic_vad"]).default("server_vad"),
  threshold: z.number().min(0).max(1).nullish().describe("above this probability of speech somebody speaks"),
  prefix_padding_ms: milliseconds.nullish().describe("audio before the first sound of speech that belongs to the utterance; at most 2000"),
  silence_duration_ms: milliseconds.nullish().describe("silence that ends an utterance, from 100 to 10000"),
  eagerness: z.enum(["low", "medium", "high", "auto"]).nullish().describe("of `semantic_vad`: a pause of 1000, 500, 300 or 500 ms ends it"),
})
type TurnDetection = z.output<typeof TurnDetection>

export const NoiseReduction = z.object({ type: z.enum(["near_field", "far_field"]).nullish() }).describe("changes nothing")

/** Both wires at once: no client means something else by the other's names. */
export const Update = z.object({
  type: z.enum(["transcription", "realtime"]).optional(),
  audio: z
    .object({
      input: z
        .object({
          format: Format.optional(),
          transcription: Transcription.nullish(),
          noise_reduction: NoiseReduction.nullish(),
          turn_detection: TurnDetection.nullish(),
        })
        .optional(),
    })
    .optional(),
  input_audio_format: BetaFormat.optional(),
  input_audio_transcription: Transcription.nullish(),
  input_audio_noise_reduction: NoiseReduction.nullish(),
  turn_detection: TurnDetection.nullish(),
})

/** How long a pause the turn of a speaker may hold, ms. OpenAI judges the sentence as well; here only the pause counts. */
const EAGERNESS_MS = { low: 1000, medium: 500, auto: 500, high: 300 } as const

export interface Session {
  readonly format: Format
  /** Null: nothing said, or taken back; the server's own model and language then. */
  readonly transcription: Transcription | null
  readonly noiseReduction: z.output<typeof NoiseReduction> | null
  /** Null: only a commit ends an utterance. Undefined: nothing said, and it depends on the model (turnDetectionOf). */
  readonly turnDetection: TurnDetection | null | undefined
  /** Of a client that names none. */
  readonly language: Language
}

export type Updated = { readonly ok: true; readonly session: Session; readonly config: Config; readonly paths: Paths } | Fault

/** Where the client's message says it: each wire has names of its own. */
export interface Paths {
  readonly transcription: string
  readonly turnDetection: string
}

const PATHS: Paths = { transcription: "session.audio.input.transcription", turnDetection: "session.audio.input.turn_detection" }
const BETA_PATHS: Paths = { transcription: "session.input_audio_transcription", turnDetection: "session.turn_detection" }

export interface Fault {
  readonly ok: false
  /** The field in the client's message. */
  readonly param: string
  readonly message: string
}

/** `transcription` is what the URL says. */
export function newSession(language: Language, transcription: Transcription | null): Updated {
  return checked({ format: BETA_FORMATS.pcm16, transcription, noiseReduction: null, turnDetection: undefined, language }, PATHS)
}

/** `session` with what is in `given`, all of it or nothing: what is absent there stays, null takes back. */
export function updatedSession(session: Session, given: unknown): Updated {
  const result = Update.safeParse(given)
  if (!result.success) {
    const issue = result.error.issues[0]
    const param = ["session", ...(issue?.path ?? [])].join(".")
    return { ok: false, param, message: `${param}: ${issue?.message ?? "invalid"}` }
  }
  const { audio, ...beta } = result.data
  const input = audio?.input ?? {}
  const format = input.format ?? (beta.input_audio_format && BETA_FORMATS[beta.input_audio_format])
  const said = <Value>(today: Value | undefined, older: Value | undefined) => (today === undefined ? older : today)
  const updated = {
    ...session,
    format: format ?? session.format,
    transcription: changed(session.transcription, said(input.transcription, beta.input_audio_transcription)),
    noiseReduction: changed(session.noiseReduction, said(input.noise_reduction, beta.input_audio_noise_reduction)),
    turnDetection: changed(session.turnDetection, said(input.turn_detection, beta.turn_detection)),
  }
  const { transcription } = input.transcription === undefined && beta.input_audio_transcription !== undefined ? BETA_PATHS : PATHS
  const { turnDetection } = input.turn_detection === undefined && beta.turn_detection !== undefined ? BETA_PATHS : PATHS
  return checked(updated, { transcription, turnDetection })
}

function changed<Value extends object, Unsaid>(before: Value | Unsaid, said: Value | null | undefined): Value | Unsaid | null {
  return said === undefined ? before : said && { ...before, ...said }
}

/** Names of models for which OpenAI hears no ends: whoever names one and says nothing of turns, as LiveKit does, commits by itself. */
const COMMITTED_BY_CLIENTS = /^gpt-(realtime-whisper|live-transcribe)/

export function turnDetectionOf({ turnDetection, transcription }: Session): TurnDetection | null {
  if (turnDetection !== undefined) return turnDetection
  return COMMITTED_BY_CLIENTS.test(transcription?.model ?? "") ? null : { type: "server_vad" }
}

function checked(session: Session, paths: Paths): Updated {
  const config = configOf(session)
  if (config) return { ok: true, session, config, paths }
  const field = session.transcription?.language == null ? "languages" : "language"
  return { ok: false, param: `${paths.transcription}.${field}`, message: LANGUAGE_FAULT }
}

const LANGUAGE_FAULT = `language must be ${CONFIG_VALUES.language}`

/** What it means to the rest of the house; undefined if the language is none. */
function configOf(session: Session): Config | undefined {
  const { format, transcription, language } = session
  const turnDetection = turnDetectionOf(session)
  const { threshold, prefix_padding_ms, silence_duration_ms } = timesOf(turnDetection)
  const config: Config = {
    ...DEFAULT_CONFIG,
    language,
    ...(format.type === "audio/pcm"
      ? { sample_rate: format.rate }
      : { encoding: format.type === "audio/pcmu" ? "mulaw" : "alaw", sample_rate: 8000 }),
    prompt: promptOf(transcription?.prompt, transcription?.keywords),
    vad: turnDetection ? "server" : "none",
    threshold,
    prefix_ms: prefix_padding_ms,
    silence_ms: silence_duration_ms,
    interim: true,
  }
  const result = withWishes(config, { language: languageOf(transcription?.language, transcription?.languages) })
  return result.ok ? result.config : undefined
}

/** Within what this server can do: told so, rather than refused, for no client reckons with either. */
export function timesOf(turnDetection: TurnDetection | null) {
  const { type, threshold, prefix_padding_ms, silence_duration_ms, eagerness } = turnDetection ?? {}
  const silence = type === "semantic_vad" ? EAGERNESS_MS[eagerness ?? "auto"] : (silence_duration_ms ?? DEFAULT_CONFIG.silence_ms)
  return {
    threshold: threshold ?? DEFAULT_CONFIG.threshold,
    prefix_padding_ms: Math.min(Math.round(prefix_padding_ms ?? DEFAULT_CONFIG.prefix_ms), 2000),
    silence_duration_ms: Math.min(Math.max(Math.round(silence), 100), 10_000),
  }
}
