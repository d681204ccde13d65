/**
 * Whisper's token vocabulary as far as decoding needs it: prompts, languages, and which tokens may be written.
 * Reads it from `generation_config.json`, so that every Whisper brings its own. Knows no session and no text.
 */
import { z } from "zod"
import type { Bans } from "./writer.ts"

const token = z.number().int().nonnegative()
const tokenList = z
  .array(token)
  .nullish()
  .transform((list) => list ?? [])

const generationConfig = z.object({
  decoder_start_token_id: token,
  eos_token_id: token,
  no_timestamps_token_id: token,
  prev_sot_token_id: token.nullish(),
  suppress_tokens: tokenList,
  begin_suppress_tokens: tokenList,
  lang_to_id: z.record(z.string(), token).nullish(),
  task_to_id: z.object({ transcribe: token, translate: token.nullish() }).nullish(),
})

export interface Vocabulary {
  readonly startOfTranscript: number
  readonly endOfText: number
  readonly noSpeech: number
  /** Stands before a prompt, which stands before `startOfTranscript`. */
  readonly startOfPrevious: number
  /** ISO 639-1 (a few longer codes) to its token; empty in a model that knows only English. */
  readonly languages: ReadonlyMap<string, number>
  /**
   * The tokens after `startOfTranscript`. `language` is a key of `languages`, that of the speech; ignored by a model that knows only
   * English. `translate` asks for English words.
   */
  promptFor(language: string, translate?: boolean): readonly number[]
  /** Tokens beyond `endOfText` steer the model and are never written. */
  readonly banned: Bans
  /** As `banned`, for the first token: it may not be blank, nor the end. */
  readonly bannedFirst: Bans
  /** Leaves the languages only. */
  readonly bannedInPlaceOfLanguage: Bans
}

/** Throws a ZodError if `source` is no generation config of a Whisper. */
export function readVocabulary(source: unknown): Vocabulary {
  const config = generationConfig.parse(source)
  const languages = new Map(Object.entries(config.lang_to_id ?? {}).map(([name, id]) => [name.replace(/^<\|(.*)\|>$/, "$1"), id]))
  const banned = new Uint8Array(config.eos_token_id + 1)
  for (const id of config.suppress_tokens) banned[id] = 1
  const bannedFirst = banned.slice()
  for (const id of config.begin_suppress_tokens) bannedFirst[id] = 1
  const bannedInPlaceOfLanguage = new Uint8Array(Math.max(0, ...languages.values()) + 1).fill(1)
  for (const id of languages.values()) bannedInPlaceOfLanguage[id] = 0
  const tasks = config.task_to_id
  return {
    startOfTranscript: config.decoder_start_token_id,
    endOfText: config.eos_token_id,
    // Every vocabulary of Whisper ends with: no speech, no timestamps, then the timestamps.
    noSpeech: config.no_timestamps_token_id - 1,
    // And before them: the start of the previous text. Exports from before 2023 do not name it.
    startOfPrevious: config.prev_sot_token_id ?? config.no_timestamps_token_id - 2,
    languages,
    promptFor(language, translate = false) {
      const id = languages.get(language)
      const task = (translate ? tasks?.translate : undefined) ?? tasks?.transcribe
      const steering = id === undefined || task === undefined ? [] : [id, task]
      return [...steering, config.no_timestamps_token_id]
    },
    banned,
    bannedFirst,
    bannedInPlaceOfLanguage,
  }
}

/** The model's name of a language as callers write it (`en`, `EN`, `en-US`), or null if the model does not know it. */
export function languageOf(vocabulary: Vocabulary, language: string): string | null {
  const name = language.toLowerCase().split(/[-_]/, 1)[0] ?? ""
  if (vocabulary.languages.size === 0) return "en"
  return vocabulary.languages.has(name) ? name : null
}
