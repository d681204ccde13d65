import { describe, expect, test } from "bun:test"
import { SAMPLE_RATE_HZ } from "../../src/audio/pcm.ts"
import { EngineError } from "../../src/engines/engine.ts"
import type { Outcome } from "../../src/speech/finals.ts"
import { CONTEXT_MAX_SAMPLES, CONTEXT_PAUSE_MAX_SAMPLES, createPast, HEARD_MAX_SAMPLES, type Said } from "../../src/speech/past.ts"

const seconds = (count: number) => count * SAMPLE_RATE_HZ

/** Whose samples are their places. */
const tape = { read: (start: number, end: number) => Int16Array.from({ length: end - start }, (_, i) => start + i) }

function outcome(...tokens: number[]): Outcome {
  const numbers = { avgLogprob: -0.1, noSpeechProb: 0, compressionRatio: 1, temperature: 0 }
  const segments = tokens.map((token) => ({ text: ` ${token}`, startMs: 0, endMs: 1, ...numbers, tokens: [token], words: null }))
  return { text: tokens.join(" "), language: "en", segments }
}

const said = (start: number, end: number, known: Outcome, language = "en"): Said => {
  return { startSample: seconds(start), endSample: seconds(end), language, outcome: Promise.resolve(known) }
}

/** The context of an utterance that starts at so many seconds: where it starts itself, and its tokens. */
async function contextAt(start: number, before: readonly Said[], end = start + 0.5) {
  const past = createPast(tape)
  for (const one of before) past.add(one)
  const context = await past.before(seconds(start), "en")(seconds(end))
  if (context === null) return null
  return { from: (seconds(start) - context.samples.length) / SAMPLE_RATE_HZ, tokens: context.tokens }
}

describe("the context of an utterance", () => {
  test("is all that was said closely before it, with the pauses between", async () => {
    expect(await contextAt(5, [said(0, 1, outcome(1)), said(2, 3, outcome(2, 3)), said(4, 5, outcome(4))])).toEqual({
      from: 0,
      tokens: [1, 2, 3, 4],
    })
    const past = createPast(tape)
    past.add(said(0.125, 0.25, outcome(1)))
    expect((await past.before(seconds(0.5), "en")(seconds(1)))?.samples).toEqual(tape.read(seconds(0.125), seconds(0.5)))
  })

  test("begins with an utterance, not longer ago than it helps", async () => {
    const longest = CONTEXT_MAX_SAMPLES / SAMPLE_RATE_HZ
    const before = [said(0, 1, outcome(1)), said(2, longest, outcome(2))]
    expect(await contextAt(longest, before)).toEqual({ from: 0, tokens: [1, 2] })
    expect(await contextAt(longest + 0.25, before)).toEqual({ from: 2, tokens: [2] })
    expect(await contextAt(longest + 1, [said(0, longest, outcome(1))])).toBeNull()
  })

  test("is no more than fits beside the utterance", async () => {
    const longest = HEARD_MAX_SAMPLES / SAMPLE_RATE_HZ
    const before = [said(0, 1, outcome(1)), said(2, 3, outcome(2))]
    expect(await contextAt(4, before, longest)).toEqual({ from: 0, tokens: [1, 2] })
    expect(await contextAt(4, before, longest + 0.125)).toEqual({ from: 2, tokens: [2] })
    expect(await contextAt(4, before, longest + 2.125)).toBeNull()
  })

  test("ends at a long pause and at another language", async () => {
    const pause = CONTEXT_PAUSE_MAX_SAMPLES / SAMPLE_RATE_HZ
    expect(await contextAt(1 + pause, [said(0, 1, outcome(1))])).toEqual({ from: 0, tokens: [1] })
    expect(await contextAt(1.125 + pause, [said(0, 1, outcome(1))])).toBeNull()
    expect(await contextAt(5, [said(0, 1, outcome(1)), said(1.125 + pause, 4.5, outcome(2))])).toEqual({ from: 1.125 + pause, tokens: [2] })
    expect(await contextAt(3, [said(0, 1, outcome(1)), said(1, 2, outcome(2), "fr"), said(2, 3, outcome(3))])).toEqual({
      from: 2,
      tokens: [3],
    })
    expect(await contextAt(1, [said(0, 1, outcome(1), "fr")])).toBeNull()
  })

  test("begins behind what failed or has no words", async () => {
    for (const none of [outcome(), new EngineError("timeout", "late")]) {
      expect(await contextAt(3, [said(0, 1, outcome(1)), said(1, 2, none), said(2, 3, outcome(3))])).toEqual({ from: 2, tokens: [3] })
      expect(await contextAt(2, [said(0, 1, outcome(1)), said(1, 2, none)])).toBeNull()
    }
  })

  test("is nothing at first, nor of what is to be forgotten", () => {
    const past = createPast(tape)
    expect(past.before(0, "en")(1)).toBeNull()
    past.add(said(0, 1, outcome(1)))
    past.forget()
    expect(past.before(seconds(1), "en")(seconds(2))).toBeNull()
    expect(past.keptFromSample(seconds(1))).toBe(seconds(1))
  })
})

test("audio is kept while it may be context, and no longer", () => {
  const past = createPast(tape)
  expect(past.keptFromSample(700)).toBe(700)
  past.add(said(1, 2, outcome(1)))
  past.add(said(3, 4, outcome(2)))
  expect(past.keptFromSample(seconds(4))).toBe(seconds(1))
  expect(past.keptFromSample(seconds(4) + CONTEXT_PAUSE_MAX_SAMPLES)).toBe(seconds(1))
  expect(past.keptFromSample(seconds(4.125) + CONTEXT_PAUSE_MAX_SAMPLES)).toBe(seconds(4.125) + CONTEXT_PAUSE_MAX_SAMPLES)
  past.add(said(10, 11, outcome(1)))
  past.add(said(12, 18.5, outcome(2)))
  expect(past.keptFromSample(seconds(18.5))).toBe(seconds(12))
})
