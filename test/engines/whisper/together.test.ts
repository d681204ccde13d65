import { describe, expect, test } from "bun:test"
import { EngineError } from "../../../src/engines/engine.ts"
import type { LoadedModel } from "../../../src/engines/whisper/load.ts"
import { createRecogniser, type PieceToRecognise } from "../../../src/engines/whisper/recogniser.ts"
import { answers, piece, recognise } from "../../support/recognising.ts"
import { END, ENGLISH, FRENCH, NO_TIMESTAMPS, START, smallVocabulary, TRANSCRIBE } from "../../support/scripted-whisper.ts"
import { type Choice, manyWords, scriptedWriters, type WriterScript } from "../../support/scripted-writer.ts"

const second = new Int16Array(16_000)
/** Of one second and the silence behind it. */
const SHORT_FRAMES = 170
const FULL_FRAMES = 3000

/** A model whose words are its tokens. */
function scripted(script: WriterScript, loadTokenizer: LoadedModel["loadTokenizer"] = async () => (text) => [...text.trim()].map(Number)) {
  const sessions = scriptedWriters(script)
  const model = {
    sessions,
    vocabulary: smallVocabulary,
    textOf: (tokens: readonly number[]) => tokens.map((token) => ` ${token}`).join(""),
    loadTokenizer,
    async close() {},
  }
  return { sessions, recogniser: createRecogniser(model) }
}

const wordsBehind = (text: readonly number[]) => text.length - text.indexOf(START) - 4
/** The same words for each. */
const saying = (...words: number[]) => sayingAt(-0.1, ...words)
const sayingAt =
  (logprob: number, ...words: number[]) =>
  (text: readonly number[]): Choice => ({ token: words[wordsBehind(text)] ?? END, logprob })
const looping = (text: readonly number[]): Choice => ({ token: 3 + (text.length % 2), logprob: -0.01 })

const textsOf = (told: readonly unknown[]) =>
  (told as { code?: string; segments?: { text: string }[] }[]).map(
    ({ code, segments }) => code ?? segments?.map(({ text }) => text).join("|"),
  )

describe("several pieces", () => {
  test("are encoded and written together, as many as the model takes, and each is answered once", async () => {
    const { sessions, recogniser } = scripted({ next: (text, { utterance }) => saying(1 + utterance)(text), batchMax: 2 })
    expect(recogniser.piecesMax).toBe(2)
    expect(textsOf(await answers(recogniser, [piece(second), piece(second), piece(second)]))).toEqual([" 1", " 2", " 3"])
    expect(sessions.encoded).toEqual([[SHORT_FRAMES, SHORT_FRAMES], [SHORT_FRAMES]])
    expect(sessions.open()).toBe(0)
  })

  test("part by the length of their prompts, by whether their language is known, and by their drafts", async () => {
    const { sessions, recogniser } = scripted({
      next: (text, { utterance }) => (text.at(-1) === START ? FRENCH : saying(1 + utterance)(text)),
    })
    const told: Partial<PieceToRecognise>[] = [
      {},
      { prompt: "12" },
      { language: "auto" },
      { draft: { tokens: [5], fixed: 1 } },
      { prompt: "34" },
      {},
      { prompt: "5" },
      { language: "auto" },
    ]
    const heard = await answers(
      recogniser,
      told.map((one) => piece(second, one)),
    )
    expect(sessions.encoded.map(({ length }) => length)).toEqual([2, 2, 2, 1, 1])
    expect(heard.map((one) => (one instanceof EngineError ? one.code : one.language))).toEqual(
      told.map(({ language }) => (language === "auto" ? "fr" : "en")),
    )
    expect(sessions.asked[1]?.texts.map((text) => text.slice(0, 3))).toEqual([
      [smallVocabulary.startOfPrevious, 1, 2],
      [smallVocabulary.startOfPrevious, 3, 4],
    ])
  })

  test("too short to hold a word are answered without the model", async () => {
    const { sessions, recogniser } = scripted({ next: saying(1) })
    expect(await answers(recogniser, [piece(second.subarray(0, 1599)), piece(new Int16Array(0), { language: "auto" })])).toEqual([
      { language: "en", segments: [] },
      { language: null, segments: [] },
    ])
    expect(sessions.encoded).toEqual([])
  })

  test("of which one is given up: it alone is, and is not even encoded if that was before", async () => {
    const [early, late] = [AbortSignal.abort(), new AbortController()]
    const { sessions, recogniser } = scripted({
      next: (text, { utterance }) => saying(...manyWords(40, 1 + utterance))(text),
      onWrite: () => late.abort(),
    })
    const told = await answers(recogniser, [piece(second, { signal: early }), piece(second, { signal: late.signal }), piece(second)])
    expect(textsOf(told).slice(0, 2)).toEqual(["aborted", "aborted"])
    expect(textsOf(told)[2]).toBe(
      manyWords(40, 2)
        .map((word) => ` ${word}`)
        .join(""),
    )
    expect(sessions.encoded).toEqual([[SHORT_FRAMES, SHORT_FRAMES]])
    expect(sessions.open()).toBe(0)
  })

  test("all fail if the model does, those excepted that were answered", async () => {
    const { sessions, recogniser } = scripted({
      next: (text, { utterance }) => saying(...manyWords(utterance === 0 ? 2 : 40))(text),
      onWrite: (count) => {
        if (count === 2) throw new EngineError("unavailable", "broken")
      },
    })
    expect(textsOf(await answers(recogniser, [piece(second), piece(second), piece(second, { prompt: "1" })]))).toEqual([
      manyWords(2)
        .map((word) => ` ${word}`)
        .join(""),
      "unavailable",
      "unavailable",
    ])
    expect(sessions.open()).toBe(0)
  })
})

