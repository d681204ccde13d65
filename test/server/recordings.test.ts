import { describe, expect, test } from "bun:test"
import { realClock } from "../../src/clock.ts"
import { Refused } from "../../src/dialects/door.ts"
import type { RecordingOptions, RecordingPart } from "../../src/dialects/recordings.ts"
import { EngineError } from "../../src/engines/engine.ts"
import { createRecordings, noRecordings } from "../../src/server/recordings.ts"
import { type HandClock, handClock } from "../support/clock.ts"
import { createScriptedRecordings, type RecordingsScript } from "../support/scripted-recordings.ts"

const LIMITS = { bytesMax: 1_000_000, secondsMax: 3600 }
const OPTIONS: RecordingOptions = { language: "en", words: true }
const never = () => new AbortController().signal

function start(script: RecordingsScript = {}) {
  const engine = createScriptedRecordings(script)
  const clock = handClock()
  const recordings = createRecordings(engine, LIMITS, clock)("test")
  const all = async (bytes: Uint8Array, options = OPTIONS, signal = never()) =>
    await Array.fromAsync(recordings.transcribe([bytes], options, signal))
  return { engine, clock, recordings, all }
}

/** Seconds of one sample value each, as a file of the scripted decoder. */
function file(...seconds: [value: number, seconds: number][]): Uint8Array {
  return Uint8Array.from(seconds.flatMap(([value, length]) => new Array<number>(length * 100).fill(value)))
}

/** Whose length nobody knows yet, and which counts as long. */
async function* coming(bytes: Uint8Array) {
  yield bytes
}

/** Four minutes, loud enough to be told from silence, with two pauses in which a cut belongs. */
const LONG = file([10, 110], [0, 4], [20, 110], [0, 4], [30, 30])

/** What comes of it while time passes. */
async function settled<Outcome>(work: Promise<Outcome>, clock: HandClock): Promise<Outcome> {
  let done = false
  const over = () => {
    done = true
  }
  work.then(over, over)
  while (!done) {
    await clock.advance(500)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return await work
}

describe("a recording", () => {
  test("that is short is one part, with its words as the engine gave them", async () => {
    const { all, engine } = start()
    const parts = await all(file([7, 1]), { language: "fr", words: true, prompt: "Bonjour" })
    expect(parts).toMatchObject([{ text: "word 7", language: "fr", endMs: 1000, segments: [{ text: " word 7", startMs: 0, endMs: 1000 }] }])
    expect(engine.heard).toMatchObject([{ language: "fr", prompt: "Bonjour", words: true }])
  })

  test("of silence, or of nothing, is one part without words", async () => {
    const { all } = start()
    expect(await all(file([0, 2]))).toEqual([{ text: "", language: null, segments: [], endMs: 2000 }])
    expect(await all(new Uint8Array(0))).toEqual([{ text: "", language: null, segments: [], endMs: 0 }])
  })

  test("that is long is cut in its pauses, and its times and words go on from part to part", async () => {
    const { all, engine } = start()
    const parts = await all(LONG)
    expect(parts.map(({ text }) => text)).toEqual(["word 10", "word 20", "word 30"])
    expect(parts.at(-1)?.endMs).toBe(258_000)
    const [, second, third] = parts as [RecordingPart, RecordingPart, RecordingPart]
    expect(second.segments[0]?.startMs).toBeWithin(110_000, 114_001)
    expect(second.segments[0]?.words?.[0]?.startMs).toBe(second.segments[0]?.startMs as number)
    expect(third.segments[0]?.startMs).toBeWithin(224_000, 228_001)
    expect(second.endMs).toBe(third.segments[0]?.startMs as number)
    const samples = engine.heard.flatMap((utterance) => [...utterance.samples])
    expect(samples).toHaveLength(258 * 16_000)
    expect(samples.lastIndexOf(20)).toBe(224 * 16_000 - 1)
  }, 20_000)

  test("tells its parts in order, whichever is understood first, and hears two at a time", async () => {
    const answers = new Map<number, PromiseWithResolvers<string>>()
    const asked: number[] = []
    const answer = ({ samples }: { samples: Int16Array }) => {
      const value = samples.find((sample) => sample !== 0) as number
      asked.push(value)
      const given = Promise.withResolvers<string>()
      answers.set(value, given)
      return given.promise
    }
    const { recordings } = start({ answer })
    const parts = recordings.transcribe([LONG], OPTIONS, never())[Symbol.asyncIterator]()
    const first = parts.next()
    while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve))
    answers.get(20)?.resolve("two")
    await new Promise((resolve) => setImmediate(resolve))
    expect(asked).toEqual([10, 20])
    answers.get(10)?.resolve("one")
    expect((await first).value).toMatchObject({ text: "one" })
    expect((await parts.next()).value).toMatchObject({ text: "two" })
    answers.get(30)?.resolve("three")
    expect((await parts.next()).value).toMatchObject({ text: "three" })
    expect((await parts.next()).done).toBe(true)
  })

  test("without a container is read in the format it is said to have", async () => {
    const { all, clock } = start()
    const bytes = new Uint8Array(new Int16Array(48_000).fill(5).buffer)
    const raw = { encoding: "pcm_s16le", sampleRateHz: 16_000, channels: 1, channel: "mix" } as const
    expect(await settled(all(bytes, { ...OPTIONS, raw }), clock)).toMatchObject([{ text: "word 5", endMs: 3000 }])
  })
})

