/** From the transcript of one utterance to the final that ends it: pure. Knows no engine and no queue. */
import { msFromSamples } from "../audio/pcm.ts"
import type { EndCause, FinalEvent } from "./events.ts"
import type { Segment, Transcript, Word } from "./transcript.ts"

/** An utterance that ended, and where it lies in its stream. */
export interface Ended {
  readonly utterance: number
  readonly cause: EndCause
  readonly startSample: number
  readonly endSample: number
}

/** One final for the whole utterance. `wanted`: whether the times of words are. */
export function finalOf({ utterance, cause, startSample, endSample }: Ended, transcript: Transcript, wanted: boolean): FinalEvent {
  const { text, language, segments } = transcript
  const avgLogprob = text === "" ? null : meanLogprob(segments)
  return {
    type: "final",
    utterance,
    segment: 0,
    text,
    startMs: msFromSamples(startSample),
    endMs: msFromSamples(endSample),
    end: true,
    cause,
    language,
    confidence: avgLogprob === null ? null : Math.exp(avgLogprob),
    avgLogprob,
    noSpeechProb: lowest(segments.map((segment) => segment.noSpeechProb)),
    words: wanted ? wordsInStream(segments, msFromSamples(startSample), msFromSamples(endSample)) : null,
  }
}

/** Over all tokens: a long segment says more about the whole than a short one. Null if a segment does not say. */
function meanLogprob(segments: readonly Segment[]): number | null {
  let sum = 0
  let weights = 0
  for (const { avgLogprob, tokens } of segments) {
    if (avgLogprob === null) return null
    const weight = Math.max(1, tokens.length)
    sum += avgLogprob * weight
    weights += weight
  }
  return weights === 0 ? null : sum / weights
}

/** Somebody spoke in the utterance if somebody spoke in one of its segments. */
function lowest(probabilities: readonly (number | null)[]): number | null {
  const known = probabilities.filter((probability) => probability !== null)
  return known.length === 0 ? null : Math.min(...known)
}

/** Times of an engine may lie beyond the audio it was given, and must not go back. */
function wordsInStream(segments: readonly Segment[], startMs: number, endMs: number): Word[] | null {
  if (segments.some(({ words }) => words === null)) return null
  let atMs = startMs
  const place = (ms: number) => {
    atMs = Math.max(atMs, Math.min(startMs + Math.round(ms), endMs))
    return atMs
  }
  return segments.flatMap(({ words }) => (words ?? []).map((word) => ({ ...word, startMs: place(word.startMs), endMs: place(word.endMs) })))
}
