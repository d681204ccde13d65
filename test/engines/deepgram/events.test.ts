import { describe, expect, test } from "bun:test"
import { queryOf } from "../../../src/engines/deepgram/query.ts"
import type { StreamOptions } from "../../../src/engines/engine.ts"
import {
  audio,
  clock,
  deepgram,
  ENDPOINTING,
  engine,
  failed,
  type Listener,
  LOST,
  open,
  owing,
  speak,
  tap,
  turn,
  useDeepgram,
} from "../../support/deepgram-bench.ts"

useDeepgram()

const openWith = (options: Partial<StreamOptions>) => open(engine, options)

const start = (atMs: number, utterance = 0) => ({ type: "speech_start", utterance, atMs }) as const
const stop = (atMs: number, utterance = 0) => ({ type: "speech_end", utterance, atMs }) as const

/** The next events, without what a test does not look at. */
async function events(stream: Listener, count: number): Promise<object[]> {
  const told: object[] = []
  while (told.length < count) told.push(await stream.event())
  return told
}

describe("an utterance", () => {
  test("is told as it is spoken: its start, what it sounds like, its segments, its end", async () => {
    const stream = openWith({ interims: true, words: true })
    const call = await speak(stream, 0, 3_000)
    call.speechStarted(0.1)
    call.results("zebras", { end: 0.5, final: false, words: [{ start: 0.2, end: 0.5 }] })
    call.results("Zebras graze", {
      end: 1.2,
      confidence: 0.9,
      words: [
        { start: 0.2, end: 0.6, word: "zebras", punctuated_word: "Zebras" },
        { start: 0.6, end: 1.1, word: "graze" },
      ],
    })
    call.results("at", { end: 1.5, final: false })
    call.results("at noon.", { end: 2.5, speechFinal: true, words: [{ start: 1.3, end: 1.9, word: "noon", punctuated_word: "noon." }] })
    const rest = { language: "en", avgLogprob: null, noSpeechProb: null }
    expect(await events(stream, 6)).toEqual([
      start(100),
      { type: "partial", utterance: 0, segment: 0, text: "zebras", stable: 0, startMs: 200, endMs: 500, lagMs: 2500 },
      {
        type: "final",
        utterance: 0,
        segment: 0,
        text: "Zebras graze",
        startMs: 200,
        endMs: 1100,
        end: false,
        cause: "endpoint",
        confidence: 0.9,
        words: [
          { text: "Zebras", startMs: 200, endMs: 600, confidence: 0.99 },
          { text: "graze", startMs: 600, endMs: 1100, confidence: 0.99 },
        ],
        ...rest,
      },
      { type: "partial", utterance: 0, segment: 1, text: "at", stable: 0, startMs: 1200, endMs: 1500, lagMs: 1500 },
      stop(2500),
      {
        type: "final",
        utterance: 0,
        segment: 1,
        text: "at noon.",
        startMs: 1300,
        endMs: 1900,
        end: true,
        cause: "endpoint",
        confidence: 0.99,
        words: [{ text: "noon.", startMs: 1300, endMs: 1900, confidence: 0.99 }],
        ...rest,
      },
    ])
  })

  test("holds its words, wherever Deepgram puts them", async () => {
    const stream = openWith({ words: true })
    const call = await speak(stream, 0, 2_000)
    const words = [
      { start: 0.5, end: 0.9 },
      { start: 0.2, end: 0.3 },
      { start: 0.8, end: 5 },
      { start: 1.2, end: 1.4 },
    ]
    call.results("a b c d", { end: 1.5, speechFinal: true, words })
    const told = (await events(stream, 3)).at(-1)
    const [startMs, endMs] = [500, 1400]
    const places = [
      [500, 900],
      [900, 900],
      [900, 1400],
      [1400, 1400],
    ]
    expect(told).toMatchObject({ startMs, endMs, words: places.map(([startMs, endMs]) => ({ startMs, endMs })) })
  })

  test("without a SpeechStarted begins with its first words", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    call.results("Zebras.", { end: 1, speechFinal: true, words: [{ start: 0.3, end: 0.8 }] })
    call.results("lions", { end: 1.5, final: false, words: [{ start: 1.2, end: 1.5 }] })
    expect(await events(stream, 4)).toMatchObject([start(300), stop(1000), { text: "Zebras.", end: true, words: null }, start(1200, 1)])
  })

  test("that ends at UtteranceEnd or at a commit ends with an empty segment if its words are all told", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 3_000)
    call.results("Zebras", { end: 1 })
    call.utteranceEnd(1)
    expect(await events(stream, 4)).toMatchObject([
      start(0),
      { text: "Zebras", end: false },
      stop(1000),
      { segment: 1, text: "", end: true, startMs: 1000, endMs: 1000, confidence: null },
    ])
    call.results("Lions", { end: 3 })
    await owing(stream, 0)
    stream.commit()
    expect(await events(stream, 4)).toMatchObject([
      start(1000, 1),
      { text: "Lions", end: false },
      stop(3000, 1),
      { utterance: 1, segment: 1, text: "", end: true, cause: "commit" },
    ])
  })

  test("is not ended by the end of the one before it, which may come late", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 4_000)
    call.results("Zebras.", { end: 1, speechFinal: true })
    call.speechStarted(2)
    call.utteranceEnd(1)
    call.results("", { end: 1.9, speechFinal: true })
    call.results("Lions.", { start: 2, end: 3, speechFinal: true })
    const told = await events(stream, 6)
    expect(told).toMatchObject([start(0), stop(1000), { text: "Zebras." }, start(2000, 1), stop(3000, 1), { text: "Lions." }])
  })

  test("whose start is told before the end of the one before it begins behind that", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 4_000)
    call.speechStarted(0.5)
    call.speechStarted(3)
    call.results("Zebras.", { end: 2, speechFinal: true })
    expect(await events(stream, 4)).toMatchObject([start(500), stop(2000), { text: "Zebras.", utterance: 0 }, start(3000, 1)])
  })

  test("is not ended by an UtteranceEnd that comes before the silence that the client wants", async () => {
    const stream = openWith({ endpointing: { ...ENDPOINTING, silenceMs: 9_000 } })
    const call = await speak(stream, 0, 12_000)
    call.results("Zebras", { end: 1 })
    call.utteranceEnd(1)
    call.results("", { end: 9, final: false })
    call.results("graze", { start: 9, end: 10, final: false })
    call.results("graze.", { end: 12, speechFinal: true })
    expect(await stream.next()).toEqual(turn("Zebras graze.", 0, 12_000))
  })

  test("of noise ends in silence, without words", async () => {
    const stream = openWith({ interims: true })
    const call = await speak(stream, 0, 4_000)
    call.speechStarted(1)
    call.results("", { start: 0, end: 2.4, final: false })
    call.results("", { start: 0, end: 2.6 })
    expect(await events(stream, 3)).toMatchObject([start(1000), stop(2600), { text: "", end: true, cause: "endpoint", words: null }])
  })

  test("that grows too long is asked for and ended", async () => {
    const stream = openWith({ endpointing: { ...ENDPOINTING, maxMs: 3_000 } })
    const call = await speak(stream, 0, 2_000)
    call.speechStarted(0.5)
    call.results("Zebras", { end: 2 })
    await owing(stream, 0)
    await speak(stream, 2_000, 4_000)
    call.results("graze at", { end: 3.6, final: false })
    await call.got("Finalize")
    call.results("graze at noon", { end: 4, fromFinalize: true })
    const told = await events(stream, 4)
    expect(told).toMatchObject([start(500), { text: "Zebras" }, stop(4000), { text: "graze at noon", end: true }])
    expect(call.wire).toEqual(["audio 64000", "Finalize"])
  })

  test("that grows too long between two results ends with the later one", async () => {
    const stream = openWith({ endpointing: { ...ENDPOINTING, maxMs: 3_000 } })
    const call = await speak(stream, 0, 6_000)
    call.results("Zebras", { end: 2 })
    call.results("graze", { end: 4 })
    call.results("at noon", { end: 6 })
    expect(await stream.next()).toEqual(turn("Zebras graze", 0, 4000, { cause: "max" }))
    expect(await events(stream, 2)).toMatchObject([start(4000, 1), { text: "at noon", end: false }])
  })

  test("of nothing but silence is none when the stream is finished", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    stream.finish()
    await call.got("CloseStream")
    expect(await stream.rest()).toEqual([])
  })
})

