/**
 * What a client may say in the URL of `/api/v1/ws`. Pure: text in, wishes or one clear fault out. Unknown parameters are
 * ignored, as other services behind the same URL may know them; `model` is one of them, for this server has one model.
 */
import { CONFIG_NAMES, type Config, DEFAULT_CONFIG, withWishes } from "../dialects/config.ts"
import type { Language } from "../engines/engine.ts"

/**
 * `utterance`: each binary message is one whole utterance, answered by one text. `frames`: binary messages are slices of a
 * continuous stream, and each utterance heard in it is one text. `events`: slices too, and JSON texts in both directions.
 */
export type Mode = (typeof MODES)[number]

const MODES = ["utterance", "frames", "events"] as const

export interface Wishes {
  readonly mode: Mode
  readonly config: Config
}

/** What a URL that says nothing means. */
export interface Defaults {
  readonly mode: Mode
  /** ISO 639-1 or `auto`. */
  readonly language: Language
}

export function parseQuery(query: URLSearchParams, defaults: Defaults): { ok: true; wishes: Wishes } | { ok: false; fault: string } {
  const refuse = (fault: string) => ({ ok: false, fault }) as const

  const twice = ["mode", ...CONFIG_NAMES].find((name) => said(query, name).length > 1)
  if (twice) return refuse(`${twice} is said twice`)

  const [mode = defaults.mode] = said(query, "mode")
  if (!isMode(mode)) return refuse(`mode must be ${MODES.join(", ")}`)

  const given = Object.fromEntries(CONFIG_NAMES.map((name) => [name, said(query, name)[0]]))
  const result = withWishes({ ...DEFAULT_CONFIG, language: defaults.language }, given)
  if (!result.ok) return refuse(result.fault)
  if (mode === "frames" && result.config.vad === "none")
    return refuse("vad=none needs mode=events: in frames nobody else ends an utterance")

  return { ok: true, wishes: { mode, config: result.config } }
}

/** The different values that are not empty. */
function said(query: URLSearchParams, name: string): string[] {
  return [...new Set(query.getAll(name))].filter((value) => value !== "")
}

function isMode(word: string): word is Mode {
  return MODES.some((mode) => mode === word)
}
