/** Pieces that are heard with what was said before them, against a model whose words are told beforehand. */
import { describe, expect, test } from "bun:test"
import type { Context } from "../../../src/engines/engine.ts"
import { createRecogniser, type PieceToRecognise } from "../../../src/engines/whisper/recogniser.ts"
import { answers, piece, recognise } from "../../support/recognising.ts"
import { END, START, smallVocabulary } from "../../support/scripted-whisper.ts"
import { type Choice, scriptedWriters, type WriterScript } from "../../support/scripted-writer.ts"

const second = Int16Array.from({ length: 16_000 }, (_, i) => (i % 2 === 0 ? 5000 : -5000))
/** Of one second and of two, with the silence behind them. */
const [ALONE_FRAMES, CONTEXT_FRAMES, FULL_FRAMES] = [170, 270, 3000]
const COMMA = 9

const before: Context = { samples: second, tokens: [1, 2] }

function scripted(script: WriterScript) {
  const sessions = scriptedWriters(script)
  const textOf = (tokens: readonly number[]) => tokens.map((token) => (token === COMMA ? "," : ` ${token}`)).join("")
  const model = { sessions, vocabulary: smallVocabulary, textOf, loadTokenizer: async () => () => [], async close() {} }
  return { sessions, recogniser: createRecogniser(model) }
}

/** What is written behind the steering tokens. */
const written = (text: readonly number[]) => text.slice(text.indexOf(START) + 4)
const saying = (words: readonly number[], logprob = -0.1) => {
  return (text: readonly number[]): Choice => ({ token: words[written(text).length] ?? END, logprob })
}

/** What is heard with the context, and what alone. */
const heardAs = (inContext: (text: readonly number[]) => Choice, alone: (text: readonly number[]) => Choice): WriterScript["next"] => {
  return (text, { frames }) => (frames === CONTEXT_FRAMES ? inContext(text) : alone(text))
}

async function segment(script: WriterScript, told: Partial<PieceToRecognise> = {}) {
  const { sessions, recogniser } = scripted(script)
  const [heard] = (await recognise(recogniser, second, { context: before, ...told })).segments
  expect(sessions.open()).toBe(0)
  return { heard, encoded: sessions.encoded.flat(), sessions }
}

describe("a piece with a context", () => {
  test("is heard with it, written on from its words, and told without them", async () => {
    const { heard, encoded, sessions } = await segment({ next: saying([1, 2, 3, 4]), noSpeechProb: 0.5 })
    expect(encoded).toEqual([CONTEXT_FRAMES])
    expect(sessions.asked[0]?.texts.map(written)).toEqual([[1, 2]])
    // They may be all.
    expect(sessions.asked[0]?.bannedFirst).toBe(smallVocabulary.banned)
    expect(heard).toMatchObject({ text: " 3 4", tokens: [3, 4], startMs: 0, endMs: 1000, noSpeechProb: null })
    expect(heard?.avgLogprob).toBeCloseTo(-0.1)
  })

  test("is told without the mark that closes the words before it", async () => {
    const next = (text: readonly number[]): Choice => ({ token: [1, 2, COMMA, 3, COMMA][written(text).length] ?? END, logprob: -0.1 })
    expect((await segment({ next })).heard).toMatchObject({ text: " 3,", tokens: [3, COMMA] })
  })

  test("has times that count from its own start", async () => {
    const attention = (place: number) => {
      const listened = place === START_OF_WORDS + 2 ? 60 : 85
      return Float32Array.from({ length: 100 }, (_, at) => Math.exp(-((at - listened) ** 2) / 8))
    }
    const { heard } = await segment({ next: saying([1, 2, 3, 4]), attention }, { words: true })
    const [first, last] = heard?.words ?? []
    expect(heard?.words).toMatchObject([{ text: "3" }, { text: "4" }])
    expect(first?.startMs).toBeLessThanOrEqual(200)
    expect(last?.startMs).toBeGreaterThan(200)
    expect(last?.startMs).toBeLessThanOrEqual(700)
    expect(last?.endMs).toBeLessThanOrEqual(1000)
  })

  test("that would loop, is unsure or has no words so is heard alone; the surer words are told, with its own no-speech probability", async () => {
    const alone = saying([3, 4], -0.3)
    const looping = (text: readonly number[]): Choice => ({ token: 3 + (text.length % 2), logprob: -0.01 })
    for (const inContext of [looping, saying([1, 2]), saying([1, 2, COMMA]), saying([1, 2, 5], -0.9)]) {
      const { heard, encoded } = await segment({ next: heardAs(inContext, alone), noSpeechProb: 0.1 })
      expect(encoded).toEqual([CONTEXT_FRAMES, ALONE_FRAMES])
      expect(heard).toMatchObject({ text: " 3 4", noSpeechProb: 0.1 })
    }
    const noSpeechProb = (frames: number) => (frames === CONTEXT_FRAMES ? 0.1 : 0.2)
    const { heard } = await segment({ next: heardAs(saying([1, 2, 5], -0.6), saying([3, 4], -0.8)), noSpeechProb })
    expect(heard).toMatchObject({ text: " 5", avgLogprob: -0.6, noSpeechProb: 0.2 })
  })

  test("in which perhaps nobody spoke is judged as if it had been heard alone", async () => {
    const { heard } = await segment({ next: heardAs(saying([1, 2, 5], -0.45), saying([3], -1.2)), noSpeechProb: 0.8 })
    expect(heard).toMatchObject({ text: " 3", avgLogprob: -1.2, noSpeechProb: 0.8 })
  })

  test("that is not understood alone either is heard again as any other", async () => {
    const next: WriterScript["next"] = (text, { frames }) =>
      frames === FULL_FRAMES ? saying([4], -0.2)(text) : saying(frames === CONTEXT_FRAMES ? [1, 2, 5] : [3], -1.5)(text)
    const { heard, encoded } = await segment({ next })
    expect(encoded).toEqual([CONTEXT_FRAMES, ALONE_FRAMES, FULL_FRAMES])
    expect(heard).toMatchObject({ text: " 4" })
  })

  test("begins with what a draft has fixed", async () => {
    const { heard } = await segment({ next: saying([1, 2, 3, 4]) }, { draft: { tokens: [7], fixed: 1 } })
    expect(heard?.text).toBe(" 7 4")
  })

  test("is heard without one that has no words of the model, leaves no room, or may be in another language", async () => {
    for (const told of [
      { context: { samples: second, tokens: [1, END] } },
      { context: { samples: second, tokens: new Array(400).fill(1) } },
      { language: "auto" },
    ]) {
      const next = (text: readonly number[]): Choice => (text.at(-1) === START ? { token: 12 } : saying([3])(text))
      expect((await segment({ next }, told)).encoded).toEqual([ALONE_FRAMES])
    }
  })

  test("is written alone, and those beside it as they would be without", async () => {
    const { sessions, recogniser } = scripted({ next: saying([1, 2, 3]) })
    const told = await answers(recogniser, [piece(second), piece(second, { context: before }), piece(second)])
    expect(told.map((one) => ("segments" in one ? one.segments[0]?.text : one.code))).toEqual([" 1 2 3", " 3", " 1 2 3"])
    expect(sessions.encoded).toEqual([[ALONE_FRAMES, ALONE_FRAMES], [CONTEXT_FRAMES]])
  })
})

/** Where the words begin in a text without prompt. */
const START_OF_WORDS = 4