describe("partials", () => {
  test("are not told where nobody wants them", async () => {
    const stream = openWith({ interims: false })
    const call = await speak(stream, 0, 1_000)
    call.results("zebras", { end: 0.5, final: false })
    call.results("Zebras.", { end: 1, speechFinal: true })
    expect(await events(stream, 3)).toMatchObject([start(0), stop(1000), { type: "final" }])
  })

  test("take words back once, and say nothing of silence", async () => {
    const stream = openWith({ interims: true })
    const call = await speak(stream, 0, 2_000)
    call.results("", { end: 0.2, final: false })
    call.results("ze", { end: 0.4, final: false })
    call.results("", { end: 0.6, final: false })
    call.results("", { end: 0.8 })
    call.results("zebras", { end: 1, final: false })
    const told = await events(stream, 4)
    expect(told).toMatchObject([start(0), { text: "ze" }, { text: "", endMs: 600 }, { text: "zebras", segment: 0, endMs: 1000 }])
  })

  test("do not go back when the same audio is heard again on another socket", async () => {
    const stream = openWith({ interims: true })
    const call = await speak(stream, 0, 3_000)
    call.results("Zebras", { end: 1 })
    call.results("graze at noon", { end: 3, final: false })
    expect(await events(stream, 3)).toMatchObject([start(0), { text: "Zebras" }, { text: "graze at noon", endMs: 3000 }])
    call.drop()
    await tap.seen(LOST)
    await clock.advance(250)
    const second = await deepgram.call(1)
    await second.heard(32_000)
    second.results("graze", { end: 1, final: false })
    stream.accept(audio(3_000, 3_500))
    await second.heard(40_000)
    second.results("graze at noon and", { end: 2.5, final: false })
    second.results("graze at noon.", { end: 2.5, speechFinal: true })
    expect(await events(stream, 3)).toMatchObject([
      { text: "graze at noon and", segment: 1, endMs: 3500 },
      stop(3500),
      { segment: 1, startMs: 1000 },
    ])
  })
})

