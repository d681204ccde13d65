import { describe, expect, test } from "bun:test"
import { isDoubtful, isSilence, type Judged, type Voice, voiceIn, whisperSilence } from "../../../src/engines/whisper/silence.ts"

const silent = (noSpeechProb: number, avgLogprob: number) => whisperSilence(noSpeechProb, avgLogprob, 0.7)

const segment = (noSpeechProb: number | null, avgLogprob: number | null, { text = " He waited.", compressionRatio = 0.8 } = {}): Judged => {
  return { text, avgLogprob, noSpeechProb, compressionRatio }
}
const nobody: Voice = { peak: 0.1, mean: 0.02 }
const tone: Voice = { peak: 0.8, mean: 0.3 }
const word: Voice = { peak: 0.99, mean: 0.1 }
const sentence: Voice = { peak: 0.99, mean: 0.6 }
const isSilent = (judged: Judged, voice: Voice | null) => isSilence(judged, voice, 0.7)

describe("by Whisper's own numbers", () => {
  test("where nobody seems to speak, only sure words count", () => {
    expect(silent(0.9, -0.6)).toBe(true)
    expect(silent(0.9, -0.3)).toBe(false)
  })

  test("where somebody seems to speak, unsure words count too", () => {
    expect(silent(0.1, -1.2)).toBe(false)
    expect(silent(0.1, -2)).toBe(false)
  })

  test("a wild guess counts only well below the threshold", () => {
    expect(silent(0.4, -1.6)).toBe(true)
    expect(silent(0.4, -1.4)).toBe(false)
  })

  test("a threshold of 1 lets everything but wild guesses through", () => {
    expect(whisperSilence(0.99, -0.9, 1)).toBe(false)
  })
})

describe("a segment", () => {
  test("is not doubtful if its words are sure, or the model is sure that somebody spoke", () => {
    expect(isDoubtful(segment(0.9, -0.3), 0.7)).toBe(false)
    expect(isDoubtful(segment(0.2, -0.8), 0.7)).toBe(false)
    expect(isDoubtful(segment(null, null), 0.7)).toBe(false)
  })

  test("is doubtful if it is unsure, may be silence, or repeats itself", () => {
    expect(isDoubtful(segment(0.05, -1.1), 0.7)).toBe(true)
    expect(isDoubtful(segment(0.4, -0.6), 0.7)).toBe(true)
    expect(isDoubtful(segment(0.05, -0.2, { compressionRatio: 2.5 }), 0.7)).toBe(true)
  })

  test("counts whatever the detector hears, unless it is doubtful", () => {
    for (const voice of [null, nobody, tone, word, sentence]) expect(isSilent(segment(0.2, -0.8), voice)).toBe(false)
  })

  test("in doubt is silence where the detector hears nobody", () => {
    expect(isSilent(segment(0.4, -0.6), nobody)).toBe(true)
    expect(isSilent(segment(0.05, -0.2, { compressionRatio: 2.5 }), nobody)).toBe(true)
    expect(isSilent(segment(0.4, -0.6), tone)).toBe(false)
    expect(isSilent(segment(0.4, -0.6), word)).toBe(false)
  })

  test("is silence if Whisper is sure of that and not of its words, whatever sounds like a voice", () => {
    expect(isSilent(segment(0.9, -1.5), sentence)).toBe(true)
    expect(isSilent(segment(0.9, -0.8), sentence)).toBe(false)
  })

  test("that is a wild guess counts where somebody speaks for a good part of the time", () => {
    expect(isSilent(segment(0.5, -1.7), word)).toBe(true)
    expect(isSilent(segment(0.5, -1.7), sentence)).toBe(false)
  })

  test("of what subtitles say over silence counts only with a clear voice, or without a doubt", () => {
    const filler = { text: " Thanks for watching!" }
    expect(isSilent(segment(0.58, -1.04, filler), tone)).toBe(true)
    expect(isSilent(segment(0.58, -1.04, filler), word)).toBe(false)
    expect(isSilent(segment(0.58, -1.04), tone)).toBe(false)
    expect(isSilent(segment(0.05, -0.2, filler), nobody)).toBe(false)
  })

  test("without a detector is judged by its numbers, and those phrases more strictly", () => {
    expect(isSilent(segment(0.9, -0.6), null)).toBe(true)
    expect(isSilent(segment(0.6, -0.6), null)).toBe(false)
    expect(isSilent(segment(0.6, -0.6, { text: " Bye." }), null)).toBe(true)
    expect(isSilent(segment(0.5, -0.6, { text: " Bye." }), null)).toBe(false)
  })
})

test("a voice peaks where it lasts: a click does not", () => {
  expect(voiceIn([0, 0, 1, 0, 0, 0]).peak).toBe(0.25)
  expect(voiceIn([0, 0, 1, 1, 1, 1, 0, 0])).toEqual({ peak: 1, mean: 0.5 })
  expect(voiceIn([1, 0])).toEqual({ peak: 0.5, mean: 0.5 })
  expect(voiceIn([])).toEqual({ peak: 0, mean: 0 })
})
