/**
 * What an engine understood of one utterance, and the gate that keeps silence silent.
 * Knows no engine and no wire: numbers an engine does not report are null.
 */

/** One word with the punctuation that belongs to it, and when it was said. */
export interface Word {
  /** Trimmed, never "". */
  readonly text: string
  readonly startMs: number
  readonly endMs: number
  /** 0 to 1; null if the engine does not say. */
  readonly confidence: number | null
}

/** One stretch of an utterance as the model wrote it. Times count from the start of the utterance. */
export interface Segment {
  /** As decoded, with whatever spaces the model wrote around it. */
  readonly text: string
  readonly startMs: number
  readonly endMs: number
  /** Mean of the natural log of the probabilities of the tokens written. */
  readonly avgLogprob: number | null
  /** Probability, 0 to 1, that nobody spoke. */
  readonly noSpeechProb: number | null
  /** Bytes of the text by bytes of its gzip, as OpenAI counts it: above 2.4 it repeats itself. */
  readonly compressionRatio: number | null
  /** At which the tokens were drawn; 0 is greedy. */
  readonly temperature: number | null
  /** The model's own; empty if the engine does not tell them. */
  readonly tokens: readonly number[]
  /** Null if none were asked for or the engine has none. */
  readonly words: readonly Word[] | null
}

export interface Transcript {
  /** Trimmed, single-spaced; "" when nobody spoke. */
  readonly text: string
  /** ISO 639-1, as told or as detected. */
  readonly language: string | null
  readonly segments: readonly Segment[]
}

/** What was understood of a whole recording; its times count from its start. */
export interface Heard extends Transcript {
  readonly durationMs: number
}

/** The parts of a recording, in order, as one. `endMs` is where each part ends. */
export function joinParts(parts: readonly (Transcript & { readonly endMs: number })[]): Heard {
  return {
    text: joinTexts(parts.map(({ text }) => text)),
    segments: parts.flatMap(({ segments }) => segments),
    language: parts.find(({ language }) => language !== null)?.language ?? null,
    durationMs: parts.at(-1)?.endMs ?? 0,
  }
}

/** Whether a segment with these two numbers is silence, given the setting `NO_SPEECH_THRESHOLD`. */
export type SilenceRule = (noSpeechProb: number, avgLogprob: number, noSpeechThreshold: number) => boolean

/**
 * OpenAI's own rule, for its large models: the model must both believe that nobody spoke and distrust its own words, since
 * the no-speech probability alone also rises on quiet but clear speech.
 */
export const openAiSilence: SilenceRule = (noSpeechProb, avgLogprob, noSpeechThreshold) =>
  noSpeechProb > noSpeechThreshold && avgLogprob < -1

/**
 * Drops the segments in which nobody spoke, each judged by itself: silence before speech must not take the speech with it.
 * A segment without the two numbers is kept.
 */
export function withoutSilence(segments: readonly Segment[], noSpeechThreshold: number, isSilence: SilenceRule): Segment[] {
  return segments.filter(
    ({ noSpeechProb, avgLogprob }) =>
      noSpeechProb === null || avgLogprob === null || !isSilence(noSpeechProb, avgLogprob, noSpeechThreshold),
  )
}

/** The words of several segments in one line; blank ones leave no trace. */
export function joinTexts(texts: readonly string[]): string {
  return texts.join(" ").replace(/\s+/g, " ").trim()
}

/** The same segment of something that began `shiftMs` earlier. */
export function shiftedBy(segment: Segment, shiftMs: number): Segment {
  const later = <Span extends { readonly startMs: number; readonly endMs: number }>(span: Span): Span => {
    return { ...span, startMs: span.startMs + shiftMs, endMs: span.endMs + shiftMs }
  }
  return shiftMs === 0 ? segment : { ...later(segment), words: segment.words?.map(later) ?? null }
}
