/**
 * The pieces that Deepgram's live messages and its answers to recordings have in common: words, and who heard them. Pure.
 * Seconds on this wire, ms inside. Typed clients fail where a number is missing: one that the engine does not tell is 0.
 */
import type { z } from "zod"
import type { Word } from "../../speech/transcript.ts"
import type { ListenMetadata, ListenWord } from "./shapes.ts"

export function wordBody({ text, startMs, endMs, confidence }: Word): z.output<typeof ListenWord> {
  return { word: plain(text), start: seconds(startMs), end: seconds(endMs), confidence: rounded(confidence), punctuated_word: text }
}

/** What stands around a word, not in it; a word of nothing else stays. */
function plain(text: string): string {
  return text.toLowerCase().replace(/^[\p{P}\p{S}]+(?=.)|(?<=.)[\p{P}\p{S}]+$/gu, "")
}

export function seconds(ms: number): number {
  return Math.round(ms) / 1000
}

export function rounded(confidence: number | null): number {
  return Math.round((confidence ?? 0) * 10_000) / 10_000
}

/** Who hears: of this server, not of Deepgram. */
export interface Hearer {
  readonly model: string
  readonly provider: string
}

export function modelInfo({ model, provider }: Hearer) {
  return { name: model, version: "unknown", arch: provider } as const
}

/** The same for the same model, as clients compare it. */
export function modelUuid({ model, provider }: Hearer): string {
  return Bun.randomUUIDv5(`${provider}/${model}`, "url")
}

/** What both kinds of metadata tell. */
export interface Told {
  readonly requestId: string
  /** Of all bytes, in hex. */
  readonly sha256: string
  readonly unixMs: number
  readonly durationMs: number
  readonly channels: number
  readonly hearer: Hearer
}

export function metadataBody({ requestId, sha256, unixMs, durationMs, channels, hearer }: Told): z.output<typeof ListenMetadata> {
  const uuid = modelUuid(hearer)
  return {
    transaction_key: "deprecated",
    request_id: requestId,
    sha256,
    created: new Date(unixMs).toISOString(),
    duration: seconds(durationMs),
    channels,
    models: [uuid],
    model_info: { [uuid]: modelInfo(hearer) },
  }
}
