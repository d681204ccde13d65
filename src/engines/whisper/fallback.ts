/**
 * When a text is not to be trusted and which of two texts of the same speech is: OpenAI's rules, bounded for callers who wait.
 * Pure; knows no audio and no model.
 */
import type { Decoded } from "./decode.ts"
import { whisperSilence } from "./silence.ts"

/** One way in which an utterance was understood. */
export interface Attempt {
  readonly decoded: Decoded
  readonly text: string
  readonly compressionRatio: number
  readonly temperature: number
}

/** OpenAI's two thresholds. */
const COMPRESSION_RATIO_MAX = 2.4
const AVG_LOGPROB_MIN = -1
/** That of the setting NO_SPEECH_THRESHOLD, unless somebody changes it. */
export const NO_SPEECH_THRESHOLD = 0.7

/**
 * At which an utterance is decoded again, one after another until its text is to be trusted. The first is for the full context
 * alone; OpenAI goes on up to 1, which a live caller would wait for in vain.
 */
export const TEMPERATURES: readonly number[] = [0, 0.2, 0.4]

/**
 * Whether another try may give a better text. What is taken for silence anyway is left at that: its caller need not wait, and a text
 * that is only surer of itself does not come through the gate.
 */
export function isDoubtful(attempt: Attempt): boolean {
  const { avgLogprob, noSpeechProb } = attempt.decoded
  return isRound(attempt) || (avgLogprob < AVG_LOGPROB_MIN && !whisperSilence(noSpeechProb, avgLogprob, NO_SPEECH_THRESHOLD))
}

/** A text that came to its end before one that goes round in circles: that is sure of its words, so the logprob alone would keep it. */
export function better(one: Attempt, other: Attempt): Attempt {
  if (isRound(one) !== isRound(other)) return isRound(one) ? other : one
  return one.decoded.avgLogprob >= other.decoded.avgLogprob ? one : other
}

function isRound({ decoded, compressionRatio }: Attempt): boolean {
  return decoded.stop !== "end" || compressionRatio > COMPRESSION_RATIO_MAX
}
