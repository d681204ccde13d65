import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createDeepgram, type DeepgramOptions } from "../../src/engines/deepgram.ts"
import type { Engine, Stream } from "../../src/engines/engine.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { type HandClock, handClock } from "../support/clock.ts"
import { type DeepgramUpstream, startDeepgram } from "../support/deepgram-upstream.ts"
import { type LogTap, tapLog } from "../support/log.ts"

const KEY = "the-secret-key"

let deepgram: DeepgramUpstream
let clock: HandClock
let tap: LogTap
let engines: Engine[]

beforeEach(() => {
  deepgram = startDeepgram()
  clock = handClock()
  tap = tapLog()
  engines = []
})

afterEach(async () => {
  for (const engine of engines) await engine.close()
  expect(clock.waiting).toBe(0)
  await Promise.all(deepgram.calls.map((call) => call.closed))
  const log = JSON.stringify(tap.lines)
  for (const secret of [KEY, ...deepgram.said]) expect(log).not.toContain(secret)
  await deepgram.stop()
})

function engineAt(baseUrl = deepgram.url, options: Partial<DeepgramOptions> = {}): Engine {
  const engine = createDeepgram({ apiKey: KEY, baseUrl, clock, log: tap.log, ...options })
  engines.push(engine)
  return engine
}

function open(engine = engineAt(), language = "en"): Stream & { next(): Promise<SpeechEvent>; rest(): Promise<SpeechEvent[]> } {
  const stream = engine.open({ language, session: "s1" })
  const events = stream.events[Symbol.asyncIterator]()
  return Object.assign(stream, {
    async next() {
      const { value, done } = await events.next()
      if (done) throw new Error("the events ended")
      return value as SpeechEvent
    },
    rest: () => Array.fromAsync(stream.events),
  })
}

/** Every sample tells its place in the stream, so that audio sent twice, late or not at all shows. */
function audio(fromMs: number, toMs: number): Int16Array {
  return Int16Array.from({ length: (toMs - fromMs) * 16 }, (_, i) => (fromMs * 16 + i) % 32_749)
}

function final(text: string, startMs: number, endMs: number, rest: { utterance?: number; cause?: string; language?: string } = {}) {
  const numbers = { avgLogprob: null, noSpeechProb: null }
  return {
    type: "final",
    utterance: 0,
    text,
    startMs,
    endMs,
    end: true,
    cause: "endpoint",
    language: "en",
    ...numbers,
    ...rest,
  } as SpeechEvent
}

describe("a continuous stream", () => {
  test("is dialled with the first audio, as the settings want it", async () => {
    const stream = open()
    await engines[0]!.ready()
    expect(deepgram.dials).toBe(0)
    stream.accept(audio(0, 100))
    const call = await deepgram.call(0)
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

  test("gives one final for the finals up to speech_final, and nothing for interims", async () => {
    const stream = open()
    stream.accept(audio(0, 2_000))
    const call = await deepgram.call(0)
    await call.heard(32_000)
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
    expect(await stream.next()).toEqual(final("Zebras graze at noon.", 200, 1_300))
    call.results("Next.", { end: 2, speechFinal: true, words: [{ start: 1.6, end: 1.9 }] })
    expect(await stream.next()).toEqual(final("Next.", 1_600, 1_900, { utterance: 1 }))
    expect(stream.pendingSamples).toBe(0)
    expect(call.wire).toEqual(["audio 32000"])
  })
})
