import { describe, expect, test } from "bun:test"
import { type Config, DEFAULT_CONFIG } from "../../src/dialects/config.ts"
import type { Dialect } from "../../src/dialects/dialect.ts"
import { createXrxFrames, createXrxUtterances } from "../../src/dialects/xrx.ts"
import type { EndCause, FailedEvent } from "../../src/speech/events.ts"
import { allCommands, samplesIn } from "../support/commands.ts"
import { finalEvent } from "../support/scripted-streams.ts"

const final = (text: string, { end = true, cause = "commit" as EndCause } = {}) => finalEvent(text, { end, cause })

const failed: FailedEvent = { type: "failed", utterance: 0, cause: "commit", code: "timeout", message: "no answer" }

const utterances = (wishes: Partial<Config> = {}) => createXrxUtterances({ ...DEFAULT_CONFIG, ...wishes })
const frames = (wishes: Partial<Config> = {}) => createXrxFrames({ ...DEFAULT_CONFIG, ...wishes })

/** All samples that the messages gave, and the kinds of the commands. */
function readAll(dialect: Dialect, messages: readonly number[][]) {
  const commands = messages.flatMap((message) => allCommands(dialect.readBytes(new Uint8Array(message))))
  return {
    types: commands.map((command) => command.type),
    samples: commands.flatMap((command) => (command.type === "accept" ? [...command.samples] : [])),
  }
}

describe("utterances in", () => {
  test("a message is audio and its end", () => {
    expect(readAll(utterances(), [[1, 0, 255, 255]])).toEqual({ types: ["accept", "commit"], samples: [1, -1] })
  })

  test("an odd last byte is dropped, so the next message keeps its own bytes", () => {
    const { types, samples } = readAll(utterances(), [
      [1, 0, 9],
      [2, 0],
    ])
    expect(types).toEqual(["accept", "commit", "accept", "commit"])
    expect(samples).toEqual([1, 2])
  })

  test("a message without a whole sample asks for nothing", () => {
    expect(readAll(utterances(), [[], [7]]).types).toEqual([])
  })

  test("text asks for nothing", () => {
    expect(utterances().readText("hello")).toEqual([])
    expect(frames().readText('{"type":"commit"}')).toEqual([])
  })

  test("the samples do not change when the socket uses its buffer again", () => {
    const buffer = new Uint8Array([1, 0])
    const [accept] = allCommands(utterances().readBytes(buffer))
    buffer.fill(9)
    expect(accept).toEqual({ type: "accept", samples: new Int16Array([1]) })
  })
})

describe("frames in", () => {
  test("any slicing of the same bytes gives the same samples and no end", () => {
    const bytes = [1, 0, 2, 0, 3, 0, 4, 1]
    for (let cut = 0; cut <= bytes.length; cut++) {
      for (let second = cut; second <= bytes.length; second++) {
        const slices = [bytes.slice(0, cut), bytes.slice(cut, second), bytes.slice(second)]
        const { types, samples } = readAll(frames(), slices)
        expect(samples).toEqual([1, 2, 3, 260])
        expect(types).not.toContain("commit")
      }
    }
  })
})

describe("the stream behind", () => {
  test("of utterances hears no end by itself, of frames by the numbers of the URL; neither gives partials or times", () => {
    const wishes = {
      language: "de",
      prompt: "Xanten",
      threshold: 0.4,
      prefix_ms: 100,
      silence_ms: 700,
      max_ms: 9000,
      interim: true,
      words: true,
    }
    const both = { language: "de", prompt: "Xanten", interims: false, words: false }
    expect(utterances(wishes).stream).toEqual({ ...both, endpointing: null })
    const endpointing = { threshold: 0.4, prefixMs: 100, silenceMs: 700, maxMs: 9000 }
    expect(frames(wishes).stream).toEqual({ ...both, endpointing })
  })
})

describe("another encoding or rate", () => {
  const tone = (count: number) => Array.from({ length: count }, (_, nth) => (nth % 7) * 30)

  test("is heard as 16 kHz, each utterance whole to its last sample and not a sample of the one before", () => {
    const dialect = utterances({ encoding: "mulaw", sample_rate: 8000 })
    const { types, samples } = readAll(dialect, [tone(800)])
    expect(types.at(-1)).toBe("commit")
    expect(samples).toHaveLength(1600)
    expect(readAll(dialect, [tone(800)]).samples).toEqual(samples)
  })

  test("does not depend on the slicing of a stream", () => {
    const whole = readAll(frames({ encoding: "pcm_f32le", sample_rate: 48_000, channels: 2 }), [tone(48_000)]).samples
    const slices = Array.from({ length: 4800 }, (_, nth) => tone(48_000).slice(nth * 10, nth * 10 + 10))
    expect(readAll(frames({ encoding: "pcm_f32le", sample_rate: 48_000, channels: 2 }), slices).samples).toEqual(whole)
    expect(whole.length).toBeGreaterThan(1000)
  })
})

