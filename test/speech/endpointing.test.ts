/** One continuous stream, step by step: what its ears, its caller and its transcriber bring about. */
import { describe, expect, test } from "bun:test"
import { joinSamples, msFromSamples } from "../../src/audio/pcm.ts"
import { type Endpointing, EngineError, type StreamOptions, type Transcriber, type Utterance } from "../../src/engines/engine.ts"
import { createLog } from "../../src/log.ts"
import { createPermits } from "../../src/permits.ts"
import { UTTERANCE_SAMPLES_MAX } from "../../src/speech/endpointer.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import type { Transcript } from "../../src/speech/transcript.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { WINDOW_SAMPLES } from "../../src/speech/vad/vad.ts"
import { handClock } from "../support/clock.ts"
import { energyVad } from "../support/energy-vad.ts"
import { terminators } from "../support/event-laws.ts"
import { wordSound, wordsIn, wordText } from "../support/spoken.ts"

const usual: Endpointing = { threshold: 0.5, prefixMs: 320, silenceMs: 480, maxMs: 30_000 }

interface Call extends Utterance {
  readonly signal: AbortSignal
  /** With the words in its audio. */
  answer(): void
  fail(error: unknown): void
}

/** A transcriber that answers when the test says so. */
function scripted(interims: boolean, hearsContext: boolean) {
  const calls: Call[] = []
  const transcriber: Transcriber = {
    name: "scripted",
    model: "test",
    concurrency: 4,
    interims,
    hearsContext,
    transcribe: (utterance, signal) =>
      new Promise((resolve, reject) => {
        const heard = wordsIn(utterance.samples).map(({ index }) => index)
        const numbers = { startMs: 0, endMs: 1, avgLogprob: -0.1, noSpeechProb: 0, compressionRatio: 1, temperature: 0, words: null }
        const text = heard.map(wordText).join(" ")
        const segments = hearsContext ? [{ ...numbers, text, tokens: heard }] : []
        const transcript: Transcript = { text, language: utterance.language, segments }
        signal.addEventListener("abort", () => reject(new EngineError("aborted", "given up")))
        calls.push({ ...utterance, signal, answer: () => resolve(transcript), fail: reject })
      }),
    ready: async () => {},
    close: async () => {},
  }
  return { transcriber, calls }
}

function listening(options: Partial<StreamOptions> & { free?: boolean; hearsContext?: boolean; atOnce?: number } = {}) {
  const { free = true, hearsContext = false, atOnce = 2, ...streamOptions } = options
  const { transcriber, calls } = scripted(free, hearsContext)
  const vad = energyVad()
  const permits = createPermits({ atOnce, waitingMax: 8 })
  const lines: string[] = []
  const log = createLog({ level: "debug", write: (line) => lines.push(line) })
  const clock = handClock()
  const engine = liftTranscriber(transcriber, { permits, vad, clock, log })
  const stream = engine.open({ language: "en", session: "s", endpointing: usual, interims: false, words: false, ...streamOptions })
  const events: SpeechEvent[] = []
  let ended = false
  void (async () => {
    for await (const event of stream.events) events.push(event)
    ended = true
  })()
  const hear = async (...sounds: Int16Array[]) => {
    stream.accept(joinSamples(sounds))
    await soon()
  }
  return { stream, calls, vad, permits, events, hear, lines, clock, engine, ended: () => ended }
}

const soon = async () => {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve()
}

const windows = (count: number) => new Int16Array(count * WINDOW_SAMPLES)
const word = (index: number, count = 12) => wordSound(index, count * WINDOW_SAMPLES)
const ms = (count: number) => msFromSamples(count * WINDOW_SAMPLES)
const typesOf = (events: readonly SpeechEvent[]) => events.map(({ type }) => type)