describe("without endpointing", () => {
  test("nothing but a commit ends an utterance, and nobody is said to begin or to stop", async () => {
    const stream = openWith({ endpointing: null, interims: true })
    const call = await speak(stream, 0, 4_000)
    call.speechStarted(0.1)
    call.results("zebras", { end: 0.5, final: false })
    call.results("Zebras.", { end: 1, speechFinal: true })
    call.utteranceEnd(1)
    call.results("", { end: 3, speechFinal: true })
    call.results("Lions", { start: 3, end: 3.5 })
    await owing(stream, 500)
    await clock.advance(4_000)
    await call.got("Finalize")
    call.results("", { end: 4, fromFinalize: true })
    await owing(stream, 0)
    stream.commit()
    expect(await events(stream, 4)).toMatchObject([
      { type: "partial", text: "zebras" },
      { type: "final", segment: 0, text: "Zebras.", end: false },
      { type: "final", segment: 1, text: "Lions", end: false },
      { type: "final", segment: 2, text: "", end: true, cause: "commit", utterance: 0 },
    ])
  })

  test("an utterance whose audio is lost fails, and what was told of it stands", async () => {
    deepgram.handshakes = ["accept", 401]
    const stream = openWith({ endpointing: null })
    const call = await speak(stream, 0, 2_000)
    call.results("Zebras", { end: 1 })
    expect(await stream.event()).toMatchObject({ text: "Zebras", end: false })
    call.drop()
    await tap.seen(LOST)
    await clock.advance(250)
    expect(await stream.next()).toEqual(failed("unauthorized", 0, null))
    stream.commit()
    expect(await stream.next()).toEqual(turn("", 2_000, 2_000, { utterance: 1, cause: "commit" }))
  })

  test("a finished stream ends with what was heard", async () => {
    deepgram.answersCloseStream = false
    const stream = openWith({ endpointing: null })
    const call = await speak(stream, 0, 1_000)
    stream.finish()
    await call.got("CloseStream")
    call.results("Zebras.", { speechFinal: true })
    call.metadata()
    call.close(1000)
    expect(await stream.rest()).toEqual([turn("Zebras.", 0, 1_000, { cause: "close" })])
  })
})

