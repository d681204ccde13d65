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
