/**
 * Which silences of a live stream are long enough to be told, in the time of its audio: a client that stops sending is told of no
 * silence that nobody heard. Knows no words and no JSON.
 */
import { SAMPLE_RATE_HZ } from "../../audio/pcm.ts"

export type Silence =
  /** The end of speech, where the utterance itself had been cut off before it. */
  | { readonly type: "endpoint" }
  /** Nobody spoke for long enough after a word. */
  | { readonly type: "utterance_end"; readonly lastWordEndMs: number }

export interface Silences {
  /** More audio was taken in: so many samples, 16 kHz. Whole ms would add up to another time. */
  hear(samples: number): void
  /** Somebody speaks; of an utterance that is known already it changes nothing. */
  begin(utterance: number, atMs: number): void
  /** All is known of an utterance. False if nobody had been told of it before. */
  end(utterance: number): boolean
  /** Whether no utterance before this one is still open. */
  isNext(utterance: number): boolean
  /** An utterance with speech was cut off here: an endpoint is owed, unless the speaker goes on. */
  awaitEndpoint(fromMs: number): void
  /** A word ended here, the last one so far. */
  awaitUtteranceEnd(lastWordEndMs: number): void
  /** What is to be told now. */
  due(): readonly Silence[]
}

/** How long each silence has to be; null for never. */
export interface SilencesOptions {
  readonly endpointMs: number | null
  readonly utteranceEndMs: number | null
}

export function createSilences({ endpointMs, utteranceEndMs }: SilencesOptions): Silences {
  let heardSamples = 0
  /** Utterances that have not ended, and where each began. */
  const open = new Map<number, number>()
  let cutMs: number | null = null
  let wordEndMs: number | null = null

  /** Undefined as long as it may still come to be. */
  function isSilent(fromMs: number, lengthMs: number): boolean | undefined {
    const untilMs = open.size > 0 ? Math.min(...open.values()) : (heardSamples * 1000) / SAMPLE_RATE_HZ
    if (untilMs >= fromMs + lengthMs) return true
    return open.size > 0 ? false : undefined
  }

  return {
    hear(samples) {
      heardSamples += samples
    },
    begin(utterance, atMs) {
      if (!open.has(utterance)) open.set(utterance, atMs)
    },
    end: (utterance) => open.delete(utterance),
    isNext: (utterance) => Math.min(...open.keys()) === utterance,
    awaitEndpoint(fromMs) {
      if (endpointMs !== null) cutMs = fromMs
    },
    awaitUtteranceEnd(lastWordEndMs) {
      if (utteranceEndMs !== null) wordEndMs = lastWordEndMs
    },
    due() {
      const told: Silence[] = []
      const endpoint = cutMs === null || endpointMs === null ? undefined : isSilent(cutMs, endpointMs)
      if (endpoint !== undefined) cutMs = null
      if (endpoint) told.push({ type: "endpoint" })
      if (wordEndMs === null || utteranceEndMs === null) return told
      const silent = isSilent(wordEndMs, utteranceEndMs)
      if (silent) told.push({ type: "utterance_end", lastWordEndMs: wordEndMs })
      if (silent !== undefined) wordEndMs = null
      return told
    },
  }
}
