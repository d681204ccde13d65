import { describe, expect, test } from "bun:test"
import { EngineError } from "../../../src/engines/engine.ts"
import { type Decoded, type DecodeOptions, decode, type Row } from "../../../src/engines/whisper/decode.ts"
import type { WhisperSessions } from "../../../src/engines/whisper/sessions.ts"
import {
  BLANK,
  END,
  ENGLISH,
  FRENCH,
  NO_SPEECH,
  NO_TIMESTAMPS,
  START,
  scriptedSessions,
  smallVocabulary,
  TRANSCRIBE,
} from "../../support/scripted-whisper.ts"
import { manyWords, scriptedWriters } from "../../support/scripted-writer.ts"

const PROMPT = [START, ENGLISH, TRANSCRIBE, NO_TIMESTAMPS]

const row: Row = { language: "en", prompt: [], ceiling: 100, draft: null, signal: new AbortController().signal }

/** The outcomes of rows that are decoded together, in their order. */
async function outcomes(sessions: WhisperSessions, rows: readonly Partial<Row>[], told: Partial<DecodeOptions> = {}) {
  const writer = await sessions.encode(rows.map(() => ({ features: new Float32Array(0), frames: 100 })))
  const ended: (Decoded | EngineError)[] = []
  const order: number[] = []
  try {
    const options = { writer, vocabulary: smallVocabulary, maxTokens: sessions.maxTokens, temperature: 0, attention: false, ...told }
    await decode({ ...options, rows: rows.map((one) => ({ ...row, ...one })) }, (index, outcome) => {
      order.push(index)
      ended[index] = outcome
    })
  } finally {
    writer.close()
  }
  expect(order.toSorted()).toEqual([...rows.keys()])
  return { ended, order }
}

async function decoded(sessions: WhisperSessions, told: Partial<Row> = {}, options: Partial<DecodeOptions> = {}): Promise<Decoded> {
  const [outcome] = (await outcomes(sessions, [told], options)).ended
  if (outcome === undefined || outcome instanceof EngineError) throw outcome ?? new Error("no outcome")
  return outcome
}

describe("decoding", () => {
  test("writes the likeliest tokens up to the end of text, with the mean of their log probabilities", async () => {
    const words = [3, 1, 4, END]
    const sessions = scriptedSessions({ next: (text) => ({ [words[text.length - PROMPT.length] ?? END]: 0.5, [NO_SPEECH]: 0 }) })
    const { tokens, stop, avgLogprob, language } = await decoded(sessions)
    expect({ tokens, stop, language }).toEqual({ tokens: [3, 1, 4], stop: "end", language: "en" })
    // Half of the probability lies on each word, the rest on 15 other tokens; those that steer or are banned are no choice.
    const first = 0.5 / (0.5 + (0.5 * 8) / 15)
    const later = 0.5 / (0.5 + (0.5 * 10) / 15)
    expect(avgLogprob).toBeCloseTo((Math.log(first) + 3 * Math.log(later)) / 4, 4)
    expect(sessions.appended).toEqual([PROMPT, [3], [1], [4]])
    expect(sessions.open()).toBe(0)
  })

  test("does not begin with a blank or the end, but may go on with them", async () => {
    const sessions = scriptedSessions({
      next: (text) => (text.length < PROMPT.length + 2 ? { [BLANK]: 0.6, 7: 0.3 } : { [END]: 0.6, 7: 0.3 }),
    })
    expect((await decoded(sessions)).tokens).toEqual([7, BLANK])
    const mute = scriptedSessions({ next: () => ({ [END]: 0.6, 7: 0.3 }) })
    expect((await decoded(mute)).tokens).toEqual([7])
  })

  test("reads the no-speech probability where the text begins, not after the prompt", async () => {
    const sessions = scriptedSessions({ next: (text) => (text.length === 1 ? { [NO_SPEECH]: 0.8 } : { [NO_SPEECH]: 0.01, [END]: 0.9 }) })
    expect((await decoded(sessions)).noSpeechProb).toBeCloseTo(0.8, 5)
  })

  test("asks the model for the language when none is told, and prompts with its answer", async () => {
    const sessions = scriptedSessions({
      next: (text) =>
        text.length === 1 ? { 7: 0.4, [FRENCH]: 0.3, [ENGLISH]: 0.1, [NO_SPEECH]: 0.1 } : { [text.length === 4 ? 1 : END]: 0.9 },
    })
    const { language, noSpeechProb } = await decoded(sessions, { language: null })
    expect(language).toBe("fr")
    expect(noSpeechProb).toBeCloseTo(0.1, 5)
    expect(sessions.appended).toEqual([[START], [FRENCH], [TRANSCRIBE], [NO_TIMESTAMPS], [1]])
  })

  test("stops a text that goes round in circles and keeps the first round", async () => {
    const sessions = scriptedSessions({ next: (text) => ({ [text.length % 2 === 0 ? 5 : 6]: 0.9 }) })
    const { tokens, stop } = await decoded(sessions)
    expect({ tokens, stop }).toEqual({ tokens: [5, 6], stop: "loop" })
  })

  test("stops a text that has no end at the ceiling, and at the last position of the model", async () => {
    // Never the same gap twice: no loop.
    const next = (text: readonly number[]) => ({ [Math.floor(Math.sqrt(text.length)) === Math.sqrt(text.length) ? 1 : 2]: 0.9 })
    const atCeiling = await decoded(scriptedSessions({ next }), { ceiling: 12 })
    expect({ count: atCeiling.tokens.length, stop: atCeiling.stop }).toEqual({ count: 12, stop: "ceiling" })
    const atLast = await decoded(scriptedSessions({ next, maxTokens: 14 }), { ceiling: 12 })
    expect({ count: atLast.tokens.length, stop: atLast.stop }).toEqual({ count: 10, stop: "ceiling" })
  })

  test("takes no step after the abort, and leaves nothing open", async () => {
    const controller = new AbortController()
    const sessions = scriptedSessions({
      next: (text) => ({ [text.length % 7]: 0.9 }),
      onAppend: (count) => count === 3 && controller.abort(),
    })
    await expect(decoded(sessions, { signal: controller.signal })).rejects.toMatchObject({ name: "EngineError", code: "aborted" })
    expect(sessions.appended.length).toBe(3)
    expect(sessions.open()).toBe(0)
  })
})

