/** When interims are asked for and what is told of them, by a clock turned by hand. */
import { describe, expect, test } from "bun:test"
import { samplesFromMs } from "../../src/audio/pcm.ts"
import { EngineError, type Transcriber, type Utterance } from "../../src/engines/engine.ts"
import type { PartialEvent } from "../../src/speech/events.ts"
import {
  BEHIND_SAMPLES,
  createPartials,
  EARLY_SAMPLES,
  FIRST_SAMPLES,
  LATE_MS,
  NEXT_SAMPLES,
  REPEAT_MS,
  RETRY_SAMPLES,
} from "../../src/speech/partials.ts"
import { createTape } from "../../src/speech/tape.ts"
import type { Transcript } from "../../src/speech/transcript.ts"
import { handClock } from "../support/clock.ts"

interface Call extends Utterance {
  readonly signal: AbortSignal
  answer(text: string): void
  fail(error: unknown): void
}

function listening() {
  const calls: Call[] = []
  const transcriber: Transcriber = {
    name: "scripted",
    model: "test",
    concurrency: 2,
    interims: true,
    transcribe: (utterance, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new EngineError("aborted", "given up")))
        calls.push({ ...utterance, signal, answer: (text) => resolve(transcriptOf(text)), fail: reject })
      }),
    ready: async () => {},
    close: async () => {},
  }
  const tape = createTape()
  const clock = handClock()
  const told: PartialEvent[] = []
  const mistakes: unknown[] = []
  const partials = createPartials({
    transcriber,
    tape,
    clock,
    push: (event) => told.push(event),
    onMistake: (thrown) => mistakes.push(thrown),
  })
  /** The stream goes on for so long, in real time. */
  const speak = async (samples: number) => {
    await clock.advance(0) // answers given before come in before
    tape.add(new Int16Array(samples).fill(1))
    await clock.advance(samples / 16)
    partials.heard(tape.endSample)
    await clock.advance(0)
  }
  partials.begin({ utterance: 4, startSample: 0, language: "en", prompt: "names" }, 0, Number.POSITIVE_INFINITY)
  return { partials, calls, tape, clock, told, mistakes, speak }
}

function transcriptOf(text: string): Transcript {
  const numbers = { avgLogprob: -0.1, noSpeechProb: 0, compressionRatio: 1, temperature: 0, words: null }
  const tokens = text.split(" ").map((word) => word.length)
  return { text, language: "en", segments: text === "" ? [] : [{ text, startMs: 0, endMs: 1, ...numbers, tokens }] }
}

const moment = samplesFromMs(20)