describe("what may go wrong", () => {
  test("damage in the middle comes after the parts before it", async () => {
    const { recordings, engine } = start()
    const parts: string[] = []
    const hear = async () => {
      for await (const { text } of recordings.transcribe([Uint8Array.from([...LONG, 255])], OPTIONS, never())) parts.push(text)
    }
    await expect(hear()).rejects.toMatchObject({ code: "bad_audio", message: "damaged" })
    expect(parts).toEqual(["word 10"])
    expect(engine.decoding).toBe(0)
  })

  test("a full queue refuses a recording before it begins, but not one that has begun", async () => {
    const { recordings, engine, clock } = start({ atOnce: 1, waitingMax: 0 })
    const others = await engine.permits.take(never())
    const refused = recordings
      .transcribe([file([7, 1])], OPTIONS, never())
      [Symbol.asyncIterator]()
      .next()
    await expect(refused).rejects.toMatchObject({ code: "overloaded" })
    others()
    const parts: string[] = []
    const hear = async () => {
      for await (const { text } of recordings.transcribe([LONG], OPTIONS, never())) parts.push(text)
    }
    await settled(hear(), clock)
    expect(parts).toEqual(["word 10", "word 20", "word 30"])
  })

  test("more recordings than may wait are refused", async () => {
    const waiting = Promise.withResolvers<string>()
    const { all } = start({ answer: () => waiting.promise })
    const five = Array.from({ length: 5 }, () => all(file([7, 1])))
    await expect(all(file([7, 1]))).rejects.toMatchObject({ code: "overloaded" })
    waiting.resolve("at last")
    expect((await Promise.all(five)).flat().map(({ text }) => text)).toEqual(new Array(5).fill("at last"))
  })

  test("that is short is refused when no engine is free in time; a longer one waits", async () => {
    const waiting = Promise.withResolvers<string>()
    const { all, recordings, clock } = start({ answer: () => waiting.promise, recordingsWaitingMs: 1500, recordingsWaitingMax: 9 })
    const four = Array.from({ length: 4 }, () => all(file([7, 1])))
    const late = all(file([7, 1])).catch((thrown: EngineError) => thrown)
    const long = Array.fromAsync(recordings.transcribe(coming(file([7, 1])), OPTIONS, never()))
    await clock.advance(1499)
    const inTime = all(file([7, 1]))
    await clock.advance(1)
    expect(await late).toMatchObject({ code: "overloaded", retryable: true, message: "no engine was free within 1500 ms" })
    waiting.resolve("at last")
    expect((await Promise.all([...four, inTime, long])).flat().map(({ text }) => text)).toEqual(new Array(6).fill("at last"))
    expect(clock.waiting).toBe(0)
  })

  test("that is short waits as little for streams that keep the engines as for other recordings", async () => {
    const { all, engine, clock } = start({ atOnce: 1, recordingsWaitingMs: 1500 })
    const ofStreams = await engine.permits.take(never())
    const late = all(file([7, 1])).catch((thrown: EngineError) => thrown)
    while (engine.permits.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(1500)
    expect(await late).toMatchObject({ code: "overloaded" })
    expect(engine.permits.waiting).toBe(0)
    ofStreams()
    expect(await all(file([7, 1]))).toMatchObject([{ text: "word 7" }])
  })

  test("that is short finds its way past long ones, however many came before", async () => {
    const held = Promise.withResolvers<string>()
    const answer = ({ samples }: { samples: Int16Array }) => (samples[0] === 9 ? held.promise : "short")
    const { all, recordings } = start({ answer, recordingsWaitingMax: 9 })
    const long = Array.from({ length: 5 }, () => Array.fromAsync(recordings.transcribe(coming(file([9, 1])), OPTIONS, never())))
    expect(await all(file([7, 1]))).toMatchObject([{ text: "short" }])
    held.resolve("long")
    expect((await Promise.all(long)).flat()).toHaveLength(5)
  })

  test("all work ends when the client leaves, and when the reader has heard enough", async () => {
    const signals: AbortSignal[] = []
    const answer = (_: unknown, signal: AbortSignal) => {
      signals.push(signal)
      if (signals.length % 2 === 1) return "first"
      return new Promise<string>((_, reject) => signal.addEventListener("abort", () => reject(new EngineError("aborted", "gone"))))
    }
    const { recordings, engine } = start({ answer })
    for await (const _ of recordings.transcribe([LONG], OPTIONS, never())) break
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])

    const client = new AbortController()
    const parts = recordings.transcribe([LONG], OPTIONS, client.signal)[Symbol.asyncIterator]()
    await parts.next()
    client.abort()
    await expect(parts.next()).rejects.toThrow()
    expect(engine.decoding).toBe(0)
    expect([engine.permits.taken, engine.permits.waiting]).toEqual([0, 0])
  })

  test("all work ends with the signal, also for a reader that asks no more", async () => {
    const { recordings, engine, all } = start({ recordingsWaitingMax: 0 })
    for (let reader = 0; reader < engine.transcriber.concurrency; reader++) {
      const client = new AbortController()
      const parts = recordings.transcribe([LONG], OPTIONS, client.signal)[Symbol.asyncIterator]()
      await parts.next()
      client.abort(new EngineError("aborted", "gone"))
      if (reader === 0) await expect(parts.next()).rejects.toThrow("gone")
    }
    while (engine.decoding > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await all(file([7, 1]))).toMatchObject([{ text: "word 7" }])
  })

  test("raw samples are refused beyond the length that a recording may have", async () => {
    const engine = createScriptedRecordings()
    const recordings = createRecordings(engine, { bytesMax: 1_000_000, secondsMax: 1 }, handClock())("test")
    const raw = { encoding: "mulaw", sampleRateHz: 8000, channels: 1, channel: "mix" } as const
    const parts = recordings.transcribe([new Uint8Array(8001)], { ...OPTIONS, raw }, never())
    await expect(Array.fromAsync(parts)).rejects.toMatchObject({ code: "bad_audio" })
  })

  test("a provider that only hears live streams says so", async () => {
    const refused = Array.fromAsync(noRecordings("deepgram").transcribe([new Uint8Array(1)], OPTIONS, never()))
    await expect(refused).rejects.toBeInstanceOf(Refused)
    await expect(refused).rejects.toMatchObject({ refusal: { status: 501, reason: "unsupported", retryable: false } })
  })
})

test("Raw samples in memory hold up nobody else, however small the pieces are that they lie in", async () => {
  const recordings = createRecordings(createScriptedRecordings(), { bytesMax: 100_000_000, secondsMax: 3600 }, realClock)("test")
  const raw = { encoding: "pcm_s16le", sampleRateHz: 48_000, channels: 2, channel: "mix" } as const
  const block = new Uint8Array(65_536)
  async function* minute() {
    for (let bytes = 0; bytes < 60 * 192_000; bytes += block.length) yield block
  }
  let turns = 0
  let over = false
  const count = () => {
    turns++
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  const [part] = await Array.fromAsync(recordings.transcribe(minute(), { ...OPTIONS, raw }, never()))
  over = true
  expect(part?.endMs).toBe(60_075)
  expect(turns).toBeGreaterThan(20)
})