describe("a doubtful text", () => {
  const segment = async (script: WriterScript, told: Partial<PieceToRecognise> = {}) => {
    const { sessions, recogniser } = scripted(script)
    const [heard] = (await recognise(recogniser, second, told)).segments
    expect(sessions.open()).toBe(0)
    return { heard, encoded: sessions.encoded.flat(), temperatures: sessions.asked.map(({ temperature }) => temperature) }
  }

  test("that loops is heard again in the full context, however sure the loop is of itself", async () => {
    const { heard, encoded } = await segment({
      next: (text, { frames }) => (frames === FULL_FRAMES ? sayingAt(-0.5, 1, 2)(text) : looping(text)),
    })
    expect(heard).toMatchObject({ text: " 1 2", temperature: 0 })
    expect(encoded).toEqual([SHORT_FRAMES, FULL_FRAMES])
  })

  test("that loops there too is drawn at two temperatures at most; what comes to its end is kept", async () => {
    const at =
      (end: number) =>
      (text: readonly number[], { temperature }: { temperature: number }) =>
        temperature === end ? sayingAt(-0.9, 1, 2)(text) : looping(text)
    expect(await segment({ next: at(0.2) })).toMatchObject({
      heard: { text: " 1 2", temperature: 0.2 },
      encoded: [SHORT_FRAMES, FULL_FRAMES],
    })
    expect(await segment({ next: at(0.4) })).toMatchObject({ heard: { text: " 1 2", temperature: 0.4 } })
    expect(await segment({ next: looping })).toMatchObject({ heard: { text: " 3 4", temperature: 0 }, temperatures: [0, 0, 0.2, 0.4] })
  })

  test("that repeats itself too slowly for the loop guard is doubtful too", async () => {
    const phrase = manyWords(30)
    const round = Array.from({ length: 6 }, () => phrase).flat()
    const { heard, encoded } = await segment({ next: (text, { frames }) => saying(...(frames === FULL_FRAMES ? [1, 2] : round))(text) })
    expect(heard?.text).toBe(" 1 2")
    expect(encoded).toHaveLength(2)
  })

  test("that distrusts its words is tried again, unless nobody spoke; the surer one is kept", async () => {
    const unsure: WriterScript["next"] = (text, { frames }) => (frames === FULL_FRAMES ? sayingAt(-2, 1, 2)(text) : sayingAt(-1.5, 3)(text))
    const { heard, temperatures } = await segment({ next: unsure, noSpeechProb: 0.5 })
    expect(heard).toMatchObject({ text: " 3", avgLogprob: -1.5 })
    expect(temperatures).toEqual([0, 0, 0.2, 0.4])
    expect((await segment({ next: unsure, noSpeechProb: 0.71 })).temperatures).toEqual([0])
  })

  test("is not tried again in the same way where the first try had the full context", async () => {
    const { temperatures, encoded } = await segment({ next: looping, shortContext: false })
    expect(temperatures).toEqual([0, 0.2, 0.4])
    expect(encoded).toEqual([FULL_FRAMES, FULL_FRAMES])
  })

  test("of speech that goes on is taken as it is", async () => {
    expect(await segment({ next: looping }, { interim: true })).toMatchObject({ heard: { text: " 3 4" }, encoded: [SHORT_FRAMES] })
  })

  test("keeps its language, and what of its draft is fixed", async () => {
    const { heard } = await segment(
      {
        next: (text, { frames }) => (text.at(-1) === START ? ENGLISH : frames === FULL_FRAMES ? saying(1, 2)(text) : looping(text)),
      },
      { language: "auto", draft: { tokens: [9], fixed: 1 } },
    )
    expect(heard?.text).toBe(" 9 2")
  })

  test("holds up nobody: the others are answered first, and its caller may still go", async () => {
    const controller = new AbortController()
    const { sessions, recogniser } = scripted({
      next: (text, { utterance }) => (utterance === 0 ? looping(text) : saying(2)(text)),
      onWrite: (count) => count === 2 && controller.abort(),
    })
    const order: [number, string | undefined][] = []
    await recogniser.recognise(
      [piece(second, { signal: controller.signal }), piece(second), piece(second, { prompt: "1" })],
      (index, answer) => {
        order.push([index, textsOf([answer])[0]])
      },
    )
    expect(order).toEqual([
      [1, " 2"],
      [2, " 2"],
      [0, "aborted"],
    ])
    expect(sessions.encoded.flat()).not.toContain(FULL_FRAMES)
  })
})

