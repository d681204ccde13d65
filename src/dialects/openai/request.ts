/**
 * What a request for a transcript wishes, out of the fields of its form. Pure: fields in, wishes or one clear fault out. Fields that
 * we do not know, or that only steer OpenAI's own models (`temperature`, `chunking_strategy`, `include`), change nothing.
 */
import type { Language } from "../../engines/engine.ts"
import { CONFIG_VALUES, DEFAULT_CONFIG, withWishes } from "../config.ts"
import { Refused } from "../door.ts"
import { FILE, type Form } from "./form.ts"
import { languageOf, promptOf } from "./hints.ts"

export type Task = "transcribe" | "translate"

export const FORMATS = ["json", "text", "srt", "verbose_json", "vtt"] as const
export type Format = (typeof FORMATS)[number]

const GRANULARITIES = ["word", "segment"] as const

export interface Wishes {
  /** The name, as said. */
  readonly model: string
  readonly file: readonly Uint8Array[]
  readonly language: Language
  readonly prompt: string | undefined
  readonly format: Format
  /** Which times `verbose_json` tells. */
  readonly words: boolean
  readonly segments: boolean
  /** As events, while it is heard. */
  readonly stream: boolean
}

/** Throws Refused `bad_request`, naming the field. `fallback` is the language of recordings whose language nobody says. */
export function readWishes({ fields, file }: Form, task: Task, fallback: Language): Wishes {
  const said = (name: string) => fields.get(name)?.at(-1)
  if (file === null) throw missing(FILE)
  const model = said("model")
  if (!model) throw missing("model")
  if (said("url")) throw wrong("url", "url is not supported: send the recording as file")
  checkTemperature(said("temperature"))
  const format = said("response_format") || "json"
  if (!isFormat(format)) throw wrong("response_format", `response_format must be one of ${FORMATS.join(", ")}`)
  const stream = isTrue(said("stream"))
  // Its events have room for text alone.
  if (stream && format !== "json" && format !== "text") throw wrong("response_format", "with stream, response_format must be json or text")
  const granularities = readGranularities(fields.get("timestamp_granularities") ?? [])
  // The words of a translation were never said.
  const words = task === "transcribe" && format === "verbose_json" && granularities.includes("word")
  return {
    file,
    model,
    // Who wants a translation need not know from which language.
    language: readLanguage(languageOf(said("language"), fields.get("languages")), task === "translate" ? "auto" : fallback),
    prompt: promptOf(said("prompt"), fields.get("keywords")) || undefined,
    format,
    words,
    segments: !words || granularities.includes("segment"),
    stream,
  }
}

/** As `en`, `EN` or `en-US`, or `auto`. */
function readLanguage(said: string | undefined, fallback: Language): Language {
  const result = withWishes({ ...DEFAULT_CONFIG, language: fallback }, { language: said })
  if (!result.ok) throw wrong("language", `language must be ${CONFIG_VALUES.language}`)
  return result.config.language
}

function readGranularities(said: readonly string[]): readonly string[] {
  if (said.every((one) => GRANULARITIES.some((known) => known === one))) return said
  throw wrong("timestamp_granularities", `timestamp_granularities must be ${GRANULARITIES.join(" or ")}`)
}

function checkTemperature(said: string | undefined): void {
  if (said === undefined || said === "") return
  const temperature = Number(said)
  if (!(temperature >= 0 && temperature <= 1)) throw wrong("temperature", "temperature must be a number from 0 to 1")
}

function isTrue(said: string | undefined): boolean {
  if (said === undefined || /^(false|0|)$/i.test(said)) return false
  if (/^(true|1)$/i.test(said)) return true
  throw wrong("stream", "stream must be true or false")
}

function isFormat(word: string): word is Format {
  return FORMATS.some((format) => format === word)
}

function missing(field: string): Refused {
  const message = `${field} is missing`
  return new Refused({ reason: "bad_request", status: 400, message, field, code: "missing_required_parameter" })
}

function wrong(field: string, message: string): Refused {
  return new Refused({ reason: "bad_request", status: 400, message, field })
}
