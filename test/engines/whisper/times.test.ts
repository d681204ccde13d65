import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { joinSamples, samplesFromMs } from "../../../src/audio/pcm.ts"
import { prepareOrt } from "../../../src/binary/native.ts"
import { EngineError } from "../../../src/engines/engine.ts"
import { loadRecogniser, type PieceToRecognise, type Recogniser } from "../../../src/engines/whisper/recogniser.ts"
import type { Word } from "../../../src/speech/transcript.ts"
import { clip } from "../../support/clips.ts"
import { answers, piece, recognise } from "../../support/recognising.ts"

const WEIGHTS = join(import.meta.dir, "../../../src/engines/whisper/weights/whisper-base")
const FIRST = "arctic_a0009"
const SECOND = "ps_sense_and_sensibility_01_austen_64kb-0880"
const PAUSE_MS = 2_000
/** How much the time of a word may change because of what stands around it. */
const SAME_MS = 120

let recogniser: Recogniser
let first: Int16Array
let second: Int16Array
beforeAll(async () => {
  await prepareOrt([])
  recogniser = await loadRecogniser({ source: { kind: "folder", path: WEIGHTS }, threads: 1, arena: false })
  first = await clip(FIRST)
  second = await clip(SECOND)
}, 30_000)
afterAll(() => recogniser.close())

const silence = (ms: number) => new Int16Array(samplesFromMs(ms))

async function wordsOf(samples: Int16Array, told: Partial<PieceToRecognise> = {}): Promise<readonly Word[]> {
  const { segments } = await recognise(recogniser, samples, { words: true, ...told })
  return segments.flatMap(({ words }) => words ?? [])
}

function expectSameTimes(heard: readonly Word[], expected: readonly Word[], laterMs: number) {
  expect(heard.map(({ text }) => text)).toEqual(expected.map(({ text }) => text))
  for (const [i, { startMs, endMs }] of heard.entries()) {
    expect(Math.abs(startMs - laterMs - (expected[i]?.startMs ?? Number.NaN))).toBeLessThanOrEqual(SAME_MS)
    expect(Math.abs(endMs - laterMs - (expected[i]?.endMs ?? Number.NaN))).toBeLessThanOrEqual(SAME_MS)
  }
}

describe("the embedded model's words", () => {
  test("have times within the speech and trust in what is clear", async () => {
    const words = await wordsOf(first)
    expect(words.map(({ text }) => text)).toEqual(["He", "turned", "sharply", "and", "faced", "Gregson", "across", "the", "table."])
    // Read off the samples: the voice sets in at 200 ms, the "t" of "turned" bursts at 300, the hiss of "faced" begins at 1290, and the
    // voice ends at 2890.
    expect(words[0]?.startMs).toBeWithin(100, 300)
    expect(words[1]?.startMs).toBeWithin(200, 400)
    expect(words[4]?.startMs).toBeWithin(1190, 1390)
    expect(words.at(-1)?.endMs).toBeWithin(2790, 2990)
    for (const { confidence } of words) expect(confidence).toBeWithin(0.5, 1.000_001)
  })

  test("come later by the silence before them", async () => {
    expectSameTimes(await wordsOf(joinSamples([silence(3000), first])), await wordsOf(first), 3000)
  })

  test("leave the pause between two sentences alone, which become two segments", async () => {
    const both = joinSamples([first, silence(PAUSE_MS), second])
    const { segments } = await recognise(recogniser, both, { words: true })
    expect(segments).toHaveLength(2)
    expect(segments[0]?.endMs).toBeLessThan(first.length / 16 + 50)
    expect(segments[1]?.startMs).toBeGreaterThan(first.length / 16 + PAUSE_MS - 50)
    expectSameTimes(segments[0]?.words ?? [], await wordsOf(first), 0)
  })

  test("are the same, and at the same times, alone, in company and from a draft", async () => {
    const alone = await wordsOf(first)
    const [, company] = await answers(recogniser, [piece(second), piece(first, { words: true }), piece(silence(300))])
    if (company === undefined || company instanceof EngineError) throw company ?? new Error("no answer")
    expectSameTimes(company.segments[0]?.words ?? [], alone, 0)
    expectSameTimes(await wordsOf(first, { draft: { tokens: company.segments[0]?.tokens ?? [], fixed: 4 } }), alone, 0)
  })

  test("do not change the text by being asked for", async () => {
    const both = joinSamples([first, second])
    const [with_, without] = [await recognise(recogniser, both, { words: true }), await recognise(recogniser, both)]
    expect(with_.segments.map(({ text }) => text).join("")).toBe(without.segments.map(({ text }) => text).join(""))
  })
})