describe("a clear", () => {
  const cleared = (utterance: number | null) => ({ type: "cleared", utterance }) as const

  test("is answered at once, and what Deepgram still says of that audio is dropped", async () => {
    const stream = openWith({ interims: true })
    const call = await speak(stream, 0, 2_000)
    call.results("zebras", { end: 1, final: false })
    expect(await events(stream, 2)).toMatchObject([start(0), { text: "zebras" }])
    stream.clear()
    expect(await stream.event()).toEqual(cleared(0))
    expect(stream.pendingSamples).toBe(0)
    stream.accept(audio(2_000, 3_000))
    await call.got("Finalize")
    call.results("Zebras", { end: 1.2 })
    call.speechStarted(1.5)
    call.utteranceEnd(1.2)
    expect(call.wire).toEqual(["audio 32000", "Finalize"])
    call.results("graze.", { end: 2, fromFinalize: true, speechFinal: true })
    await call.heard(48_000)
    call.results("Lions.", { end: 3, speechFinal: true })
    expect(await events(stream, 3)).toMatchObject([start(2000, 1), stop(3000, 1), { utterance: 1, text: "Lions." }])
    expect(deepgram.dials).toBe(1)
  })

  test("without audio is answered without a dial", async () => {
    const stream = openWith({})
    stream.clear()
    stream.clear()
    stream.commit()
    expect(await events(stream, 3)).toMatchObject([cleared(null), cleared(null), { utterance: 0, cause: "commit" }])
    expect(deepgram.dials).toBe(0)
  })

  test("in silence gives up no utterance; without endpointing any audio is one", async () => {
    for (const [endpointing, utterance] of [
      [ENDPOINTING, null],
      [null, 0],
    ] as const) {
      const stream = openWith({ endpointing })
      stream.accept(audio(0, 1_000))
      stream.clear()
      expect(await stream.event()).toEqual(cleared(utterance))
      stream.close()
    }
  })

  test("behind a commit waits for it, and what lies between is never sent", async () => {
    const stream = openWith({})
    stream.accept(audio(0, 1_000))
    stream.commit()
    stream.accept(audio(1_000, 2_000))
    stream.clear()
    stream.accept(audio(2_000, 3_000))
    const call = await deepgram.call(0)
    await call.got("Finalize")
    call.results("One.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("One.", 0, 1_000, { cause: "commit" }))
    expect(await stream.next()).toEqual(cleared(null))
    await call.heard(32_000)
    expect(call.audio().subarray(16_000)).toEqual(audio(2_000, 3_000))
    call.results("Three.", { end: 2, speechFinal: true })
    expect(await stream.next()).toEqual(turn("Three.", 2_000, 3_000, { utterance: 1 }))
    expect(call.wire).toEqual(["audio 16000", "Finalize", "audio 16000"])
  })

  test("that Deepgram does not answer leaves it for a new socket", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    stream.clear()
    stream.accept(audio(2_000, 3_000))
    await call.got("Finalize")
    await clock.advance(1_500)
    const second = await deepgram.call(1)
    await second.heard(16_000)
    expect(second.audio()).toEqual(audio(2_000, 3_000))
    second.results("Lions.", { speechFinal: true })
    expect(await stream.next()).toEqual(cleared(null))
    expect(await stream.next()).toEqual(turn("Lions.", 2_000, 3_000))
    expect(tap.lines.filter((line) => line.event === LOST)).toEqual([])
  })

  test("is no loss when the socket goes, and dials nothing by itself", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    stream.clear()
    await call.got("Finalize")
    call.drop()
    await tap.seen(LOST)
    await clock.advance(30_000)
    expect(deepgram.dials).toBe(1)
    const second = await speak(stream, 2_000, 3_000, 1)
    expect(second.audio()).toEqual(audio(2_000, 3_000))
  })

  test("of a commit that fails comes after it", async () => {
    deepgram.handshakes = [401]
    const stream = openWith({})
    stream.accept(audio(0, 1_000))
    stream.commit()
    stream.clear()
    expect(await stream.next()).toEqual(failed("unauthorized"))
    expect(await stream.next()).toEqual(cleared(null))
  })
})