describe("a message that takes long to read", () => {
  const long = new Uint8Array(100_000).map((_, at) => at * 31)
  const format = { encoding: "mulaw", sample_rate: 8000 } as const

  test("is read in steps, each of some seconds of sound, and gives what it gives at once", () => {
    for (const dialect of [utterances(format), frames(format)]) {
      const read = dialect.readBytes(long)
      if (!("next" in read)) throw new Error("read at once")
      const steps = allCommands(read)
      expect(steps.filter(({ type }) => type === "accept").length).toBeGreaterThan(5)
      for (const step of steps) if (step.type === "accept") expect(step.samples.length).toBeLessThanOrEqual(32_000)
      const pieces = Array.from({ length: 100 }, (_, nth) => long.subarray(nth * 1000, nth * 1000 + 1000))
      const slices = frames(format)
      const atOnce = pieces.flatMap((piece) => samplesIn(allCommands(slices.readBytes(piece))))
      expect(samplesIn(steps).slice(0, atOnce.length)).toEqual(atOnce)
    }
  })

  test("stays as it was although the socket uses its buffer again", () => {
    const buffer = long.slice()
    const read = utterances(format).readBytes(buffer)
    buffer.fill(0)
    expect(samplesIn(allCommands(read))).toEqual(samplesIn(allCommands(utterances(format).readBytes(long))))
  })

  test("is read at once where nothing is resampled", () => {
    expect(utterances().readBytes(new Uint8Array(10_000_000))).toBeArrayOfSize(2)
  })
})

describe("words out", () => {
  test("the segments of an utterance are one text, sent at its end, trimmed and single-spaced", () => {
    const { write } = utterances()
    expect(write(final(" Hello. ", { end: false }))).toEqual([])
    expect(write(final("  Two  words.", { end: true }))).toEqual(["Hello. Two words."])
    expect(write(final("Next."))).toEqual(["Next."])
  })

  test("silence says nothing, and leaves nothing to the next utterance", () => {
    for (const { write } of [utterances(), frames()]) {
      expect(write(final(""))).toEqual([])
      expect(write(final(" \n "))).toEqual([])
      expect(write(final("words"))).toEqual(["words"])
    }
  })

  test("a failure says nothing and takes the words before it along", () => {
    for (const { write } of [utterances(), frames()]) {
      expect(write(final("half", { end: false }))).toEqual([])
      expect(write(failed)).toEqual([])
      expect(write(final("whole"))).toEqual(["whole"])
    }
  })

  test("in a stream each end that the engine hears is a turn", () => {
    const { write } = frames()
    expect(write(final("one", { cause: "endpoint" }))).toEqual(["one"])
    expect(write(final("two", { cause: "max" }))).toEqual(["two"])
    expect(write(final("three", { cause: "close" }))).toEqual(["three"])
  })

  test("a whole utterance that the engine had to cut is still one turn", () => {
    const { write } = utterances()
    expect(write(final("one", { cause: "max" }))).toEqual([])
    expect(write(final("two", { cause: "max" }))).toEqual([])
    expect(write(final("three", { cause: "commit" }))).toEqual(["one two three"])
  })

  test("nothing else that happens is ever a text", () => {
    for (const { write, greet, finished, fail } of [utterances(), frames()]) {
      expect(write({ type: "speech_start", utterance: 0, atMs: 0 })).toEqual([])
      expect(write({ type: "partial", utterance: 0, segment: 0, text: "hel", stable: 0, startMs: 0, endMs: 10, lagMs: 0 })).toEqual([])
      expect(write({ type: "speech_end", utterance: 0, atMs: 10 })).toEqual([])
      expect(greet({ session: "s", model: "m" })).toEqual([])
      expect(finished({ audioMs: 1, utterances: 1 })).toEqual([])
      expect(fail("engine_gone", "gone")).toEqual([])
    }
  })
})