describe("what a segment tells", () => {
  test("is the model's numbers, its tokens and how much it repeats itself", async () => {
    const { recogniser } = scripted({ next: (text) => sayingAt(-0.2, 1, 2)(text), noSpeechProb: 0.25 })
    const { segments } = await recognise(recogniser, second)
    expect(segments).toEqual([
      {
        text: " 1 2",
        startMs: 0,
        endMs: 1000,
        avgLogprob: expect.closeTo(-0.2),
        noSpeechProb: 0.25,
        compressionRatio: 3 / 11,
        temperature: 0,
        tokens: [1, 2],
        words: null,
      },
    ])
  })

  test("are words where they were asked for and the model knows where it listens, also beside a piece without", async () => {
    const attention = (place: number) => Float32Array.from({ length: 85 }, (_, at) => (at >> 3 === place - 2 ? 1 : 0))
    const heard = await answers(scripted({ next: saying(1, 2), attention }).recogniser, [piece(second, { words: true }), piece(second)])
    const words = heard.map((one) =>
      one instanceof EngineError ? [] : one.segments.map((segment) => segment.words?.map(({ text }) => text) ?? null),
    )
    expect(words).toEqual([[["1", "2"]], [null]])
    const without = scripted({ next: saying(1, 2) })
    expect((await recognise(without.recogniser, second, { words: true })).segments[0]?.words).toBeNull()
    expect(without.sessions.asked[0]?.attention).toBe(false)
  })
})

describe("a prompt", () => {
  test("needs the tokenizer only when there is one, and only once", async () => {
    let loads = 0
    const { sessions, recogniser } = scripted({ next: saying(1) }, async () => {
      loads++
      return () => [4, 5]
    })
    await recognise(recogniser, second)
    await recognise(recogniser, second, { prompt: "  " })
    expect(loads).toBe(0)
    await recognise(recogniser, second, { prompt: "Hello" })
    await recognise(recogniser, second, { prompt: "World" })
    expect(loads).toBe(1)
    expect(sessions.asked.at(-1)).toMatchObject({
      texts: [[smallVocabulary.startOfPrevious, 4, 5, START, ENGLISH, TRANSCRIBE, NO_TIMESTAMPS]],
      start: 3,
    })
  })
})