describe("a change", () => {
  test("in silence is asked for at once, on a new socket that hears what was not answered", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    call.results("", { end: 1 })
    await owing(stream, 1_000)
    stream.configure({ language: "fr", prompt: "Wie in Xanten, sagt Frau Öz-Demir: C3PO, 12 xanten", endpointing: { silenceMs: 700 } })
    await call.got("Finalize")
    stream.accept(audio(2_000, 2_500))
    await call.heard(40_000)
    call.results("", { end: 2, fromFinalize: true })
    const second = await deepgram.call(1)
    await second.heard(8_000)
    expect(Object.fromEntries(second.query)).toMatchObject({ language: "fr", endpointing: "700", utterance_end_ms: "1000" })
    expect(second.query.getAll("keywords")).toEqual(["Wie", "Xanten", "Frau", "Öz-Demir", "C3PO"])
    expect(second.audio()).toEqual(audio(2_000, 2_500))
    await call.closed
    second.results("Zèbres.", { speechFinal: true })
    expect(await stream.next()).toEqual(turn("Zèbres.", 2_000, 2_500, { language: "fr" }))
    expect(tap.lines.filter((line) => line.event === LOST)).toEqual([])
  })

  test("leaves an open utterance as it is", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    call.speechStarted(0.5)
    await stream.event()
    stream.configure({ language: "fr" })
    await speak(stream, 2_000, 4_000)
    call.results("Zebras", { end: 2.5 })
    call.results("graze.", { end: 3, speechFinal: true })
    expect(await stream.next()).toEqual(turn("Zebras graze.", 0, 3_000, { language: "en" }))
    const second = await deepgram.call(1)
    await second.heard(16_000)
    expect(second.audio()).toEqual(audio(3_000, 4_000))
    expect(second.query.get("language")).toBe("fr")
    expect(call.wire).toEqual(["audio 64000", "CloseStream", "closed 1000"])
  })

  test("behind a commit does not reach what was committed", async () => {
    const stream = openWith({ endpointing: null })
    stream.accept(audio(0, 1_000))
    stream.commit()
    stream.configure({ language: "fr" })
    stream.accept(audio(1_000, 2_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    expect(call.query.get("language")).toBe("en")
    call.results("Zebras.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Zebras.", 0, 1_000, { cause: "commit" }))
    const second = await deepgram.call(1)
    await second.got("Finalize")
    expect(second.query.get("language")).toBe("fr")
    expect(second.audio()).toEqual(audio(1_000, 2_000))
    second.results("Lions.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Lions.", 1_000, 2_000, { utterance: 1, cause: "commit", language: "fr" }))
  })

  test("of what Deepgram does not know costs nothing, and the longest utterance changes at once", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    call.results("Zebras", { end: 2 })
    await owing(stream, 0)
    stream.configure({ language: "en", endpointing: { threshold: 0.9, prefixMs: 100, silenceMs: 300, maxMs: 2_500 } })
    await speak(stream, 2_000, 3_000)
    call.results("graze", { end: 3 })
    expect(await stream.next()).toEqual(turn("Zebras graze", 0, 3_000, { cause: "max" }))
    expect(deepgram.dials).toBe(1)
    expect(call.wire).toEqual(["audio 48000"])
  })

  test("from no prompt to an empty one is none", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    call.results("", { end: 1 })
    await owing(stream, 1_000)
    stream.configure({ prompt: "" })
    await speak(stream, 2_000, 4_000)
    call.results("Zebras graze.", { end: 4, speechFinal: true })
    expect(await stream.next()).toMatchObject({ text: "Zebras graze." })
    expect(call.wire).toEqual(["audio 64000"])
  })

  test("that is taken back before it came into force needs no new socket", async () => {
    const stream = openWith({})
    const call = await speak(stream, 0, 2_000)
    call.results("Zebras", { end: 1 })
    await owing(stream, 1_000)
    stream.configure({ language: "fr" })
    stream.configure({ language: "de" })
    await speak(stream, 2_000, 2_500)
    stream.configure({ language: "en" })
    await speak(stream, 2_500, 3_000)
    call.results("graze.", { end: 3, speechFinal: true })
    await stream.next()
    await speak(stream, 3_000, 4_000)
    expect(deepgram.dials).toBe(1)
  })

  test("does not bring endpointing to a stream without", async () => {
    const stream = openWith({ endpointing: null })
    stream.configure({ endpointing: { ...ENDPOINTING, maxMs: 500 } })
    const call = await speak(stream, 0, 2_000)
    expect(call.query.get("endpointing")).toBe("false")
    call.results("Zebras.", { speechFinal: true })
    expect(await stream.event()).toMatchObject({ text: "Zebras.", end: false })
  })
})

describe("the query", () => {
  const asked = { language: "en", prompt: undefined, silenceMs: 500 }

  test.each([
    [100, 1_000],
    [2_500, 2_500],
    [9_000, 5_000],
  ])("asks for an end after %i ms of silence, and for an UtteranceEnd after %i ms", (silenceMs, utterance_end_ms) => {
    expect(queryOf({ ...asked, silenceMs })).toMatchObject({ endpointing: silenceMs, utterance_end_ms, vad_events: "true" })
  })

  test("asks for no end where none is wanted", () => {
    const query = queryOf({ ...asked, silenceMs: null })
    expect(query).toMatchObject({ endpointing: "false", interim_results: "true" })
    expect(Object.keys(query)).not.toContain("utterance_end_ms")
    expect(Object.keys(query)).not.toContain("vad_events")
  })

  test("takes of a prompt the first hundred names, once each, and none of what is none", () => {
    expect(queryOf({ ...asked, prompt: "so what did you say" })).not.toHaveProperty("keywords")
    expect(queryOf({ ...asked, prompt: "" })).not.toHaveProperty("keywords")
    expect(queryOf({ ...asked, prompt: "Xanten, Xanten: K2? 2026 -- I" })).toMatchObject({ keywords: ["Xanten", "K2"] })
    const many = Array.from({ length: 150 }, (_, index) => `Name${index}`)
    expect(queryOf({ ...asked, prompt: many.join(" ") })).toMatchObject({ keywords: many.slice(0, 100) })
  })
})
