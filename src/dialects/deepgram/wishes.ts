/**
 * What a client of Deepgram may say in the URL of `/v1/listen`: parameters in, wishes or one clear fault out. Pure. What Deepgram
 * knows and we do not changes nothing, except where the client would wait in vain for what it asks.
 */
import type { z } from "zod"
import type { AudioFormat } from "../../audio/input.ts"
import type { Language } from "../../engines/engine.ts"
import { audioFormatOf, type Config, DEFAULT_CONFIG, PROMPT_CHARACTERS_MAX, withWishes } from "../config.ts"
import { type Defaults, Refused } from "../door.ts"
import { isServed } from "../model-names.ts"
import { ENCODINGS, PARAMETERS, SILENCE_MS_MAX, SILENCE_MS_MIN } from "./parameters.ts"

export interface LiveWishes {
  /** How the stream is heard. Its format counts unless the audio itself says it. */
  readonly config: Config
  /** No encoding was named: the audio begins with a header that says it. */
  readonly container: boolean
  /** Whether the ends of speech are told as such (`speech_final`). */
  readonly endpoints: boolean
  /** Silence after the last word, told as UtteranceEnd; null for never. */
  readonly utteranceEndMs: number | null
  /** Whether SpeechStarted is told. */
  readonly vadEvents: boolean
}

export interface RecordedWishes {
  readonly language: Language
  /** Undefined for none. */
  readonly prompt: string | undefined
  /** Of samples without a container; undefined for a file, known by its bytes. */
  readonly raw: AudioFormat | undefined
  /** Each channel by itself. */
  readonly multichannel: boolean
  readonly paragraphs: boolean
  readonly utterances: boolean
  /** The pause that parts two utterances. */
  readonly splitSeconds: number
}

/** What stands where the client says nothing, and what it may not say. */
type WishDefaults = Pick<Defaults, "language" | "model" | "strictModels">

/** Throws Refused `bad_request`, naming the field. */
export function readLive(query: URLSearchParams, defaults: WishDefaults): LiveWishes {
  refuseWhatIsNotOurs(query, defaults)
  const encoding = said(query, "encoding")
  const config = configOf(query, defaults.language, encoding === undefined ? undefined : formatOf(query, encoding))
  // One stream is heard for each client: to mix the speakers in silence would be no answer.
  if (read(query, "multichannel") && (encoding === undefined || config.channels > 1))
    throw wrong("multichannel", "live streams are heard as one channel")
  const interim = read(query, "interim_results")
  const endMs = read(query, "utterance_end_ms") ?? null
  const endpointing = read(query, "endpointing")
  const endpoints = endpointing !== false
  return {
    config: { ...config, interim, words: true, silence_ms: silenceOf(endpointing) },
    container: encoding === undefined,
    endpoints,
    utteranceEndMs: interim ? endMs : null,
    vadEvents: read(query, "vad_events"),
  }
}

/** As readLive. */
export function readRecorded(query: URLSearchParams, defaults: WishDefaults): RecordedWishes {
  refuseWhatIsNotOurs(query, defaults)
  const encoding = said(query, "encoding")
  // Other encodings live in containers, which say it by themselves.
  const format = encoding !== undefined && ENCODINGS[encoding] ? formatOf(query, encoding) : undefined
  const config = configOf(query, defaults.language, format)
  return {
    language: config.language,
    prompt: config.prompt || undefined,
    raw: format && audioFormatOf(config),
    multichannel: read(query, "multichannel"),
    paragraphs: read(query, "paragraphs") || read(query, "smart_format"),
    utterances: read(query, "utterances"),
    splitSeconds: read(query, "utt_split"),
  }
}

type Format = Readonly<Record<"encoding" | "sample_rate" | "channels", string | undefined>>

function formatOf(query: URLSearchParams, name: string): Format {
  const encoding = ENCODINGS[name]
  if (!encoding) throw wrong("encoding", `encoding must be one of ${Object.keys(ENCODINGS).join(", ")}, or left out for a WAV stream`)
  const rate = said(query, "sample_rate")
  if (rate === undefined) throw wrong("sample_rate", "sample_rate is required with encoding")
  return { encoding, sample_rate: rate, channels: said(query, "channels") }
}

function configOf(query: URLSearchParams, fallback: Language, format: Format | undefined): Config {
  const language = detects(query) ? "auto" : said(query, "language")
  const given = { ...format, language: language === "multi" ? "auto" : language, prompt: promptOf(query) }
  const result = withWishes({ ...DEFAULT_CONFIG, language: fallback }, given)
  if (!result.ok) throw wrong(result.fault.split(" ", 1)[0] ?? "", result.fault)
  return result.config
}

/** True, or the languages to choose from; ours are all. */
function detects(query: URLSearchParams): boolean {
  return query.getAll("detect_language").some((text) => !/^(false|0|)$/i.test(text))
}

/** Of both generations; the older one may carry a weight, as in `snuffleupagus:2`. */
function promptOf(query: URLSearchParams): string {
  const keywords = query.getAll("keywords").map((keyword) => keyword.replace(/:-?[\d.]+$/, ""))
  return [...query.getAll("keyterm"), ...keywords].join(", ").slice(0, PROMPT_CHARACTERS_MAX)
}

/** Who only turns it on or off leaves how long it is to us. */
function silenceOf(endpointing: boolean | number | undefined): number {
  return typeof endpointing === "number" ? Math.min(Math.max(endpointing, SILENCE_MS_MIN), SILENCE_MS_MAX) : DEFAULT_CONFIG.silence_ms
}

/** Throws Refused. */
function read<Name extends keyof typeof PARAMETERS>(query: URLSearchParams, name: Name): z.output<(typeof PARAMETERS)[Name]> {
  const result = PARAMETERS[name].safeParse(said(query, name))
  if (!result.success) throw wrong(name, `${name} must be ${result.error.issues[0]?.message}`)
  return result.data as z.output<(typeof PARAMETERS)[Name]>
}

function refuseWhatIsNotOurs(query: URLSearchParams, defaults: WishDefaults): void {
  const model = said(query, "model")
  if (model !== undefined && !isServed(model, defaults)) throw wrong("model", "model must be one of those that /v1/models lists")
  if (said(query, "callback") !== undefined) throw wrong("callback", "this server calls nobody back")
}

/** The last one counts; "" is not said. */
function said(query: URLSearchParams, name: string): string | undefined {
  return query.getAll(name).at(-1) || undefined
}

function wrong(field: string, message: string): Refused {
  return new Refused({ reason: "bad_request", status: 400, message, field })
}
