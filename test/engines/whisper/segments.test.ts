import { describe, expect, test } from "bun:test"
import { createDetokenizer } from "../../../src/engines/whisper/detokenizer.ts"
import type { Attempt } from "../../../src/engines/whisper/fallback.ts"
import { segmentsOf } from "../../../src/engines/whisper/segments.ts"
import { createTokenizer } from "../../../src/engines/whisper/tokenizer.ts"
import tokenizer from "../../../src/engines/whisper/weights/whisper-base/tokenizer.json"

const POSITIONS_PER_TOKEN = 10
const SAMPLES_PER_POSITION = 320

const tokensOf = createTokenizer(tokenizer)
const textOf = createDetokenizer(tokenizer)

/** Every token takes 200 ms; the model listened in the middle. `pauseAfter`: so many tokens, then two silent seconds. */
function segments(text: string, { words = true, attends = true, pauseAfter = Number.POSITIVE_INFINITY } = {}) {
  const tokens = tokensOf(text)
  const placeOf = (token: number) => token * POSITIONS_PER_TOKEN + (token >= pauseAfter ? 100 : 0)
  const positions = placeOf(tokens.length)
  const isPause = (position: number) => position >= placeOf(pauseAfter - 1) + POSITIONS_PER_TOKEN && position < placeOf(pauseAfter)
  const samples = Int16Array.from({ length: positions * SAMPLES_PER_POSITION }, (_, i) =>
    isPause(Math.floor(i / SAMPLES_PER_POSITION)) ? 0 : i % 2 === 0 ? 5000 : -5000,
  )
  const attention = [...tokens, 0].map((_, token) =>
    Float32Array.from({ length: positions }, (_, at) => Math.exp(-((at - placeOf(token) - POSITIONS_PER_TOKEN / 2) ** 2) / 8)),
  )
  const decoded = {
    tokens,
    logprobs: tokens.map(() => -0.5),
    attention: attends ? attention : null,
    language: "en",
    stop: "end" as const,
    avgLogprob: -0.4,
    noSpeechProb: 0.2,
  }
  const attempt: Attempt = { decoded, text: textOf(tokens), compressionRatio: 0.9, temperature: 0.2 }
  return segmentsOf(attempt, { samples, words, heads: 1, textOf })
}

const texts = (text: string, told = {}) => segments(text, told).map((segment) => segment.text)

describe("segments", () => {
  test("are one where no words are wanted or the model does not say where it listens", () => {
    for (const told of [{ words: false }, { attends: false }]) {
      expect(segments(" One. Two.", told)).toMatchObject([{ text: " One. Two.", startMs: 0, words: null, tokens: tokensOf(" One. Two.") }])
    }
  })

  test("end with a sentence; together they have all of the text, and the words their times", () => {
    const text = " He came. Did she? 你好。世界"
    const parts = segments(text)
    expect(parts.map((part) => part.text)).toEqual([" He came.", " Did she?", " 你好。", "世界"])
    expect(parts.flatMap(({ tokens }) => tokens)).toEqual(tokensOf(text))
    for (const { startMs, endMs, words } of parts) {
      expect([startMs, endMs]).toEqual([words?.[0]?.startMs ?? Number.NaN, words?.at(-1)?.endMs ?? Number.NaN])
    }
    const [first] = parts
    expect(first?.words).toEqual([
      { text: "He", startMs: expect.any(Number), endMs: expect.any(Number), confidence: expect.closeTo(Math.exp(-0.5)) },
      { text: "came.", startMs: expect.any(Number), endMs: expect.any(Number), confidence: expect.closeTo(Math.exp(-0.5)) },
    ])
  })

  test("do not end behind a title, an initial or in a number", () => {
    expect(texts(" Mr. Smith and J. Doe of the U.S. Senate paid 3.50 e.g. for nothing. Good.")).toEqual([
      " Mr. Smith and J. Doe of the U.S. Senate paid 3.50 e.g. for nothing.",
      " Good.",
    ])
  })

  test("end at a pause within a sentence", () => {
    expect(texts(" one two three", { pauseAfter: 2 })).toEqual([" one two", " three"])
    expect(segments(" one two three", { pauseAfter: 2 })[1]?.startMs).toBe(2400)
  })

  test("have the numbers of the whole: whether a text is silence must not depend on its words being asked for", () => {
    const numbers = { avgLogprob: -0.4, noSpeechProb: 0.2, compressionRatio: 0.9, temperature: 0.2 }
    expect(segments(" One. Two.")).toMatchObject([numbers, numbers])
    expect(segments(" One. Two.", { words: false })).toMatchObject([numbers])
  })

  test("of a blank text are one without words", () => {
    expect(segments(" ")).toMatchObject([{ text: " ", words: [] }])
  })
})
