import { describe, expect, test } from "bun:test"
import { samplesFromMs } from "../../../src/audio/pcm.ts"
import type { Attempt } from "../../../src/engines/whisper/fallback.ts"
import { filled, isLong, partingOf } from "../../../src/engines/whisper/gaps.ts"
import { createRecogniser } from "../../../src/engines/whisper/recogniser.ts"
import { recognise } from "../../support/recognising.ts"
import { END, START, smallVocabulary } from "../../support/scripted-whisper.ts"
import { manyWords, scriptedWriters } from "../../support/scripted-writer.ts"

const HEADS = 2
const POSITION_MS = 20

/** A voice of that length, silent where it pauses. */
function voice(ms: number, pauses: readonly (readonly [fromMs: number, toMs: number])[] = []): Int16Array {
  const samples = Int16Array.from({ length: samplesFromMs(ms) }, (_, i) => 6000 * Math.sin(i / 9))
  for (const [from, to] of pauses) samples.fill(0, samplesFromMs(from), samplesFromMs(to))
  return samples
}

/** A text whose tokens were listened to at those moments of audio of that length. */
function heardAt(moments: readonly number[], ms: number, { logprob = -0.1, noSpeechProb = 0.01 } = {}): Attempt {
  const positions = ms / POSITION_MS
  const attention = [...moments, ms - POSITION_MS].map((moment) => {
    const row = new Float32Array(HEADS * positions).fill(0.001)
    for (let head = 0; head < HEADS; head++) row[head * positions + moment / POSITION_MS] = 0.5
    return row
  })
  const tokens = moments.map((moment) => moment / POSITION_MS)
  const logprobs = attention.map(() => logprob)
  const decoded = { tokens, logprobs, attention, language: "en", stop: "end" as const, avgLogprob: logprob, noSpeechProb }
  return { decoded, text: textOf(tokens), compressionRatio: 1, temperature: 0 }
}

const textOf = (tokens: readonly number[]) => tokens.map((token) => ` ${token}`).join("")
const every = (stepMs: number, fromMs: number, toMs: number) =>
  Array.from({ length: Math.ceil((toMs - fromMs) / stepMs) }, (_, i) => fromMs + i * stepMs)

describe("a long text that leaves speech out", () => {
  const whole = voice(20_000, [
    [8_600, 8_900],
    [13_400, 13_700],
  ])

  test("is parted at the pause behind the last word before the gap, also if nothing follows", () => {
    const middle = partingOf(heardAt([...every(400, 200, 8_300), ...every(400, 14_000, 19_900)], 20_000), whole, HEADS)
    const end = partingOf(heardAt(every(400, 200, 8_300), 20_000), whole, HEADS)
    for (const parting of [middle, end]) {
      expect(parting?.cut).toBeWithin(samplesFromMs(8_600), samplesFromMs(8_900))
      expect(parting?.tokensBefore).toBe(21)
    }
  })

  test("is parted at the pause before its first word if what comes before is missing", () => {
    const parting = partingOf(heardAt(every(400, 14_000, 19_900), 20_000), whole, HEADS)
    expect(parting?.cut).toBeWithin(samplesFromMs(13_400), samplesFromMs(13_700))
    expect(parting?.tokensBefore).toBe(0)
  })

  test("is told from a pause, from a gap of two seconds and from sound that may be no speech", () => {
    const silent = voice(20_000, [[8_600, 13_700]])
    const gap = [...every(400, 200, 8_300), ...every(400, 14_000, 19_900)]
    expect(partingOf(heardAt(gap, 20_000), whole, HEADS)).not.toBeNull()
    expect(partingOf(heardAt(gap, 20_000), silent, HEADS)).toBeNull()
    expect(partingOf(heardAt([...every(400, 200, 8_300), ...every(400, 10_200, 19_900)], 20_000), whole, HEADS)).toBeNull()
    expect(partingOf(heardAt(gap, 20_000, { logprob: -0.9, noSpeechProb: 0.6 }), whole, HEADS)).toBeNull()
    expect(partingOf(heardAt([], 20_000), whole, HEADS)).toBeNull()
  })

  test("is not looked for in less than ten seconds", () => {
    expect(isLong(voice(10_000))).toBe(true)
    expect(isLong(voice(9_980))).toBe(false)
    expect(partingOf(heardAt([200], 9_980), voice(9_980), HEADS)).toBeNull()
  })
})

