/**
 * Speech that tests can write and read: each word is a stretch of one loud level, silence is zeros, and a transcriber reads the
 * words off the levels. It can be slow, hard of hearing, overloaded and broken, all by a chance that a seed decides.
 */
import { msFromSamples } from "../../src/audio/pcm.ts"
import type { Clock } from "../../src/clock.ts"
import { type Context, EngineError, type Transcriber, type Utterance } from "../../src/engines/engine.ts"
import type { Transcript, Word } from "../../src/speech/transcript.ts"

/** Above what `energyVad` takes for certain speech. */
const LEVEL_MIN = 1200

/** The sound of word number `index`. */
export function wordSound(index: number, samples: number): Int16Array {
  return new Int16Array(samples).fill(LEVEL_MIN + index)
}

export const wordText = (index: number) => `W${index}`

interface SpokenWord {
  readonly index: number
  readonly startSample: number
  readonly endSample: number
}

/** A shorter sound is no word but the rest of one. */
const WORD_MIN_SAMPLES = 1000

export function wordsIn(samples: Int16Array): SpokenWord[] {
  const words: SpokenWord[] = []
  for (let start = 0; start < samples.length; ) {
    const level = samples[start] as number
    let end = start
    while (end < samples.length && samples[end] === level) end++
    if (level >= LEVEL_MIN && end - start >= WORD_MIN_SAMPLES) words.push({ index: level - LEVEL_MIN, startSample: start, endSample: end })
    start = end
  }
  return words
}

export interface Hearing {
  readonly clock: Clock
  readonly random: () => number
  /** Answers take up to so long. */
  readonly answerMs: number
  /** The words that interims mishear, each time alike. */
  readonly mishears?: (index: number) => boolean
  /** Chance that a call fails. */
  readonly fails?: number
  /** Chance that an interim finds no room. */
  readonly overloaded?: number
  /** Whether it tells the times of words. */
  readonly times?: boolean
}

export interface SpokenTranscriber extends Transcriber {
  readonly asked: readonly Utterance[]
  /** Calls that have not settled. */
  readonly runningNow: number
}

/** So much higher is the number of a word that was misheard. */
const MISHEARD = 10_000

/** Another one in nearly each context, so that a final tells of which it was heard in. */
function noSpeechProbIn(context: Context | undefined): number {
  return context ? (Bun.hash.crc32(Int32Array.of(...context.tokens, context.samples.length)) % 1000) / 1000 : 0
}

export function spokenTranscriber(hearing: Hearing): SpokenTranscriber {
  const { clock, random, answerMs, mishears = () => false, fails = 0, overloaded = 0, times = true } = hearing
  const asked: Utterance[] = []
  let runningNow = 0

  function understand({ samples, interim, draft, context, language }: Utterance): Transcript {
    const heard = wordsIn(samples).map((word) => (interim && mishears(word.index) ? { ...word, index: word.index + MISHEARD } : word))
    for (let index = 0; draft && index < draft.fixed; index++) {
      heard[index] = { startSample: 0, endSample: 0, ...heard[index], index: draft.tokens[index] as number }
    }
    const tokens = heard.map(({ index }) => index)
    const text = tokens.map(wordText).join(" ")
    const words: Word[] = heard.map(({ index, startSample, endSample }) => {
      return { text: wordText(index), startMs: msFromSamples(startSample), endMs: msFromSamples(endSample), confidence: 1 }
    })
    const numbers = { avgLogprob: -0.1, noSpeechProb: noSpeechProbIn(context), compressionRatio: 1, temperature: 0 }
    const endMs = msFromSamples(samples.length)
    return { text, language, segments: text === "" ? [] : [{ text, startMs: 0, endMs, ...numbers, tokens, words: times ? words : null }] }
  }

  return {
    name: "spoken",
    model: "levels",
    concurrency: 3,
    interims: true,
    hearsContext: true,
    transcribe(utterance, signal) {
      asked.push(utterance)
      return new Promise((resolve, reject) => {
        const abort = () => settle(() => reject(new EngineError("aborted", "given up")))
        if (signal.aborted) return reject(new EngineError("aborted", "given up"))
        if (utterance.interim && random() < overloaded) return reject(new EngineError("overloaded", "no room"))
        runningNow++
        const failed = random() < fails
        const settle = (how: () => void) => {
          cancel()
          signal.removeEventListener("abort", abort)
          runningNow--
          how()
        }
        const answer = () => (failed ? reject(new EngineError("unavailable", "bad luck")) : resolve(understand(utterance)))
        const cancel = clock.after(random() * answerMs, () => settle(answer))
        signal.addEventListener("abort", abort)
      })
    },
    ready: async () => {},
    close: async () => {},
    asked,
    get runningNow() {
      return runningNow
    },
  }
}
