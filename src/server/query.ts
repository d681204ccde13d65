/**
 * What a client may say in the URL of `/api/v1/ws`. Pure: text in, wishes or one clear fault out. Unknown parameters are
 * ignored, as other services behind the same URL may know them.
 */
import { SAMPLE_RATE_HZ } from "../audio/pcm.ts"
import type { Language } from "../engines/engine.ts"

/**
 * `utterance`: each binary message is one whole utterance, answered by one text. `frames`: binary messages are slices of a
 * continuous stream; the engine finds the ends of utterances.
 */
export type Mode = "utterance" | "frames"

export interface Wishes {
  readonly mode: Mode
  /** ISO 639-1 or `auto`. */
  readonly language: Language
}

export interface QueryOptions {
  /** What a URL that says nothing means. */
  readonly defaults: Wishes
  /** Whether the engine ends utterances by itself. */
  readonly endpoints: boolean
}

const MODES: readonly string[] = ["utterance", "frames"] satisfies Mode[]
const ENCODING = "pcm_s16le"

/** A language tag such as `en`, `EN` or `pt-BR`; only its first subtag says something to an engine. */
const LANGUAGE_TAG = /^(auto|[a-z]{2,3})([-_][a-z0-9]+)*$/i

export function parseQuery(
  query: URLSearchParams,
  { defaults, endpoints }: QueryOptions,
): { ok: true; wishes: Wishes } | { ok: false; fault: string } {
  const refuse = (fault: string) => ({ ok: false, fault }) as const

  const mode = said(query, "mode") ?? defaults.mode
  if (!isMode(mode)) return refuse("mode must be utterance or frames")
  if (mode === "frames" && !endpoints) {
    return refuse("mode frames is not possible here: this engine does not find the ends of utterances in a stream; use mode=utterance")
  }

  const language = said(query, "language") ?? defaults.language
  if (!LANGUAGE_TAG.test(language)) return refuse("language must be a code such as en, or auto")

  const rates = query.getAll("sample_rate").filter((rate) => rate !== "")
  if (rates.some((rate) => rate !== String(SAMPLE_RATE_HZ))) return refuse(`sample_rate is not supported: only ${SAMPLE_RATE_HZ}`)
  const encodings = query.getAll("encoding").filter((encoding) => encoding !== "")
  if (encodings.some((encoding) => encoding !== ENCODING)) return refuse(`encoding is not supported: only ${ENCODING}`)

  return { ok: true, wishes: { mode, language: primarySubtag(language) } }
}

/** The first value that is not empty. */
function said(query: URLSearchParams, name: string): string | undefined {
  return query.getAll(name).find((value) => value !== "")
}

function isMode(word: string): word is Mode {
  return MODES.includes(word)
}

function primarySubtag(tag: string): string {
  return (tag.split(/[-_]/)[0] ?? tag).toLowerCase()
}