describe("two parts heard again", () => {
  const parting = { cut: samplesFromMs(8_000), tokensBefore: 20, tokensMissing: 5 }
  const whole = heardAt(every(400, 200, 8_000), 20_000)
  const first = heardAt(every(400, 200, 8_000), 8_000)
  const told = { heads: HEADS, textOf }

  test("are told if they hold the missing words, each word where it was heard in the whole", () => {
    const second = heardAt(every(400, 200, 12_000), 12_000)
    const joined = filled(whole, [first, second], parting, told)
    expect(joined.text).toBe(first.text + second.text)
    expect(joined.decoded.tokens).toEqual([...first.decoded.tokens, ...second.decoded.tokens])
    expect(joined.decoded.logprobs.length).toBe(joined.decoded.tokens.length + 1)
    const rows = joined.decoded.attention ?? []
    expect(rows.length).toBe(joined.decoded.tokens.length + 1)
    const peaks = rows.slice(0, -1).map((row) => {
      const head = [...row.subarray(row.length / HEADS)]
      return head.indexOf(Math.max(...head)) * POSITION_MS
    })
    expect(peaks).toEqual([...every(400, 200, 8_000), ...every(400, 8_200, 20_000)])
  })

  test("are not told if they hold too few words more, guess them or go round in circles", () => {
    const few = heardAt([200, 600, 1_000, 1_400], 12_000)
    const guessed = heardAt(every(400, 200, 12_000), 12_000, { logprob: -1.2, noSpeechProb: 0.01 })
    const round = { ...heardAt(every(400, 200, 12_000), 12_000), compressionRatio: 3 }
    for (const second of [few, guessed, round]) expect(filled(whole, [first, second], parting, told)).toBe(whole)
  })

  test("are not told if both are unsure of their words, though neither so much that it is doubtful", () => {
    const unsure = (ms: number) => heardAt(every(400, 200, ms), ms, { logprob: -0.8 })
    expect(filled(whole, [unsure(8_000), unsure(12_000)], parting, told)).toBe(whole)
  })
})

describe("a recogniser whose model stops long before the speech does", () => {
  const [early, late] = [manyWords(5), manyWords(20, 2)]

  /** Hears all at first, then both parts. */
  function stopping() {
    const sessions = scriptedWriters({
      next: (text, { utterance }) => (utterance === 2 ? late : early)[text.length - text.indexOf(START) - 4] ?? END,
      attention: (place) => new Float32Array(600).fill(0.001).fill(1, 5 + place, 6 + place),
    })
    const model = { sessions, vocabulary: smallVocabulary, textOf, loadTokenizer: async () => () => [], async close() {} }
    return { sessions, recogniser: createRecogniser(model) }
  }
  const textIn = async (told: Parameters<typeof recognise>[2]) => {
    const { sessions, recogniser } = stopping()
    const { segments } = await recognise(recogniser, voice(12_000), told)
    expect(sessions.open()).toBe(0)
    return segments.map(({ text }) => text).join("")
  }

  test("hears the piece once more in two parts", async () => {
    expect(await textIn({})).toBe(textOf([...early, ...late]))
  })

  test("keeps what was promised of the text before the gap", async () => {
    const promised = early.map((word) => 10 - word)
    expect(await textIn({ draft: { tokens: promised, fixed: 5 } })).toBe(textOf([...promised, ...late]))
  })

  test("leaves an interim text as it is", async () => {
    expect(await textIn({ interim: true })).toBe(textOf(early))
  })
})
