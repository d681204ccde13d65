import { describe, expect, test } from "bun:test"
import { finalOf } from "../../src/speech/final-event.ts"
import type { Segment, Word } from "../../src/speech/transcript.ts"

const word = (text: string, startMs: number, endMs: number): Word => ({ text, startMs, endMs, confidence: 0.5 })

const segment = (numbers: Partial<Segment> = {}): Segment => ({
  text: " one",
  startMs: 0,
  endMs: 500,
  avgLogprob: -0.2,
  noSpeechProb: 0.1,
  compressionRatio: 1,
  temperature: 0,
  tokens: [1, 2],
  words: null,
  ...numbers,
})

/** The second second of its stream. */
const ended = { utterance: 3, cause: "endpoint", startSample: 16_000, endSample: 32_000 } as const

describe("the final of an utterance", () => {
  test("holds the whole text at its place in the stream, however many segments it has", () => {
    const final = finalOf(ended, { text: "one two", language: "en", segments: [segment(), segment({ text: " two" })] }, false)
    expect(final).toMatchObject({ utterance: 3, segment: 0, text: "one two", startMs: 1000, endMs: 2000, end: true, cause: "endpoint" })
  })

  test("is as sure as all its tokens together", () => {
    const segments = [segment({ avgLogprob: -1, tokens: [1] }), segment({ avgLogprob: -0.2, tokens: [1, 2, 3] })]
    const final = finalOf(ended, { text: "one two", language: "en", segments }, false)
    expect(final.avgLogprob).toBeCloseTo(-0.4, 10)
    expect(final.confidence).toBeCloseTo(Math.exp(-0.4), 10)
  })

  test("weighs segments alike when the engine tells no tokens", () => {
    const segments = [segment({ avgLogprob: -1, tokens: [] }), segment({ avgLogprob: -0.5, tokens: [] })]
    expect(finalOf(ended, { text: "one two", language: "en", segments }, false).avgLogprob).toBeCloseTo(-0.75, 10)
  })

  test("knows no confidence where the engine tells none, and none of silence", () => {
    const without = finalOf(ended, { text: "one", language: "en", segments: [segment({ avgLogprob: null })] }, false)
    expect([without.avgLogprob, without.confidence]).toEqual([null, null])
    const silent = finalOf(ended, { text: "", language: "en", segments: [] }, true)
    expect(silent).toMatchObject({ text: "", avgLogprob: null, confidence: null, noSpeechProb: null, words: [] })
  })

  test("is silence only as far as its least silent segment", () => {
    const segments = [segment({ noSpeechProb: 0.9 }), segment({ noSpeechProb: null }), segment({ noSpeechProb: 0.2 })]
    expect(finalOf(ended, { text: "one", language: "en", segments }, false).noSpeechProb).toBe(0.2)
  })

  test("places words in the stream, within the utterance and never going back", () => {
    const segments = [segment({ words: [word("one", 100, 300)] }), segment({ words: [word("two", 250, 900), word("three", 950, 1400)] })]
    const final = finalOf(ended, { text: "one two three", language: "en", segments }, true)
    expect(final.words).toEqual([word("one", 1100, 1300), word("two", 1300, 1900), word("three", 1950, 2000)])
  })

  test("has no words where none are wanted, or where the engine has none", () => {
    const spoken = { text: "one", language: "en", segments: [segment({ words: [word("one", 0, 1)] })] }
    expect(finalOf(ended, spoken, false).words).toBeNull()
    expect(finalOf(ended, { ...spoken, segments: [segment()] }, true).words).toBeNull()
  })
})