describe("a stream with endpointing", () => {
  test("tells where speech began and ended, and its words", async () => {
    const { hear, events, calls } = listening()
    await hear(windows(20), word(1), windows(15))
    for (const call of calls) call.answer()
    await soon()
    expect(events).toMatchObject([
      { type: "speech_start", utterance: 0, atMs: ms(10) },
      { type: "speech_end", utterance: 0, atMs: ms(47) },
      { type: "final", utterance: 0, text: "W1", startMs: ms(10), endMs: ms(35), cause: "endpoint" },
    ])
  })

  test("owes nothing for silence, however long, and opens its ears with the first audio only", async () => {
    const { stream, hear, vad, events } = listening()
    expect(vad.opened).toBe(0)
    await hear(windows(20_000), new Int16Array(100))
    expect(vad.opened).toBe(1)
    expect(stream.pendingSamples).toBe(100)
    expect(events).toEqual([])
    await hear(word(1))
    expect(stream.pendingSamples).toBe(12 * WINDOW_SAMPLES + usual.prefixMs * 16 + 100)
  })

  test("obeys a commit when the audio before it has been judged, and not earlier", async () => {
    const { stream, hear, vad, events, calls } = listening()
    vad.hold()
    await hear(windows(20), word(1))
    stream.commit()
    await hear(word(2), windows(20))
    expect(events).toEqual([])
    vad.release()
    await soon()
    for (const call of calls) call.answer()
    await soon()
    expect(terminators(events)).toMatchObject([
      { type: "final", utterance: 0, text: "W1", cause: "commit", endMs: ms(32) },
      { type: "final", utterance: 1, text: "W2", cause: "endpoint", startMs: ms(32) },
    ])
  })

  test("judges its last, broken window as if silence followed", async () => {
    const { stream, hear, events, calls } = listening()
    await hear(windows(3), word(1, 8), new Int16Array(100).fill(1201))
    stream.finish()
    await soon()
    for (const call of calls) call.answer()
    await soon()
    expect(events.at(-1)).toMatchObject({ type: "final", text: "W1", cause: "close", endMs: msFromSamples(11 * WINDOW_SAMPLES + 100) })
  })

  test("gives an utterance the language and prompt that held when it began", async () => {
    const { stream, hear, calls } = listening({ prompt: "first" })
    await hear(word(1))
    stream.configure({ language: "fr", prompt: "second" })
    await hear(windows(20), word(2), windows(20))
    const asked = calls.map(({ language, prompt, samples }) => ({ language, prompt, first: wordsIn(samples)[0]?.index }))
    expect(asked).toEqual([
      { language: "en", prompt: "first", first: 1 },
      { language: "fr", prompt: "second", first: 2 },
    ])
  })

  test("that loses its ears fails what is open by name, answers what it owes, and ends", async () => {
    const { stream, hear, vad, events, calls, lines, ended } = listening()
    await hear(word(1), windows(20))
    await hear(word(2))
    vad.hold()
    await hear(word(3))
    stream.commit()
    stream.commit()
    stream.clear()
    vad.fail(new EngineError("unavailable", "it died"))
    await soon()
    expect(ended()).toBeFalse()
    for (const call of calls) call.answer()
    await soon()
    expect(terminators(events)).toMatchObject([
      { type: "final", utterance: 0, text: "W1" },
      { type: "failed", utterance: 1, cause: "commit", code: "unavailable", message: "it died" },
      { type: "failed", utterance: 2, cause: "commit", code: "unavailable" },
      { type: "cleared", utterance: null },
    ])
    expect(ended()).toBeTrue()
    expect(stream.pendingSamples).toBe(0)
    expect(lines.join()).toContain("voice activity detection lost")
  })

  test("that loses its ears in the middle of an utterance says that none of its causes came", async () => {
    const { hear, vad, events } = listening()
    await hear(word(1))
    vad.fail(new EngineError("unavailable", "it died"))
    await soon()
    expect(events.at(-1)).toMatchObject({ type: "failed", utterance: 0, cause: null })
  })
})

describe("a final begun in a pause", () => {
  test("is the final if nothing more was said: one question, answered at once when the end is heard", async () => {
    const { hear, calls, events } = listening()
    await hear(word(1), windows(6))
    expect(calls).toHaveLength(1)
    calls[0]?.answer()
    await hear(windows(8))
    expect(typesOf(events)).toEqual(["speech_start"])
    await hear(windows(1))
    expect(typesOf(events)).toEqual(["speech_start", "speech_end", "final"])
    expect(calls).toHaveLength(1)
  })

  test("is given up and forgotten when speech returns", async () => {
    const { hear, calls, events, permits } = listening()
    await hear(word(1), windows(6))
    await hear(word(2))
    expect(calls[0]?.signal.aborted).toBeTrue()
    expect(permits.taken).toBe(0)
    await hear(windows(20))
    calls[1]?.answer()
    await soon()
    expect(calls).toHaveLength(2)
    expect(events.at(-1)).toMatchObject({ type: "final", text: "W1 W2" })
  })

  test("hears the same audio as one begun at the end", async () => {
    const asked = async (free: boolean) => {
      const { hear, calls } = listening({ free })
      await hear(windows(20), word(1), windows(20))
      return calls.map(({ samples }) => samples)
    }
    expect(await asked(true)).toEqual(await asked(false))
  })

  test("is asked for again if it failed", async () => {
    const { hear, calls, events } = listening()
    await hear(word(1), windows(6))
    calls[0]?.fail(new EngineError("unavailable", "died"))
    await hear(windows(20))
    calls[1]?.answer()
    await soon()
    expect(events.at(-1)).toMatchObject({ type: "final", text: "W1" })
  })

  test("is not begun where it would cost money", async () => {
    const { hear, calls } = listening({ free: false })
    await hear(word(1), windows(6))
    expect(calls).toHaveLength(0)
    await hear(windows(20))
    expect(calls).toHaveLength(1)
  })

  test("is not begun while others wait, nor while half of the engine is taken", async () => {
    for (const [atOnce, others] of [
      [1, 2],
      [4, 2],
    ] as const) {
      const { hear, calls, permits } = listening({ atOnce })
      const over = new AbortController()
      const taken = Array.from({ length: others }, () => permits.take(over.signal))
      const before = permits.waiting
      await hear(word(1), windows(6))
      expect([calls.length, permits.waiting]).toEqual([0, before])
      await hear(windows(20))
      expect(calls.length + permits.waiting).toBe(before + 1)
      over.abort()
      for (const permit of await Promise.allSettled(taken)) if (permit.status === "fulfilled") permit.value()
    }
  })
})

