import { describe, expect, test } from "bun:test"
import { joinTexts, openAiSilence, type Segment, withoutSilence } from "../../src/speech/transcript.ts"

const segment = (text: string, noSpeechProb: number | null, avgLogprob: number | null): Segment => ({
  text,
  startMs: 0,
  endMs: 1000,
  noSpeechProb,
  avgLogprob,
  compressionRatio: null,
  temperature: null,
  tokens: [],
  words: null,
})

const kept = (...segments: Segment[]) => withoutSilence(segments, 0.7, openAiSilence).map(({ text }) => text)

describe("segments in which nobody spoke", () => {
  test("are dropped one by one: silence first does not take the speech after it", () => {
    expect(kept(segment("Thank you.", 0.9, -1.4), segment("Hello.", 0.1, -0.2))).toEqual(["Hello."])
  })

  test("need both numbers against them: quiet but clear speech stays", () => {
    expect(kept(segment("Hello.", 0.9, -0.3), segment("mumble", 0.2, -1.4))).toEqual(["Hello.", "mumble"])
  })

  test("cannot be told without the numbers, so those are kept", () => {
    expect(kept(segment("a", null, -2), segment("b", 0.99, null))).toEqual(["a", "b"])
  })
})

describe("joined texts", () => {
  test("are trimmed and single-spaced, and blank ones leave no trace", () => {
    expect(joinTexts([" Hello.  Two. ", " ", "", "\nThree"])).toBe("Hello. Two. Three")
  })
})