describe("interims", () => {
  test("are first asked for when a word may have been said, behind all others and with what the stream was told", async () => {
    const { calls, speak, told } = listening()
    await speak(FIRST_SAMPLES - 1)
    expect(calls).toHaveLength(0)
    await speak(1)
    expect(calls).toMatchObject([{ language: "en", prompt: "names", interim: true, words: true }])
    expect(calls[0]?.samples).toHaveLength(FIRST_SAMPLES)
    await speak(moment)
    calls[0]?.answer("one")
    await speak(0)
    const endMs = FIRST_SAMPLES / 16
    expect(told).toEqual([{ type: "partial", utterance: 4, segment: 0, text: "one", stable: 0, startMs: 0, endMs, lagMs: 20 }])
  })

  test("are asked for one at a time, after as much new audio as a word takes", async () => {
    const { calls, speak } = listening()
    await speak(FIRST_SAMPLES)
    await speak(NEXT_SAMPLES * 3)
    expect(calls).toHaveLength(1)
    const quick = listening()
    await quick.speak(FIRST_SAMPLES)
    quick.calls[0]?.answer("one")
    await quick.speak(NEXT_SAMPLES - 1)
    expect(quick.calls).toHaveLength(1)
    await quick.speak(1)
    expect(quick.calls).toHaveLength(2)
    expect(quick.calls[1]?.draft).toEqual({ tokens: [3], fixed: 0 })
  })

  test("are asked for sooner as long as no word is known", async () => {
    const { calls, speak } = listening()
    await speak(FIRST_SAMPLES)
    calls[0]?.answer("")
    await speak(EARLY_SAMPLES)
    calls[1]?.answer("one")
    await speak(EARLY_SAMPLES)
    expect(calls).toHaveLength(2)
    await speak(NEXT_SAMPLES - EARLY_SAMPLES)
    expect(calls.map(({ samples }) => samples.length - FIRST_SAMPLES)).toEqual([0, EARLY_SAMPLES, EARLY_SAMPLES + NEXT_SAMPLES])
  })

  test("are asked for the less often the longer their answers take", async () => {
    const { calls, speak } = listening()
    await speak(FIRST_SAMPLES)
    await speak(samplesFromMs(1000))
    calls[0]?.answer("one")
    await speak(samplesFromMs(999))
    expect(calls).toHaveLength(1)
    await speak(moment)
    expect(calls).toHaveLength(2)
  })

  test("that find no room come later, and nothing is told of it", async () => {
    const { calls, speak, told, mistakes } = listening()
    await speak(FIRST_SAMPLES)
    calls[0]?.fail(new EngineError("overloaded", "no room"))
    await speak(RETRY_SAMPLES - 1)
    expect(calls).toHaveLength(1)
    await speak(1)
    expect(calls).toHaveLength(2)
    expect(calls[1]?.samples).toHaveLength(FIRST_SAMPLES)
    expect([told, mistakes]).toEqual([[], []])
  })

  test("hear the audio up to the same places in any slices, also when an answer is a little late or finds no room", async () => {
    const { calls, speak } = listening()
    await speak(FIRST_SAMPLES + moment)
    await speak(NEXT_SAMPLES)
    calls[0]?.answer("one")
    await speak(moment)
    calls[1]?.fail(new EngineError("overloaded", "no room"))
    await speak(NEXT_SAMPLES)
    calls[2]?.answer("one two")
    await speak(moment)
    expect(calls.map(({ samples }) => samples.length - FIRST_SAMPLES)).toEqual([0, NEXT_SAMPLES, NEXT_SAMPLES, 2 * NEXT_SAMPLES])
  })

  test("follow each other at once when more was heard meanwhile", async () => {
    const { calls, clock, speak } = listening()
    await speak(FIRST_SAMPLES)
    await speak(NEXT_SAMPLES)
    calls[0]?.answer("one")
    await clock.advance(0)
    expect(calls).toHaveLength(2)
  })

  test("leave out places that are long past", async () => {
    const { calls, speak } = listening()
    await speak(FIRST_SAMPLES + BEHIND_SAMPLES + 1)
    await speak(0)
    expect(calls).toHaveLength(1)
    expect(calls[0]?.samples).toHaveLength(FIRST_SAMPLES + Math.ceil((BEHIND_SAMPLES + 2 - NEXT_SAMPLES) / EARLY_SAMPLES) * EARLY_SAMPLES)
  })

  test("are not asked for in a pause", async () => {
    const { calls, speak, partials } = listening()
    partials.pause(FIRST_SAMPLES - 1)
    await speak(FIRST_SAMPLES + NEXT_SAMPLES)
    expect(calls).toHaveLength(0)
    partials.resume(FIRST_SAMPLES + NEXT_SAMPLES)
    const place = FIRST_SAMPLES + Math.ceil(NEXT_SAMPLES / EARLY_SAMPLES) * EARLY_SAMPLES
    await speak(place - FIRST_SAMPLES - NEXT_SAMPLES - 1)
    expect(calls).toHaveLength(0)
    await speak(1)
    expect(calls[0]?.samples).toHaveLength(place)
  })

  test("given up in a pause are asked for again after it", async () => {
    const { calls, speak, partials } = listening()
    await speak(FIRST_SAMPLES)
    partials.abort()
    partials.pause(FIRST_SAMPLES)
    await speak(NEXT_SAMPLES)
    partials.resume(FIRST_SAMPLES + NEXT_SAMPLES)
    await speak(moment)
    expect(calls.map(({ samples }) => samples.length)).toEqual([FIRST_SAMPLES, FIRST_SAMPLES])
    calls[1]?.answer("one")
    await speak(NEXT_SAMPLES)
    expect(calls[2]?.samples).toHaveLength(FIRST_SAMPLES + 2 * NEXT_SAMPLES)
  })

  test("are given up when the utterance is over, and whatever comes then reaches nobody", async () => {
    const { calls, speak, partials, told } = listening()
    await speak(FIRST_SAMPLES)
    calls[0]?.answer("late")
    expect(partials.end()).toBeNull()
    expect(calls[0]?.signal.aborted).toBeTrue()
    await speak(NEXT_SAMPLES * 9)
    expect(told).toEqual([])
    expect(calls).toHaveLength(1)
  })

  test("that break their promise are reported, and cost no more than themselves", async () => {
    const { calls, speak, mistakes } = listening()
    await speak(FIRST_SAMPLES)
    calls[0]?.fail(new TypeError("a mistake"))
    await speak(NEXT_SAMPLES)
    expect(mistakes).toEqual([new TypeError("a mistake")])
    expect(calls).toHaveLength(2)
  })
})

describe("partials", () => {
  test("say nothing of silence, and take words back once", async () => {
    const { calls, speak, told } = listening()
    await speak(FIRST_SAMPLES)
    for (const text of ["", "one", "", "", "two"]) {
      calls.at(-1)?.answer(text)
      await speak(NEXT_SAMPLES)
    }
    expect(told.map((event) => event.text)).toEqual(["one", "", "two"])
  })

  test("are repeated with their growing lag when new ones stay out, about once a second", async () => {
    const { calls, speak, told } = listening()
    await speak(FIRST_SAMPLES)
    calls[0]?.answer("one")
    await speak(moment)
    for (let at = 0; at < 4000; at += 20) await speak(moment)
    expect(told.length).toBeGreaterThanOrEqual(4)
    expect(told.length).toBeLessThanOrEqual(5)
    expect(told[1]?.lagMs).toBeGreaterThanOrEqual(LATE_MS)
    for (const [index, event] of told.entries()) {
      expect(event).toMatchObject({ text: "one", endMs: FIRST_SAMPLES / 16 })
      if (index > 1) expect(event.lagMs - (told[index - 1]?.lagMs as number)).toBeGreaterThanOrEqual(REPEAT_MS - 20)
    }
  })

  test("learn from what else was understood of the utterance", async () => {
    const { partials, speak, told } = listening()
    await speak(FIRST_SAMPLES)
    partials.abort()
    partials.learn(transcriptOf("one two"), FIRST_SAMPLES)
    expect(told).toMatchObject([{ text: "one two", endMs: FIRST_SAMPLES / 16 }])
  })
})
