import { describe, expect, test } from "bun:test"
import { SAMPLE_RATE_HZ, samplesFromMs } from "../../src/audio/pcm.ts"
import { createAgreement, type Hypothesis, WINDOW_MAX_SAMPLES } from "../../src/speech/interims.ts"

const seconds = (count: number) => count * SAMPLE_RATE_HZ

/** One word each half second from `fromSecond` on, heard until a second later than the last began; each its own token. */
function heard(text: string, { from = 0, startSample = 0, times = true } = {}): Hypothesis {
  const texts = text.split(" ").filter((word) => word !== "")
  const words = texts.map((word, index) => ({ text: word, startMs: from + index * 500, endMs: from + index * 500 + 400, confidence: 1 }))
  const tokens = texts.map((word) => Number(Bun.hash(word) % 1000n))
  return { text, tokens, words: times ? words : null, startSample, endSample: startSample + samplesFromMs(from + texts.length * 500 + 500) }
}

const never = Number.POSITIVE_INFINITY

describe("what stands of an utterance", () => {
  test("is nothing after one hypothesis", () => {
    const agreement = createAgreement(0, never)
    expect(agreement.hear(heard("one two three four"))).toEqual({ text: "one two three four", stable: 0 })
    expect(agreement.standing.text).toBe("")
  })

  test("is what two hypotheses agree on, but for the youngest words", () => {
    const agreement = createAgreement(0, never)
    agreement.hear(heard("one two three fore"))
    const { text, stable } = agreement.hear(heard("one two three four five"))
    expect([text, text.slice(0, stable)]).toEqual(["one two three four five", "one two three"])
    expect(agreement.hear(heard("one two three four five")).stable).toBe("one two three four".length)
  })

  test("leaves out more words where the engine knows no times", () => {
    const agreement = createAgreement(0, never)
    agreement.hear(heard("one two three four five", { times: false }))
    const { text, stable } = agreement.hear(heard("one two three four five", { times: false }))
    expect(text.slice(0, stable)).toBe("one two three")
  })

  test("stands, also when the engine thinks better of it, and does not grow meanwhile", () => {
    const agreement = createAgreement(0, never)
    agreement.hear(heard("one two three four five six"))
    agreement.hear(heard("one two three four five six"))
    expect(agreement.standing.text).toBe("one two three four five")
    for (let count = 0; count < 2; count++) {
      const { text, stable } = agreement.hear(heard("One too three four five six seven eight"))
      expect(text).toBe("one two three four five six seven eight")
      expect(stable).toBe("one two three four five".length)
    }
    expect(agreement.hear(heard("one"))).toEqual({ text: "one two three four five", stable: 23 })
  })

  test("never lies beyond the place where the utterance may yet be cut", () => {
    const agreement = createAgreement(0, seconds(1.5))
    agreement.hear(heard("one two three four five six"))
    const { text, stable } = agreement.hear(heard("one two three four five six seven"))
    expect(text.slice(0, stable)).toBe("one two three")
    const timeless = createAgreement(0, seconds(1.5))
    timeless.hear(heard("one two three four five six", { times: false }))
    expect(timeless.hear(heard("one two three four five six", { times: false })).stable).toBe(0)
  })

  test("can be asked of the engine by the tokens on which both agreed", () => {
    const agreement = createAgreement(0, never)
    expect(agreement.draft).toBeNull()
    agreement.hear(heard("one two three fore"))
    const second = heard("one two three four five")
    agreement.hear(second)
    expect(agreement.draft).toEqual({ tokens: second.tokens, fixed: 0 })
    expect(agreement.standing).toEqual({ text: "one two three", draft: { tokens: second.tokens, fixed: 3 } })
  })
})

describe("a long utterance", () => {
  const long = Array.from({ length: 24 }, (_, index) => `w${index}`)

  test("is heard again only from a pause between words that stand, and its text stays whole", () => {
    const agreement = createAgreement(1600, never)
    agreement.hear(heard(long.join(" "), { startSample: 1600 }))
    const before = agreement.hear(heard(long.join(" "), { startSample: 1600 }))
    expect(before.text.slice(0, before.stable)).toBe(long.slice(0, 23).join(" "))
    expect(agreement.startSample).toBeGreaterThan(1600)
    expect(agreement.draft).toBeNull()
    const kept = agreement.context.trim().split(" ").length
    expect(agreement.startSample).toBe(1600 + samplesFromMs(kept * 500 - 50))
    expect(agreement.standing).toEqual({ text: long.slice(0, 23).join(" "), draft: null })

    const next = heard([...long.slice(kept), "new"].join(" "), { from: 50, startSample: agreement.startSample })
    const after = agreement.hear(next)
    expect(after.text).toBe([...long, "new"].join(" "))
    expect(after.text.slice(0, after.stable)).toBe(long.join(" "))
  })

  test("is heard whole where the engine knows no times", () => {
    const agreement = createAgreement(0, never)
    for (let count = 0; count < 3; count++) agreement.hear(heard(long.join(" "), { times: false }))
    expect(agreement.startSample).toBe(0)
    expect(agreement.context).toBe("")
  })

  test("of silence is not heard again and again", () => {
    const agreement = createAgreement(0, never)
    const silence = { text: "", tokens: [], words: [], startSample: 0, endSample: WINDOW_MAX_SAMPLES + 1 }
    expect(agreement.hear(silence)).toEqual({ text: "", stable: 0 })
    expect(agreement.startSample).toBeGreaterThan(0)
  })

  test("in a script without spaces keeps none", () => {
    const signs = Array.from("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏")
    const words = signs.map((text, index) => ({ text, startMs: index * 500, endMs: index * 500 + 400, confidence: 1 }))
    const hypothesis = { text: signs.join(""), tokens: [1], words, startSample: 0, endSample: seconds(13) }
    const agreement = createAgreement(0, never)
    agreement.hear(hypothesis)
    agreement.hear(hypothesis)
    expect(agreement.context).not.toBe("")
    expect(agreement.context).not.toContain(" ")
    const kept = agreement.context.length
    const { text } = agreement.hear({
      ...hypothesis,
      text: signs.slice(kept).join(""),
      words: words.slice(kept),
      startSample: agreement.startSample,
    })
    expect(text).toBe(signs.join(""))
  })
})
