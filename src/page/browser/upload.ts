/** A recording goes through the same door as everybody's: OpenAI's REST. Knows no document. */
import { type Reason, reasonOf, reasonOfRefusal, wantsKey } from "../flow/reasons.ts"
import { talkOfRecording, type VerboseAnswer } from "../flow/recording.ts"
import { msOf } from "../flow/resampling.ts"
import type { Talk } from "../flow/talk.ts"
import { createTape, type Tape } from "../flow/tape.ts"
import { decodeSound } from "./decoding.ts"
import { authorization, key } from "./key.ts"
import type { PageSettings } from "./settings.ts"

export type Uploaded = { readonly ok: true; readonly talk: Talk } | { readonly ok: false; readonly text: string; readonly reason?: Reason }

export interface ModelInfo {
  readonly id: string
  /** The provider. */
  readonly owner: string
}

/** A waveform of more would fill the memory of a phone. */
const SHOWN_BYTES_MAX = 64 * 1024 * 1024
const SHOWN_MS_MAX = 60 * 60_000

/** The server's own model; undefined if it does not tell, as where it needs a key. */
export async function ownModel(signal?: AbortSignal): Promise<ModelInfo | undefined> {
  const response = await fetch("/v1/models", { headers: authorization(key()), ...(signal && { signal }) })
  if (!response.ok) return undefined
  const { data } = (await response.json()) as { readonly data?: readonly { readonly id: string; readonly owned_by: string }[] }
  const first = data?.[0]
  return first && { id: first.id, owner: first.owned_by }
}

export async function transcribeFile(file: File, { language, prompt }: PageSettings, signal: AbortSignal): Promise<Uploaded> {
  try {
    const model = (await ownModel(signal))?.id ?? "whisper-1"
    const form = new FormData()
    form.set("file", file)
    form.set("model", model)
    form.set("response_format", "verbose_json")
    if (language !== "") form.set("language", language === "auto" ? "" : language)
    if (prompt !== "") form.set("prompt", prompt)
    for (const grain of ["segment", "word"]) form.append("timestamp_granularities[]", grain)
    const response = await fetch("/v1/audio/transcriptions", { method: "POST", body: form, headers: authorization(key()), signal })
    const body = await response.text()
    if (!response.ok) return refused(response.status, body)
    return { ok: true, talk: talkOfRecording(JSON.parse(body) as VerboseAnswer, model) }
  } catch {
    return { ok: false, text: reasonOf("unreachable").text }
  }
}

/** To look at and to hear again; undefined if this browser cannot read it, or if it is too long. */
export async function tapeOfFile(file: File): Promise<Tape | undefined> {
  if (file.size > SHOWN_BYTES_MAX) return undefined
  try {
    const samples = await decodeSound(await file.arrayBuffer())
    const lengthMs = msOf(samples.length)
    if (lengthMs > SHOWN_MS_MAX) return undefined
    const tape = createTape(Math.ceil(lengthMs) + 1)
    tape.push(samples)
    return tape
  } catch {
    return undefined
  }
}

function refused(status: number, body: string): Uploaded {
  const reason = reasonOfRefusal({ status, body })
  if (reason && wantsKey(reason)) return { ok: false, text: reason.text, reason }
  return { ok: false, text: messageOf(body) ?? `The server answered ${status}.` }
}

/** The server's own words. */
function messageOf(body: string): string | undefined {
  try {
    const message: unknown = JSON.parse(body)?.error?.message
    return typeof message === "string" ? message : undefined
  } catch {
    return undefined
  }
}
