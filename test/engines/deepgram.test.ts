import { describe, expect, test } from "bun:test"
import { samplesFromBytes } from "../../src/audio/pcm.ts"
import { realClock } from "../../src/clock.ts"
import { createDeepgram } from "../../src/engines/deepgram.ts"
import { silentLog } from "../../src/log.ts"
import { audioDroppedSeconds, utterances } from "../../src/metrics.ts"
import {
  audio,
  clock,
  countOf,
  deepgram,
  engine,
  engineAt,
  failed,
  KEY,
  LOST,
  open,
  owing,
  speak,
  tap,
  turn,
  useDeepgram,
} from "../support/deepgram-bench.ts"
import { type Call, startDeepgram } from "../support/deepgram-upstream.ts"
import { keepsTheContract } from "./contract.ts"

useDeepgram()

describe("a continuous stream", () => {
  test("is dialled with the first audio, and as our users want it", async () => {
    const stream = open()
    await engine.ready()
    expect(deepgram.dials).toBe(0)
    const call = await speak(stream, 0, 100)
    expect(Object.fromEntries(call.query)).toEqual({
      model: "nova-2",
      language: "en",
      encoding: "linear16",
      sample_rate: "16000",
      channels: "1",
      punctuate: "true",
      smart_format: "true",
      interim_results: "true",
      endpointing: "300",
      utterance_end_ms: "1000",
      vad_events: "true",
      no_delay: "true",
    })
    expect(call.headers.get("authorization")).toBe(`Token ${KEY}`)
  })

  test("asks for several languages when it is to detect, and tells which it was", async () => {
    const stream = open(engine, { language: "auto" })
    const call = await speak(stream, 0, 1_000)
    expect(call.query.get("language")).toBe("multi")
    call.results("Cebras.", { speechFinal: true, languages: ["es", "en"] })
    expect(await stream.next()).toEqual(turn("Cebras.", 0, 1_000, { language: "es" }))
  })

  test("gives one final for all results up to speech_final, and nothing for interim ones", async () => {
    const stream = open()
    const call = await speak(stream, 0, 2_000)
    call.results("zebras", { end: 0.5, final: false })
    call.results("Zebras graze", {
      end: 0.8,
      words: [
        { start: 0.2, end: 0.4 },
        { start: 0.5, end: 0.7 },
      ],
    })
    call.results("at", { end: 1.2, final: false })
    call.results("at noon.", { end: 1.5, speechFinal: true, words: [{ start: 0.9, end: 1.3 }] })
    expect(await stream.next()).toEqual(turn("Zebras graze at noon.", 200, 1_300))
    call.results("Next.", { end: 2, speechFinal: true, words: [{ start: 1.6, end: 1.9 }] })
    expect(await stream.next()).toEqual(turn("Next.", 1_600, 1_900, { utterance: 1 }))
    expect(stream.pendingSamples).toBe(0)
    expect(call.wire).toEqual(["audio 32000"])
  })

  test("ends an utterance at UtteranceEnd when speech_final never comes", async () => {
    const stream = open()
    const call = await speak(stream, 0, 3_000)
    call.results("Zebras graze", { end: 1 })
    call.results("at noon", { end: 2 })
    call.utteranceEnd(2)
    expect(await stream.next()).toEqual(turn("Zebras graze at noon", 0, 2_000))
    call.results("Lions", { end: 3 })
    call.utteranceEnd(-1)
    expect(await stream.next()).toEqual(turn("Lions", 2_000, 3_000, { utterance: 1 }))
  })

  test("takes an UtteranceEnd that comes late for what it is", async () => {
    const stream = open()
    const call = await speak(stream, 0, 4_000)
    call.results("Zebras.", { end: 1, speechFinal: true })
    expect(await stream.next()).toEqual(turn("Zebras.", 0, 1_000))
    call.results("They graze", { end: 3 })
    call.utteranceEnd(1)
    call.results("at noon.", { end: 4, speechFinal: true })
    expect(await stream.next()).toEqual(turn("They graze at noon.", 1_000, 4_000, { utterance: 1 }))
  })

  test("ends an utterance after a second and a half of silence when Deepgram forgets to", async () => {
    const stream = open()
    const call = await speak(stream, 0, 5_000)
    call.results("Zebras", { end: 1 })
    call.results("", { end: 2.4, final: false })
    call.results("", { end: 2.6, final: false })
    call.results("Lions.", { start: 2.6, end: 4, speechFinal: true })
    expect(await stream.next()).toEqual(turn("Zebras", 0, 1_000))
    expect(await stream.next()).toEqual(turn("Lions.", 2_600, 4_000, { utterance: 1 }))
  })

  test("tells nothing of silence", async () => {
    const silent = await countOf(utterances, { engine: "deepgram", outcome: "silence" })
    const stream = open()
    const call = await speak(stream, 0, 4_000)
    call.results("", { end: 1, final: false })
    call.results("", { end: 2 })
    call.results(" ", { end: 4, speechFinal: true })
    call.utteranceEnd(-1)
    stream.commit()
    await call.got("Finalize")
    call.results("", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("", 0, 4_000, { cause: "commit" }))
    expect(await countOf(utterances, { engine: "deepgram", outcome: "silence" })).toBe(silent + 1)
  })

  test("is asked for the rest when the client stops sending", async () => {
    const stream = open()
    const call = await speak(stream, 0, 3_000)
    call.results("Zebras", { end: 1 })
    await owing(stream, 2_000)
    await clock.advance(2_000)
    await call.got("Finalize")
    call.results("graze.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Zebras graze.", 0, 3_000))
    await speak(stream, 3_000, 4_000)
    await speak(stream, 4_000, 5_000)
    expect(call.wire).toEqual(["audio 48000", "Finalize", "audio 32000"])
  })

  test("lets a pause end an utterance even if Deepgram has nothing to add", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_200)
    call.results("Zebras", { end: 1, final: false })
    call.results("Zebras", { end: 1 })
    await owing(stream, 200)
    await clock.advance(2_000)
    await call.got("Finalize")
    await clock.advance(1_500)
    expect(await stream.next()).toEqual(turn("Zebras", 0, 1_000))
  })

  test("whose socket is gone still ends its utterance when the client stops sending", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    call.results("Zebras", { end: 1 })
    await owing(stream, 0)
    call.drop()
    await tap.seen(LOST)
    await clock.advance(2_000)
    expect(await stream.next()).toEqual(turn("Zebras", 0, 1_000))
    expect(deepgram.dials).toBe(1)
  })

  test("sends every sample once and in order, however it was cut", async () => {
    const stream = open()
    const whole = audio(0, 1_500)
    for (let at = 0, size = 1; at < whole.length; at += size, size = (size * 7) % 2_003) stream.accept(whole.slice(at, at + size))
    stream.accept(new Int16Array())
    const call = await deepgram.call(0)
    await call.heard(whole.length)
    expect(call.audio()).toEqual(whole)
    expect(call.wire).toEqual(["audio 24000"])
  })

  test("keeps the socket alive while nobody speaks", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    call.results("Zebras.", { speechFinal: true })
    await stream.next()
    await clock.advance(12_000)
    await call.got("KeepAlive", 3)
    await speak(stream, 1_000, 2_000)
    await clock.advance(3_900)
    await call.got("Finalize")
    expect(call.wire).toEqual(["audio 16000", "KeepAlive", "KeepAlive", "KeepAlive", "audio 16000", "Finalize"])
  })

  test("stays on one socket as long as audio comes, and needs no KeepAlive", async () => {
    const stream = open(engineAt(deepgram.url, { timings: { heldMaxMs: 4_000 } }))
    for (let ms = 0; ms < 75_000; ms += 3_000) {
      const call = await speak(stream, ms, ms + 3_000)
      call.results("", { speechFinal: true })
      await owing(stream, 0)
      await clock.advance(3_000)
    }
    expect(deepgram.calls[0]!.wire).toEqual([`audio ${75_000 * 16}`])
    expect(tap.lines.map((line) => line.event)).toEqual(["upstream open"])
  })

  test("hangs up after a minute without audio and dials again for the next", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    call.results("Zebras.", { speechFinal: true })
    await stream.next()
    await clock.advance(60_000)
    expect(await call.closed).toBe(1_000)
    expect(call.wire.slice(-3)).toEqual(["KeepAlive", "CloseStream", "closed 1000"])
    await tap.seen("upstream closed")
    const second = await speak(stream, 1_000, 2_000, 1)
    second.results("Lions.", { speechFinal: true })
    expect(await stream.next()).toEqual(turn("Lions.", 1_000, 2_000, { utterance: 1 }))
    expect(second.audio()).toEqual(audio(1_000, 2_000))
  })

  test("delivers the last words when it is finished, and hangs up", async () => {
    deepgram.answersCloseStream = false
    const stream = open()
    const call = await speak(stream, 0, 3_000)
    call.results("Zebras.", { end: 1, speechFinal: true })
    stream.finish()
    await call.got("CloseStream")
    call.results("Lions", { end: 2 })
    call.results("sleep.", { end: 3, speechFinal: true })
    call.metadata()
    call.close(1000)
    const closing = turn("Lions sleep.", 1_000, 3_000, { utterance: 1, cause: "close" })
    expect(await stream.rest()).toEqual([turn("Zebras.", 0, 1_000), closing])
    expect(call.wire).toEqual(["audio 48000", "CloseStream", "closed 1000"])
  })

  test("is hung up at once when it is closed, and tells nothing more", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    stream.close()
    expect(clock.waiting).toBe(0)
    call.results("Zebras.", { speechFinal: true })
    expect(await stream.rest()).toEqual([])
    expect(await call.closed).toBe(1_000)
    expect(call.wire).toEqual(["audio 16000", "CloseStream", "closed 1000"])
  })

  test("delivers nothing after it was closed, not even what waits to be read", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    call.results("Zebras.", { speechFinal: true })
    await owing(stream, 0)
    stream.close()
    expect(await stream.rest()).toEqual([])
  })

  test("can be closed while it is being dialled", async () => {
    deepgram.handshakes = ["hang", "accept"]
    const stream = open()
    stream.accept(audio(0, 100))
    await deepgram.dialled(1)
    stream.close()
    const other = open()
    other.accept(audio(0, 100))
    other.close()
    expect(clock.waiting).toBe(0)
    expect(await stream.rest()).toEqual([])
    expect(await other.rest()).toEqual([])
    const call = await speak(open(), 0, 100)
    expect(call.audio()).toEqual(audio(0, 100))
    expect(deepgram.dials).toBe(2)
  })
})

