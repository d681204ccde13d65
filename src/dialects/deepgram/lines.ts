/**
 * The JSON texts that a client of Deepgram's live wire reads. Times are seconds from the start of the stream, and the final
 * results tile them. Knows no audio and no client.
 */
import type { z } from "zod"
import type { FinalEvent } from "../../speech/events.ts"
import { type Hearer, modelInfo, modelUuid, rounded, seconds, wordBody } from "./bodies.ts"
import type { LiveError, Results, SpeechStarted, UtteranceEnd } from "./shapes.ts"

/** Channels are mixed before they are heard, so there is one: the first of one. */
const CHANNEL: [0, 1] = [0, 1]

export interface ResultsFlags {
  readonly speechFinal: boolean
  readonly fromFinalize: boolean
}

/** What is understood of a stretch. */
type Said = Pick<FinalEvent, "text" | "confidence" | "words" | "language">

type Flags = Pick<z.output<typeof Results>, "is_final" | "speech_final" | "from_finalize">

export const NO_WORDS: Said = { text: "", confidence: null, words: null, language: null }

export interface Lines {
  /** Words that the next of these, or the final, replaces. */
  interim(text: string, endMs: number): string
  /** Everything up to `endMs` is settled. */
  final(said: Said, endMs: number, flags: ResultsFlags): string
  speechStarted(atMs: number): string
  utteranceEnd(lastWordEndMs: number): string
}

export function createLines(requestId: string, hearer: Hearer, detects: boolean): Lines {
  /** Up to where all is settled. */
  let settledMs = 0

  function results({ text, confidence, words, language }: Said, endMs: number, flags: Flags): string {
    const alternative = {
      transcript: text,
      confidence: rounded(confidence),
      ...(detects && language !== null && { languages: [language] }),
      words: (words ?? []).map(wordBody),
    }
    return JSON.stringify({
      type: "Results",
      channel_index: CHANNEL,
      duration: seconds(Math.max(0, Math.round(endMs) - Math.round(settledMs))),
      start: seconds(settledMs),
      ...flags,
      channel: { alternatives: [alternative] },
      metadata: { request_id: requestId, model_info: modelInfo(hearer), model_uuid: modelUuid(hearer) },
    } satisfies z.output<typeof Results>)
  }

  return {
    interim: (text, endMs) => results({ ...NO_WORDS, text }, endMs, { is_final: false, speech_final: false, from_finalize: false }),
    final(said, endMs, { speechFinal, fromFinalize }) {
      const line = results(said, endMs, { is_final: true, speech_final: speechFinal, from_finalize: fromFinalize })
      settledMs = Math.max(settledMs, endMs)
      return line
    },
    speechStarted: (atMs) =>
      JSON.stringify({ type: "SpeechStarted", channel: CHANNEL, timestamp: seconds(atMs) } satisfies z.output<typeof SpeechStarted>),
    utteranceEnd: (lastWordEndMs) =>
      JSON.stringify({ type: "UtteranceEnd", channel: CHANNEL, last_word_end: seconds(lastWordEndMs) } satisfies z.output<
        typeof UtteranceEnd
      >),
  }
}

/** Something went wrong; the newer clients pass it on as it is. */
export function errorLine(variant: string, message: string): string {
  return JSON.stringify({ type: "Error", variant, message, description: message } satisfies z.output<typeof LiveError>)
}
