/** A recording goes through the same door as everybody's: OpenAI's REST. Knows no document. */
import { type Reason, reasonOf } from "../flow/reasons.ts"
import { talkOfRecording, type VerboseAnswer } from "../flow/recording.ts"
import { RATE_HZ, toPcm } from "../flow/resampling.ts"
import type { Talk } from "../flow/talk.ts"
import { createTape, type Tape } from "../flow/tape.ts"

export type Uploaded = { readonly ok: true; readonly talk: Talk } | { readonly ok: false; readonly text: string; readonly reason?: Reason }

/** A waveform of more would fill the memory of a phone. */
const SHOWN_BYTES_MAX = 64 * 1024 * 1024
const SHOWN_MS_MAX = 60 * 60_000

export async function transcribeFile(file: File, language: string, key: string, signal: AbortSignal): Promise<Uploaded> {
  const headers: Record<string, string> = key === "" ? {} : { authorization: `Bearer ${key}` }
  try {
    const models = await fetch("/v1/models", { headers, signal })
    if (models.status === 401) return { ok: false, text: reasonOf("key").text, reason: reasonOf("key") }
    const model: string = (await models.json()).data?.[0]?.id ?? "whisper-1"
    const form = new FormData()
    form.set("file", file)
    form.set("model", model)
    form.set("response_format", "verbose_json")
    if (language !== "") form.set("language", language === "auto" ? "" : language)
    for (const grain of ["segment", "word"]) form.append("timestamp_granularities[]", grain)
    const response = await fetch("/v1/audio/transcriptions", { method: "POST", body: form, headers, signal })
    const body: unknown = await response.json()
    if (!response.ok) return { ok: false, text: messageOf(body) ?? `The server answered ${response.status}.` }
    return { ok: true, talk: talkOfRecording(body as VerboseAnswer, model) }
  } catch {
    return { ok: false, text: signal.aborted ? "Stopped." : reasonOf("unreachable").text }
  }
}

/** To look at and to hear again; undefined if this browser cannot read it, or if it is too long. */
export async function tapeOfFile(file: File): Promise<Tape | undefined> {
  if (file.size > SHOWN_BYTES_MAX) return undefined
  try {
    const sound = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await file.arrayBuffer())
    const lengthMs = (sound.length * 1000) / RATE_HZ
    if (lengthMs > SHOWN_MS_MAX) return undefined
    const tape = createTape(Math.ceil(lengthMs) + 1)
    const channels = Array.from({ length: sound.numberOfChannels }, (_, at) => sound.getChannelData(at))
    tape.push(
      Int16Array.from({ length: sound.length }, (_, at) => toPcm(channels.reduce((sum, one) => sum + (one[at] ?? 0), 0) / channels.length)),
    )
    return tape
  } catch {
    return undefined
  }
}

function messageOf(body: unknown): string | undefined {
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined
  return typeof error === "object" && error !== null && "message" in error ? String(error.message) : undefined
}