describe("a commit", () => {
  test("asks Deepgram to finalize, and alone ends its utterance", async () => {
    const stream = open()
    stream.accept(audio(0, 3_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    call.results("Zebras graze.", { end: 1, speechFinal: true })
    call.utteranceEnd(1)
    call.results("Lions sleep.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Zebras graze. Lions sleep.", 0, 3_000, { cause: "commit" }))
    expect(call.wire).toEqual(["audio 48000", "Finalize"])
  })

  test("without audio is answered without a dial", async () => {
    const stream = open()
    stream.commit()
    stream.commit()
    expect(await stream.next()).toEqual(turn("", 0, 0, { cause: "commit" }))
    expect(await stream.next()).toEqual(turn("", 0, 0, { utterance: 1, cause: "commit" }))
    expect(deepgram.dials).toBe(0)
  })

  test("after everything was heard is answered with what was heard, without asking", async () => {
    const stream = open()
    const call = await speak(stream, 0, 2_000)
    call.results("Zebras.", { end: 1, speechFinal: true })
    await stream.next()
    call.results("Lions", { end: 1.9995 })
    await call.heard(32_000)
    call.results("", { end: 2, final: false })
    await owing(stream, 0)
    stream.commit()
    expect(await stream.next()).toEqual(turn("Lions", 1_000, 2_000, { utterance: 1, cause: "commit" }))
    expect(call.wire).toEqual(["audio 32000"])
  })

  test("holds the audio behind it back until it is answered", async () => {
    const stream = open()
    stream.accept(audio(0, 1_000))
    stream.commit()
    stream.accept(audio(1_000, 3_000))
    stream.commit()
    stream.commit()
    stream.accept(audio(3_000, 4_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    expect(call.wire).toEqual(["audio 16000", "Finalize"])
    call.results("One.", { fromFinalize: true })
    await call.got("Finalize", 2)
    expect(call.wire).toEqual(["audio 16000", "Finalize", "audio 32000", "Finalize"])
    call.results("Two", { end: 2 })
    call.results("and a half.", { fromFinalize: true })
    await call.got("Finalize", 3)
    call.results("", { fromFinalize: true })
    expect([await stream.next(), await stream.next(), await stream.next(), await stream.next()]).toEqual([
      turn("One.", 0, 1_000, { cause: "commit" }),
      turn("Two and a half.", 1_000, 3_000, { utterance: 1, cause: "commit" }),
      turn("", 3_000, 3_000, { utterance: 2, cause: "commit" }),
      turn("", 3_000, 4_000, { utterance: 3, cause: "commit" }),
    ])
    expect(call.audio()).toEqual(audio(0, 4_000))
    expect(call.wire).toEqual(["audio 16000", "Finalize", "audio 32000", "Finalize", "audio 16000", "Finalize"])
  })

  test("is answered by its Finalize even if that ends before the audio does", async () => {
    const stream = open()
    stream.accept(audio(0, 1_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    call.results("Zebras.", { end: 0.7, fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Zebras.", 0, 700, { cause: "commit" }))
  })

  test("after a pause that was answered needs no second Finalize", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    await clock.advance(2_000)
    await call.got("Finalize")
    call.results("", { end: 0.7, fromFinalize: true })
    await owing(stream, 0)
    stream.commit()
    expect(await stream.next()).toEqual(turn("", 0, 1_000, { cause: "commit" }))
    expect(call.wire).toEqual(["audio 16000", "Finalize"])
  })

  test("is not kept waiting by a Deepgram that repeats itself", async () => {
    const stream = open()
    stream.accept(audio(0, 2_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    call.results("Zebras", { start: 0, end: 0.9 })
    await owing(stream, 1_100)
    await clock.advance(9_000)
    call.results("graze", { end: 0.9, final: false })
    // Read in order: once this was understood, so was the one before.
    call.say("nonsense")
    await tap.seen("upstream message unreadable")
    await clock.advance(1_000)
    await call.got("CloseStream")
    expect(await stream.next()).toEqual(turn("Zebras", 0, 900, { cause: "commit" }))
  })

  test("is not answered by a Finalize sent before it", async () => {
    const stream = open()
    const call = await speak(stream, 0, 500)
    await clock.advance(2_000)
    await call.got("Finalize")
    stream.accept(audio(500, 3_000))
    stream.commit()
    await call.got("Finalize", 2)
    call.results("Zebras", { end: 0.5, fromFinalize: true })
    call.results("graze.", { end: 3, fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Zebras graze.", 0, 3_000, { cause: "commit" }))
  })

  test("of little audio that Finalize leaves unanswered is asked for by CloseStream", async () => {
    deepgram.answersCloseStream = false
    const stream = open()
    stream.accept(audio(0, 400))
    stream.commit()
    stream.accept(audio(400, 1_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    await clock.advance(1_500)
    await call.got("CloseStream")
    call.results("Yes.")
    call.metadata()
    call.close(1000)
    expect(await stream.next()).toEqual(turn("Yes.", 0, 400, { cause: "commit" }))
    const second = await deepgram.call(1)
    await second.got("Finalize")
    second.results("No.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("No.", 400, 1_000, { utterance: 1, cause: "commit" }))
    expect(call.wire).toEqual(["audio 6400", "Finalize", "CloseStream", "closed 1000"])
    expect(second.audio()).toEqual(audio(400, 1_000))
  })

  test("whose answer never comes fails, and the next is heard on a new socket", async () => {
    const dropped = await countOf(audioDroppedSeconds, { engine: "deepgram" })
    deepgram.answersCloseStream = false
    const stream = open()
    stream.accept(audio(0, 2_000))
    stream.commit()
    stream.accept(audio(2_000, 3_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    call.results("Zebras", { end: 0.5 })
    await owing(stream, 2_500)
    await clock.advance(9_999)
    await call.got("KeepAlive", 2)
    expect(call.wire).not.toContain("CloseStream")
    await clock.advance(1)
    await call.got("CloseStream")
    await clock.advance(5_000)
    expect(await stream.next()).toEqual(failed("timeout"))
    expect(await countOf(audioDroppedSeconds, { engine: "deepgram" })).toBeCloseTo(dropped + 1.5, 6)
    const second = await deepgram.call(1)
    await second.got("Finalize")
    second.results("Lions.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Lions.", 2_000, 3_000, { utterance: 1, cause: "commit" }))
    expect(second.audio()).toEqual(audio(2_000, 3_000))
    expect(await tap.seen("utterance failed")).toMatchObject({ level: "warn", session: "s1", code: "timeout" })
  })
})

describe("two clients", () => {
  test("share nothing: each hears its own words, on its own socket", async () => {
    const [anna, bert] = [open(), open()]
    anna.accept(audio(0, 1_000))
    const annasCall = await deepgram.call(0)
    bert.accept(audio(5_000, 6_000))
    const bertsCall = await deepgram.call(1)
    await Promise.all([annasCall.heard(16_000), bertsCall.heard(16_000)])
    bertsCall.results("Lions.", { speechFinal: true })
    annasCall.results("Zebras.", { speechFinal: true })
    expect(await anna.next()).toEqual(turn("Zebras.", 0, 1_000))
    expect(await bert.next()).toEqual(turn("Lions.", 0, 1_000))
    expect(annasCall.audio()).toEqual(audio(0, 1_000))
    expect(bertsCall.audio()).toEqual(audio(5_000, 6_000))
  })

  test("do not hang up on each other", async () => {
    const [anna, bert] = [open(), open()]
    anna.accept(audio(0, 1_000))
    const annasCall = await deepgram.call(0)
    bert.accept(audio(0, 1_000))
    const bertsCall = await deepgram.call(1)
    await bertsCall.heard(16_000)
    bert.close()
    await bertsCall.closed
    annasCall.results("Zebras.", { end: 1, speechFinal: true })
    expect(await anna.next()).toEqual(turn("Zebras.", 0, 1_000))
    expect(annasCall.wire).toEqual(["audio 16000"])
  })
})

test("settings that cannot work are refused at once", () => {
  expect(() => createDeepgram({ apiKey: "", log: silentLog })).toThrow("apiKey")
  expect(() => engineAt("ftp://localhost")).toThrow("ftp:")
})

/** Costs money, a second of audio or so. */
test.skipIf(!process.env.DG_API_KEY)(
  "the real Deepgram understands a few words (needs DG_API_KEY)",
  async () => {
    const live = createDeepgram({ apiKey: process.env.DG_API_KEY ?? "", log: silentLog })
    const stream = live.open({ language: "en", session: "live", endpointing: null, interims: false, words: false })
    stream.accept(await goForward())
    stream.commit()
    stream.finish()
    const events = await Array.fromAsync(stream.events)
    await live.close()
    const text = events.map((event) => (event.type === "final" ? event.text : event.type)).join(" ")
    expect(text.toLowerCase()).toContain("forward")
  },
  30_000,
)

/** "Go forward ten meters." */
async function goForward(): Promise<Int16Array> {
  const wav = await Bun.file(`${import.meta.dir}/../fixtures/speech/ps_goforward.wav`).bytes()
  return samplesFromBytes(wav.subarray(44))
}

keepsTheContract("deepgram", async () => {
  const upstream = startDeepgram()
  upstream.answersCloseStream = false
  upstream.onCall = understand
  const contractEngine = createDeepgram({ apiKey: KEY, baseUrl: upstream.url, clock: realClock, log: silentLog })
  return { engine: contractEngine, speech: await goForward(), dialled: () => upstream.dials, stop: () => upstream.stop() }
})

/** Hears words wherever there is sound, and answers as Deepgram would. */
function understand(call: Call) {
  let heard = 0
  const wordsSince = () => {
    const samples = call.audio().subarray(heard)
    heard += samples.length
    return samples.some((sample) => sample !== 0) ? "go forward ten meters" : ""
  }
  void (async () => {
    for (let count = 1; ; count++) {
      await call.got("Finalize", count)
      call.results(wordsSince(), { fromFinalize: true })
    }
  })()
  void (async () => {
    await call.got("CloseStream")
    call.results(wordsSince())
    call.metadata()
    call.close(1000)
  })()
}
