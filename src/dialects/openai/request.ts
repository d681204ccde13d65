/**
 * What a request for a transcript wishes, out of the fields of its form. Pure: fields in, wishes or one clear fault out. Fields that
 * we do not know, or that only steer OpenAI's own models (`temperature`, `chunking_strategy`, `include`), change nothing.
 */
import type { z } from "zod"
import type { Language } from "../../engines/engine.ts"
import { CONFIG_VALUES } from "../config.ts"
import { Refused } from "../door.ts"
import { FILE, type Form } from "./form.ts"
import { languageOf, promptOf } from "./hints.ts"
import { type FORMATS, FormFields } from "./messages.ts"

export type Task = "transcribe" | "translate"

export type Format = (typeof FORMATS)[number]

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
  if (said("url")) throw wrong("url", "url is not supported: send the recording as file")
  const result = FormFields.safeParse({
    model: said("model") || undefined,
    temperature: said("temperature") || undefined,
    response_format: said("response_format") || undefined,
    stream: said("stream") || undefined,
    timestamp_granularities: fields.get("timestamp_granularities"),
    language: languageOf(said("language"), fields.get("languages")),
    prompt: promptOf(said("prompt"), fields.get("keywords")) || undefined,
  })
  if (!result.success) throw faultOf(result.error)
  const { model, response_format: format, stream, timestamp_granularities: granularities, language, prompt } = result.data
  // Its events have room for text alone.
  if (stream && format !== "json" && format !== "text") throw wrong("response_format", "with stream, response_format must be json or text")
  // The words of a translation were never said.
  const words = task === "transcribe" && format === "verbose_json" && granularities.includes("word")
  return {
    file,
    model,
    // Who wants a translation need not know from which language.
    language: language ?? (task === "translate" ? "auto" : fallback),
    prompt,
    format,
    words,
    segments: !words || granularities.includes("segment"),
    stream,
  }
}

function faultOf({ issues: [issue] }: z.ZodError): Refused {
  const field = String(issue?.path[0])
  if (field === "model") return missing(field)
  return wrong(field, field === "language" ? `language must be ${CONFIG_VALUES.language}` : (issue?.message ?? `${field} is wrong`))
}

function missing(field: string): Refused {
  const message = `${field} is missing`
  return new Refused({ reason: "bad_request", status: 400, message, field, code: "missing_required_parameter" })
}

function wrong(field: string, message: string): Refused {
  return new Refused({ reason: "bad_request", status: 400, message, field })
}