describe("an utterance that follows closely on another", () => {
  const following = (options: Parameters<typeof listening>[0] = {}) => listening({ hearsContext: true, ...options })

  test("is heard with it as soon as its words are known, also in a pause that may be its end", async () => {
    const { hear, calls, permits } = following()
    await hear(word(1), windows(20), word(2), windows(6))
    expect(calls).toHaveLength(1)
    expect(calls[0]?.context).toBeUndefined()
    expect(permits.taken).toBe(1)
    calls[0]?.answer()
    await soon()
    expect(calls).toHaveLength(2)
    const [first, second] = calls
    expect(wordsIn(second?.samples ?? new Int16Array()).map(({ index }) => index)).toEqual([2])
    expect(second?.context?.tokens).toEqual([1])
    expect(joinSamples([second?.context?.samples ?? new Int16Array(), second?.samples ?? new Int16Array()])).toEqual(
      joinSamples([word(1), windows(20), word(2), windows(3)]),
    )
    expect(first?.samples.length).toBeLessThan(second?.context?.samples.length ?? 0)
  })

  test("has the same context if it is not begun in a pause", async () => {
    const { hear, calls } = following({ free: false })
    await hear(word(1), windows(20), word(2), windows(20), word(3), windows(20))
    for (const index of [0, 1, 2]) {
      calls[index]?.answer()
      await soon()
    }
    expect(calls.map(({ context }) => context?.tokens)).toEqual([undefined, [1], [1, 2]])
    expect(wordsIn(calls[2]?.context?.samples ?? new Int16Array()).map(({ index }) => index)).toEqual([1, 2])
  })

  test("is heard by itself if that failed, was longer ago, was cleared away, or nobody has use for it", async () => {
    const contextOf = async (
      options: Parameters<typeof listening>[0],
      between: (heard: ReturnType<typeof listening>) => Promise<void> | void,
      end: (call: Call | undefined) => void = (call) => call?.answer(),
    ) => {
      const heard = following(options)
      await heard.hear(word(1), windows(20))
      if (options?.endpointing === null) heard.stream.commit()
      await soon()
      end(heard.calls[0])
      await between(heard)
      await heard.hear(word(2), windows(20))
      if (options?.endpointing === null) heard.stream.commit()
      await soon()
      expect(heard.calls).toHaveLength(2)
      return heard.calls[1]?.context?.tokens
    }
    expect(await contextOf({ free: false }, () => {})).toEqual([1])
    expect(
      await contextOf(
        { free: false },
        () => {},
        (call) => call?.fail(new EngineError("timeout", "late")),
      ),
    ).toBeUndefined()
    expect(await contextOf({}, ({ hear }) => hear(windows(63)))).toBeUndefined()
    expect(await contextOf({}, ({ stream }) => stream.clear())).toBeUndefined()
    expect(await contextOf({ endpointing: null }, () => {})).toBeUndefined()
    expect(await contextOf({ hearsContext: false }, () => {})).toBeUndefined()
  })

  test("does not wait for those before it where nobody has use for their words", async () => {
    const { hear, calls } = listening()
    await hear(word(1), windows(20), word(2), windows(20))
    expect(calls).toHaveLength(2)
  })
})

describe("an utterance that nobody ends", () => {
  test("is ended at a pause before it could keep its client from being read for ever", async () => {
    const { stream, calls, events, hear } = listening({ endpointing: null, atOnce: 8 })
    const long = new Int16Array(UTTERANCE_SAMPLES_MAX + 1000).fill(1500)
    const pause = UTTERANCE_SAMPLES_MAX - 40_000
    long.fill(0, pause, pause + 4000)
    await hear(long.slice(0, UTTERANCE_SAMPLES_MAX))
    expect(events).toEqual([])
    await hear(long.slice(UTTERANCE_SAMPLES_MAX))
    stream.commit()
    await soon()
    for (const call of calls) call.answer()
    await soon()
    const [first, second] = calls.map(({ samples }) => samples)
    expect(first?.length).toBeGreaterThan(pause + 1000)
    expect(first?.length).toBeLessThan(pause + 3000)
    expect(joinSamples([first, second] as Int16Array[])).toEqual(long)
    expect(terminators(events)).toMatchObject([
      { type: "final", cause: "max", endMs: msFromSamples(first?.length as number) },
      { type: "final", cause: "commit", startMs: msFromSamples(first?.length as number), endMs: msFromSamples(long.length) },
    ])
  })
})
