import { expect, test } from "bun:test"
import { whisperSilence } from "../../../src/engines/whisper/silence.ts"

const silent = (noSpeechProb: number, avgLogprob: number) => whisperSilence(noSpeechProb, avgLogprob, 0.7)

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
