import { describe, expect, test } from "bun:test"
import { SAMPLE_RATE_HZ, samplesFromMs } from "../../src/audio/pcm.ts"
import { type Agreed, type Agreement, CERTAIN, createAgreement, type Hypothesis, WINDOW_MAX_SAMPLES } from "../../src/speech/interims.ts"

const seconds = (count: number) => count * SAMPLE_RATE_HZ

/** One word each half second from `fromSecond` on, heard until a second later than the last began; each its own token. */
function heard(text: string, { from = 0, startSample = 0, times = true, confidence = 1 } = {}): Hypothesis {
  const texts = text.split(" ").filter((word) => word !== "")
  const words = texts.map((word, index) => ({ text: word, startMs: from + index * 500, endMs: from + index * 500 + 400, confidence }))
  const tokens = texts.map((word) => Number(Bun.hash(word) % 1000n))
  return { text, tokens, words: times ? words : null, startSample, endSample: startSample + samplesFromMs(from + texts.length * 500 + 500) }
}

/** The same again and again, as often as makes words stand; returns what the last time told. */
function hearOften(agreement: Agreement, hypothesis: Hypothesis, times: number = AGREEING): Agreed {
  const told = Array.from({ length: times }, () => agreement.hear(hypothesis))
  return told.at(-1) as Agreed
}

const standingOf = ({ text, stable }: Agreed) => text.slice(0, stable)

/** So many hypotheses make a word stand of which the engine is sure. */
const AGREEING = CERTAIN[0].agreeing

const never = Number.POSITIVE_INFINITY

describe("what stands of an utterance", () => {
  test(`is nothing before ${AGREEING} hypotheses`, () => {
    const agreement = createAgreement(0, never)
    for (let count = 1; count < AGREEING; count++) {
      expect(agreement.hear(heard("One two three four"))).toEqual({ text: "One two three four", stable: 0 })
    }
    expect(agreement.standing.text).toBe("")
  })

  test("is what they agree on, but for the youngest words", () => {
    const agreement = createAgreement(0, never)
    hearOften(agreement, heard("One two three four five"), AGREEING - 2)
    agreement.hear(heard("One two three fore"))
    const { text, stable } = agreement.hear(heard("One two three four five six"))
    expect([text, text.slice(0, stable)]).toEqual(["One two three four five six", "One two three"])
    expect(standingOf(hearOften(agreement, heard("One two three four five six"), AGREEING - 1))).toBe("One two three four five")
  })

  test("takes longer the less sure the engine is of a word", () => {
    for (const { agreeing, confidence } of CERTAIN) {
      const agreement = createAgreement(0, never)
      const doubtful = heard("One two three four five", { confidence })
      expect(standingOf(hearOften(agreement, doubtful, agreeing - 1))).toBe("")
      expect(standingOf(agreement.hear(doubtful))).toBe("One two three four")
    }
  })

  test("does not begin in lower case or with a number, before much was heard", () => {
    for (const text of ["one two three four five", "1 two three four five"]) {
      expect(standingOf(hearOften(createAgreement(0, never), heard(text), CERTAIN[2].agreeing))).toBe("")
      const after = { ...heard(text), endSample: WINDOW_MAX_SAMPLES + 1 }
      expect(standingOf(hearOften(createAgreement(0, never), after))).toBe(text.slice(0, -5))
    }
  })

  test("leaves out more words where the engine knows no times", () => {
    const agreement = createAgreement(0, never)
    const timeless = heard("One two three four five six seven", { times: false })
    expect(standingOf(hearOften(agreement, timeless, CERTAIN[1].agreeing - 1))).toBe("")
    expect(standingOf(agreement.hear(timeless))).toBe("One two three")
  })

  test("stands, also when the engine thinks better of it, and does not grow meanwhile", () => {
    const agreement = createAgreement(0, never)
    expect(standingOf(hearOften(agreement, heard("One two three four five six seven")))).toBe("One two three four five six")
    for (let count = 0; count < AGREEING; count++) {
      const { text, stable } = agreement.hear(heard("One too three four five six seven eight nine"))
      expect(text).toBe("One two three four five six seven eight nine")
      expect(stable).toBe("One two three four five six".length)
    }
    expect(agreement.hear(heard("one"))).toEqual({ text: "One two three four five six", stable: 27 })
  })

  test("grows on when the engine only writes it otherwise, and does not change its spelling", () => {
    const agreement = createAgreement(0, never)
    hearOften(agreement, heard("One two, three four"))
    const told = hearOften(agreement, heard("One two. Three four, five. Six seven"))
    expect(told.text).toBe("One two, three four, five. Six seven")
    expect(standingOf(told)).toBe("One two, three four, five. Six")
  })

  test("never lies beyond the place where the utterance may yet be cut", () => {
    const agreement = createAgreement(0, seconds(1.5))
    expect(standingOf(hearOften(agreement, heard("One two three four five six seven")))).toBe("One two three")
    const timeless = createAgreement(0, seconds(1.5))
    expect(hearOften(timeless, heard("One two three four five six", { times: false })).stable).toBe(0)
  })

  test("can be asked of the engine by the tokens on which both agreed", () => {
    const agreement = createAgreement(0, never)
    expect(agreement.draft).toBeNull()
    hearOften(agreement, heard("One two three four fife"), AGREEING - 1)
    const last = heard("One two three four five six")
    agreement.hear(last)
    expect(agreement.draft).toEqual({ tokens: last.tokens, fixed: 0 })
    expect(agreement.standing).toEqual({ text: "One two three four", draft: { tokens: last.tokens, fixed: 4 } })
  })
})

describe("a long utterance", () => {
  const long = Array.from({ length: 24 }, (_, index) => `w${index}`)

  test("is heard again only from a pause between words that stand, and its text stays whole", () => {
    const agreement = createAgreement(1600, never)
    const before = hearOften(agreement, heard(long.join(" "), { startSample: 1600 }))
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
    hearOften(agreement, hypothesis)
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
