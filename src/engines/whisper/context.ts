/**
 * Hearing a piece together with what was said right before it: the model is made to go on from those words, and what it writes
 * then is the piece's own. Decides when that can be done and when its outcome is to be believed. Pure; runs no model.
 */
import { joinSamples } from "../../audio/pcm.ts"
import type { Context } from "../engine.ts"
import { type Decoded, meanLogprob } from "./decode.ts"
import { type Attempt, better, isDoubtful, NO_SPEECH_THRESHOLD } from "./fallback.ts"
import { isDoubtful as mayBeSilence, SURE_AVG_LOGPROB } from "./silence.ts"
import { POSITION_SAMPLES } from "./words.ts"

/** A mark that closes what was said before, which was told without it. */
const CLOSING_MARKS_ALONE = /^\s*[.,;:!?…)\]»”’\-–—。、，！？]*\s*$/u

/** Whether there is room for the words before among the positions of the model, and they are words. */
export function isUsable({ tokens }: Context, { room, endOfText }: { room: number; endOfText: number }): boolean {
  return tokens.length <= room && tokens.every((token) => token >= 0 && token < endOfText)
}

/** All that is heard. */
export function withContext({ samples }: Context, own: Int16Array): Int16Array {
  return joinSamples([samples, own])
}

export interface OwnOptions {
  /** In each row of the attention. */
  readonly heads: number
  textOf(tokens: readonly number[]): string
}

/** What was decoded in the context, as if the piece alone had been heard. */
export function ownPart(decoded: Decoded, { samples }: Context, { heads, textOf }: OwnOptions): Decoded {
  const firstWord = decoded.tokens.findIndex((token) => !CLOSING_MARKS_ALONE.test(textOf([token])))
  const from = firstWord < 0 ? decoded.tokens.length : firstWord
  const logprobs = decoded.logprobs.slice(from)
  const attention = decoded.attention?.slice(from).map((row) => rowBehind(row, heads, Math.round(samples.length / POSITION_SAMPLES)))
  return { ...decoded, tokens: decoded.tokens.slice(from), logprobs, attention: attention ?? null, avgLogprob: meanLogprob(logprobs) }
}

function rowBehind(row: Float32Array, heads: number, positions: number): Float32Array {
  const each = row.length / heads
  const kept = Math.max(0, each - positions)
  const behind = new Float32Array(heads * kept)
  for (let head = 0; head < heads; head++) behind.set(row.subarray(head * each + positions, (head + 1) * each), head * kept)
  return behind
}

/**
 * Whether what was heard in a context can be told as it is. Its probability that nobody spoke is that of the context, so only words
 * of which the model is sure can do without the piece being heard alone; and somebody spoke, so no words are wrong.
 */
export function isSure(attempt: Attempt): boolean {
  return attempt.text.trim() !== "" && attempt.decoded.avgLogprob >= SURE_AVG_LOGPROB && !isDoubtful(attempt)
}

/** Which of both is to be told: in doubt whether somebody spoke, what was heard without words that ask for more of them. */
export function chosen(alone: Attempt, inContext: Attempt): Attempt {
  const { text, compressionRatio, decoded } = alone
  if (inContext.text.trim() === "" || mayBeSilence({ text, compressionRatio, ...decoded }, NO_SPEECH_THRESHOLD)) return alone
  return better({ ...inContext, decoded: { ...inContext.decoded, noSpeechProb: decoded.noSpeechProb } }, alone)
}