/** Each utterance writes its own words, a token for each place behind the prompt. */
const saying =
  (...utterances: (readonly number[])[]) =>
  (text: readonly number[], { utterance }: { utterance: number }) =>
    utterances[utterance]?.[text.length - text.indexOf(START) - PROMPT.length] ?? END

describe("decoding together", () => {
  test("gives each utterance its own words, and tells of each as soon as it ended", async () => {
    const sessions = scriptedWriters({ next: saying(manyWords(70), [4, 5], manyWords(40)) })
    const { ended, order } = await outcomes(sessions, [{}, {}, {}])
    expect(ended).toMatchObject([{ tokens: manyWords(70) }, { tokens: [4, 5] }, { tokens: manyWords(40) }])
    expect(order).toEqual([1, 2, 0])
    expect(sessions.asked.map(({ most }) => most)).toEqual([32, 32, 32])
    expect(sessions.open()).toBe(0)
  })

  test("counts the numbers of each by itself", async () => {
    const sessions = scriptedWriters({
      next: (text, where) => ({ token: saying([1], [2, 3, 4])(text, where), logprob: where.utterance === 0 ? -1 : -0.25 }),
      noSpeechProb: 0.3,
    })
    const { ended } = await outcomes(sessions, [{}, {}])
    expect(ended).toMatchObject([
      { avgLogprob: -1, noSpeechProb: 0.3, logprobs: [-1, -1] },
      { avgLogprob: -0.25, noSpeechProb: 0.3, logprobs: [-0.25, -0.25, -0.25, -0.25] },
    ])
  })

  test("does not wait for one that goes in circles or grows beyond its ceiling", async () => {
    const sessions = scriptedWriters({ next: saying(Array(100).fill(3), manyWords(100), [6]) })
    const { ended, order } = await outcomes(sessions, [{}, { ceiling: 40 }, {}])
    expect(ended).toMatchObject([
      { stop: "loop", tokens: [3] },
      { stop: "ceiling", tokens: manyWords(40) },
      { stop: "end", tokens: [6] },
    ])
    expect(order).toEqual([0, 2, 1])
    expect(sessions.asked.map(({ most }) => most)).toEqual([32, 8])
  })

  test("goes on without one whose caller has gone, and stops when all are gone", async () => {
    const controllers = [new AbortController(), new AbortController()] as const
    const abortAt = [2, 3]
    const sessions = scriptedWriters({
      next: saying(manyWords(200), manyWords(200)),
      onWrite: (count) => controllers[abortAt.indexOf(count)]?.abort(),
    })
    const rows = controllers.map(({ signal }) => ({ signal, ceiling: 300 }))
    const { ended, order } = await outcomes(sessions, rows)
    expect(ended).toMatchObject([{ code: "aborted" }, { code: "aborted" }])
    expect(order).toEqual([0, 1])
    expect(sessions.asked).toHaveLength(3)
  })

  test("detects the language of each", async () => {
    const sessions = scriptedWriters({
      next: (text, { utterance }) => {
        if (text.length === 1) return utterance === 0 ? FRENCH : ENGLISH
        return text.length === 4 ? 3 + utterance : END
      },
    })
    const { ended } = await outcomes(sessions, [{ language: null }, { language: null }])
    expect(ended).toMatchObject([
      { language: "fr", tokens: [3] },
      { language: "en", tokens: [4] },
    ])
    expect(sessions.asked[1]?.texts).toEqual([
      [START, FRENCH, TRANSCRIBE, NO_TIMESTAMPS],
      [START, ENGLISH, TRANSCRIBE, NO_TIMESTAMPS],
    ])
  })

  test("puts the prompt first, says where the transcript starts, and leaves the prompt out of the text", async () => {
    const sessions = scriptedWriters({ next: saying([4, 5]), maxTokens: 9 })
    const { tokens, stop } = await decoded(sessions, { prompt: [8, 9] })
    expect({ tokens, stop }).toEqual({ tokens: [4, 5], stop: "end" })
    expect(sessions.asked[0]).toMatchObject({ texts: [[8, 9, ...PROMPT]], start: 2, most: 3 })
  })

  test("hands on where the decoder listened, for each token and the end", async () => {
    const attention = (place: number) => Float32Array.of(place)
    const sessions = scriptedWriters({ next: saying([4, 5]), attention })
    const heard = await decoded(sessions, {}, { attention: true })
    expect(heard.attention?.map(([place]) => place)).toEqual([4, 5, 6])
    const loop = await decoded(scriptedWriters({ next: saying(Array(50).fill(3)), attention }), {}, { attention: true })
    expect(loop.attention?.map(([place]) => place)).toEqual([4, 5])
    expect((await decoded(sessions)).attention).toBeNull()
  })
})

