/** From an attempt at an utterance to the segments that everybody outside knows. Pure; knows no model. */
import { msFromSamples } from "../../audio/pcm.ts"
import type { Segment, Word } from "../../speech/transcript.ts"
import type { Attempt } from "./fallback.ts"
import { type TimedWord, timeWords } from "./words.ts"

export interface SegmentsOptions {
  readonly samples: Int16Array
  /** Whether words are wanted. They come only with an attempt that knows its attention. */
  readonly words: boolean
  /** In each row of the attempt's attention. */
  readonly heads: number
  textOf(tokens: readonly number[]): string
}

/** A longer pause between two words parts two segments. */
const PAUSE_MS = 500

/**
 * One segment, or with words one for each sentence. All have the numbers of the whole, as OpenAI's have: so the gate that keeps silence
 * silent does not judge otherwise because words were asked for.
 */
export function segmentsOf(attempt: Attempt, { samples, words, heads, textOf }: SegmentsOptions): Segment[] {
  const { decoded, compressionRatio, temperature } = attempt
  const { tokens, logprobs, attention, avgLogprob, noSpeechProb } = decoded
  const numbers = { avgLogprob, noSpeechProb, compressionRatio, temperature }
  const whole = { ...numbers, text: attempt.text, startMs: 0, endMs: msFromSamples(samples.length), tokens }
  if (!words || attention === null) return [{ ...whole, words: null }]
  const timed = timeWords({ tokens, logprobs, attention, heads, samples }, textOf)
  const sentences = sentencesOf(timed)
  if (sentences.length === 0) return [{ ...whole, words: [] }]
  return sentences.map((sentence) => {
    const said = tokens.slice(sentence[0]?.from, sentence.at(-1)?.to)
    const [startMs, endMs] = [sentence[0]?.startMs ?? 0, sentence.at(-1)?.endMs ?? 0]
    return { ...numbers, text: textOf(said), startMs, endMs, tokens: said, words: sentence.map(withoutTokens) }
  })
}

function sentencesOf(words: readonly TimedWord[]): TimedWord[][] {
  const sentences: TimedWord[][] = []
  let before: TimedWord | undefined
  for (const word of words) {
    const sentence = sentences.at(-1)
    if (sentence === undefined || before === undefined || endsSentence(before, word)) sentences.push([word])
    else sentence.push(word)
    before = word
  }
  return sentences
}

/** Neither initials nor the commonest titles: a sentence too few is less odd than one that ends in "Mr." */
const ABBREVIATION = /^(\p{L}|\p{Lu}\p{Ll}|Mrs|Messrs|Prof|(\p{L}\.)+\p{L})\.$/u

function endsSentence(word: Word, next: Word): boolean {
  if (next.startMs - word.endMs > PAUSE_MS) return true
  return /[.?!…。？！]["'”’»」』)\]]*$/u.test(word.text) && !ABBREVIATION.test(word.text) && !/^\p{Ll}/u.test(next.text)
}

function withoutTokens({ text, startMs, endMs, confidence }: TimedWord): Word {
  return { text, startMs, endMs, confidence }
}
