/**
 * What a client may wish of its stream, on one page: each parameter of the URL, of a `config` message and of `ready`, under
 * the one name that all three use. Pure: wishes in, a whole configuration or one clear fault out. Knows no wire.
 */
import { z } from "zod"
import { type AudioFormat, ENCODINGS, SAMPLE_RATES_HZ } from "../audio/input.ts"
import type { StreamChanges, StreamOptions } from "../engines/engine.ts"

/** Longer ones are a mistake: an engine hears the last two hundred words of it. */
export const PROMPT_CHARACTERS_MAX = 2000

/** A language tag such as `en`, `EN` or `pt-BR`; only its first subtag says something to an engine. */
const LANGUAGE_TAG = /^(auto|[a-z]{2,3})([-_][a-z0-9]+)*$/i

/** A URL has only text; JSON may say the same as a number or a truth value. */
const number = z.union([
  z.number(),
  z
    .string()
    .regex(/^\d*\.?\d+$/)
    .transform(Number),
])
const whole = (min: number, max: number) => number.pipe(z.number().int().min(min).max(max))
const flag = z
  .union([z.boolean(), z.enum(["0", "1", "false", "true"]), z.literal([0, 1])])
  .transform((said) => /^(1|true)$/.test(String(said)))
  .pipe(z.boolean())

/** Each parameter, and what it means to a client. */
export const CONFIG_FIELDS = {
  /** ISO 639-1 or `auto`. */
  language: z
    .string()
    .regex(LANGUAGE_TAG)
    .transform((tag) => tag.replace(/[-_].*/, "").toLowerCase())
    .pipe(z.string())
    .describe("of the speech; `auto` detects it for each utterance"),
  sample_rate: number.pipe(z.literal(SAMPLE_RATES_HZ)).describe("in Hz; other rates than 16000 are resampled"),
  encoding: z.enum(ENCODINGS).describe("of a sample; little-endian"),
  channels: number.pipe(z.literal([1, 2])).describe("two are interleaved"),
  channel: z.union([z.literal("mix"), number.pipe(z.literal([0, 1]))]).describe("which of two is heard"),
  /** "" is none. */
  prompt: z.string().max(PROMPT_CHARACTERS_MAX).describe("names and rare words that may come, in the spelling that is wanted: a hint"),
  vad: z
    .enum(["server", "none"])
    .describe("who ends an utterance in a stream: the server, at a silence, or only the client. `none` in `events` only"),
  threshold: number.pipe(z.number().min(0).max(1)).describe("above this probability of speech somebody speaks; higher in noise"),
  prefix_ms: whole(0, 2000).describe("audio before the first sound of speech that belongs to the utterance"),
  silence_ms: whole(100, 10_000).describe("silence that ends an utterance"),
  max_ms: whole(1000, 120_000).describe("a longer utterance is cut at its best pause"),
  interim: flag.describe("whether `partial` events come"),
  words: flag.describe("whether finals carry the times of their words, where the engine has them"),
}

/** What each may be; ends the sentence "must be …". */
export const CONFIG_VALUES: Readonly<Record<Name, string>> = {
  language: "a code such as en, or auto",
  sample_rate: "8000, 16000, 24000, 44100 or 48000",
  encoding: "pcm_s16le, pcm_f32le, mulaw or alaw",
  channels: "1 or 2",
  channel: "mix, 0 or 1",
  prompt: `text of at most ${PROMPT_CHARACTERS_MAX} characters`,
  vad: "server or none",
  threshold: "a number from 0 to 1",
  prefix_ms: "a whole number from 0 to 2000",
  silence_ms: "a whole number from 100 to 10000",
  max_ms: "a whole number from 1000 to 120000",
  interim: "0 or 1",
  words: "0 or 1",
}

type Schemas = typeof CONFIG_FIELDS
type Name = keyof Schemas

/** Under the names of the wire. */
export type Config = { readonly [K in Name]: z.output<Schemas[K]> }

export const CONFIG_NAMES = Object.keys(CONFIG_FIELDS) as Name[]

export const DEFAULT_CONFIG: Config = {
  language: "auto",
  sample_rate: 16_000,
  encoding: "pcm_s16le",
  channels: 1,
  channel: "mix",
  prompt: "",
  vad: "server",
  threshold: 0.5,
  prefix_ms: 300,
  silence_ms: 500,
  max_ms: 30_000,
  interim: false,
  words: false,
}

/** What may still change once the first audio came. */
const CHANGEABLE: readonly Name[] = ["language", "prompt", "threshold", "prefix_ms", "silence_ms", "max_ms"]

export type ConfigResult = { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly fault: string }

/** `base` with the wishes in `given`, all of them or none. What is absent there stays; names that we do not know are ignored. */
export function withWishes(base: Config, given: Readonly<Record<string, unknown>>): ConfigResult {
  const wished: Record<string, unknown> = {}
  for (const name of CONFIG_NAMES) {
    if (given[name] === undefined) continue
    const result = CONFIG_FIELDS[name].safeParse(given[name])
    if (!result.success) return { ok: false, fault: `${name} must be ${CONFIG_VALUES[name]}` }
    wished[name] = result.data
  }
  const config = { ...base, ...wished }
  if (config.channel === 1 && config.channels === 1) return { ok: false, fault: "channel 1 needs channels 2" }
  return { ok: true, config }
}

/** The first name in which the two differ although it must not change after the first audio. */
export function changedTooLate(before: Config, after: Config): string | undefined {
  return CONFIG_NAMES.find((name) => before[name] !== after[name] && !CHANGEABLE.includes(name))
}

export function audioFormatOf({ encoding, sample_rate, channels, channel }: Config): AudioFormat {
  return { encoding, sampleRateHz: sample_rate, channels, channel }
}

/** A stream whose ends the server hears, unless `vad` says that nobody listens for them. */
export function streamOptionsOf(config: Config): Omit<StreamOptions, "session"> {
  const { language, prompt, endpointing } = streamChangesOf(config)
  return {
    language,
    prompt: prompt || undefined,
    endpointing: config.vad === "none" ? null : endpointing,
    interims: config.interim,
    words: config.words,
  }
}

export function streamChangesOf({ language, prompt, threshold, prefix_ms, silence_ms, max_ms }: Config) {
  const endpointing = { threshold, prefixMs: prefix_ms, silenceMs: silence_ms, maxMs: max_ms }
  return { language, prompt, endpointing } satisfies StreamChanges
}