describe("a draft", () => {
  const words = [1, 2, 3, 4, 5, 6]

  test("that agrees is offered and changes nothing", async () => {
    const sessions = scriptedWriters({ next: saying(words, words) })
    const drafted = await decoded(sessions, { draft: { tokens: [1, 2, 3, 4], fixed: 0 } })
    expect(drafted).toEqual(await decoded(sessions))
    expect(sessions.asked[0]?.draft).toEqual([1, 2, 3, 4])
  })

  test("that differs is dropped where it does", async () => {
    const sessions = scriptedWriters({ next: saying(words) })
    expect((await decoded(sessions, { draft: { tokens: [1, 2, 9, 4], fixed: 0 } })).tokens).toEqual(words)
    expect(sessions.asked.map(({ draft }) => draft)).toEqual([[1, 2, 9, 4], undefined])
  })

  test("is kept as far as it is fixed, whatever is heard; what was forced counts for no probability", async () => {
    const sessions = scriptedWriters({ next: saying(words) })
    const { tokens, logprobs, avgLogprob } = await decoded(sessions, { draft: { tokens: [1, 9, 8, 4, 7], fixed: 3 } })
    expect(tokens).toEqual([1, 9, 8, 4, 5, 6])
    expect(logprobs).toEqual([-0.1, null, null, -0.1, -0.1, -0.1, -0.1])
    expect(avgLogprob).toBeCloseTo(-0.1)
    expect(sessions.asked.map(({ texts }) => texts[0]?.slice(PROMPT.length))).toEqual([[], [1, 9], [1, 9, 8], [1, 9, 8, 4, 5]])
  })

  test("goes beyond an end that comes too early for it", async () => {
    const sessions = scriptedWriters({ next: saying([1]) })
    const { tokens, stop } = await decoded(sessions, { draft: { tokens: [1, 9, 8], fixed: 2 } })
    expect({ tokens, stop }).toEqual({ tokens: [1, 9], stop: "end" })
  })

  test("may repeat itself where it is fixed", async () => {
    const five = Array(20).fill(5)
    const sessions = scriptedWriters({ next: saying([...five, 6]) })
    expect(await decoded(sessions, { draft: { tokens: five, fixed: 20 } })).toMatchObject({ tokens: [...five, 6], stop: "end" })
    const looping = scriptedWriters({ next: saying(Array(50).fill(5)) })
    expect(await decoded(looping, { draft: { tokens: [5, 5, 5], fixed: 3 } })).toMatchObject({ tokens: [5, 5, 5], stop: "loop" })
  })

  test("of tokens that steer is none", async () => {
    const sessions = scriptedWriters({ next: saying(words) })
    expect((await decoded(sessions, { draft: { tokens: [1, START, 3], fixed: 3 } })).tokens).toEqual(words)
    expect(sessions.asked[0]?.draft).toBeUndefined()
  })

  test("longer than the ceiling is cut there", async () => {
    const sessions = scriptedWriters({ next: saying(words) })
    const heard = await decoded(sessions, { draft: { tokens: [9, 8, 7, 6, 5], fixed: 5 }, ceiling: 3 })
    expect(heard).toMatchObject({ tokens: [9, 8, 7], stop: "ceiling", avgLogprob: 0 })
  })
})
