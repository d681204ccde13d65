import { describe, expect, test } from "bun:test"
import type { Dialect } from "../../src/dialects/dialect.ts"
import { createXrxFrames, createXrxUtterances } from "../../src/dialects/xrx.ts"
import type { EndCause, FinalEvent } from "../../src/speech/events.ts"

function final(text: string, { end = true, cause = "commit" as EndCause } = {}): FinalEvent {
  const numbers = { utterance: 0, startMs: 0, endMs: 0, language: null, avgLogprob: null, noSpeechProb: null }
  return { type: "final", text, end, cause, ...numbers }
}

const failed = { type: "failed", utterance: 0, code: "timeout", message: "no answer" } as const

/** All samples that the messages gave, and the kinds of the commands. */
function readAll(dialect: Dialect, messages: readonly number[][]) {
  const commands = messages.flatMap((message) => [...dialect.readBytes(new Uint8Array(message))])
  return {
    types: commands.map((command) => command.type),
    samples: commands.flatMap((command) => (command.type === "accept" ? [...command.samples] : [])),
  }
}

describe("utterances in", () => {
  test("a message is audio and its end", () => {
    expect(readAll(createXrxUtterances(), [[1, 0, 255, 255]])).toEqual({ types: ["accept", "commit"], samples: [1, -1] })
  })

  test("an odd last byte is dropped, so the next message keeps its own bytes", () => {
    const { types, samples } = readAll(createXrxUtterances(), [
      [1, 0, 9],
      [2, 0],
    ])
    expect(types).toEqual(["accept", "commit", "accept", "commit"])
    expect(samples).toEqual([1, 2])
  })

  test("a message without a whole sample asks for nothing", () => {
    expect(readAll(createXrxUtterances(), [[], [7]]).types).toEqual([])
  })

  test("text asks for nothing", () => {
    expect(createXrxUtterances().readText("hello")).toEqual([])
    expect(createXrxFrames().readText('{"type":"commit"}')).toEqual([])
  })

  test("the samples do not change when the socket uses its buffer again", () => {
    const buffer = new Uint8Array([1, 0])
    const [accept] = createXrxUtterances().readBytes(buffer)
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
        const { types, samples } = readAll(createXrxFrames(), slices)
        expect(samples).toEqual([1, 2, 3, 260])
        expect(types).not.toContain("commit")
      }
    }
  })
})

describe("words out", () => {
  test("the segments of an utterance are one text, sent at its end, trimmed and single-spaced", () => {
    const { write } = createXrxUtterances()
    expect(write(final(" Hello. ", { end: false }))).toEqual([])
    expect(write(final("  Two  words.", { end: true }))).toEqual(["Hello. Two words."])
    expect(write(final("Next."))).toEqual(["Next."])
  })

  test("silence says nothing, and leaves nothing to the next utterance", () => {
    for (const { write } of [createXrxUtterances(), createXrxFrames()]) {
      expect(write(final(""))).toEqual([])
      expect(write(final(" \n "))).toEqual([])
      expect(write(final("words"))).toEqual(["words"])
    }
  })

  test("a failure says nothing and takes the words before it along", () => {
    for (const { write } of [createXrxUtterances(), createXrxFrames()]) {
      expect(write(final("half", { end: false }))).toEqual([])
      expect(write(failed)).toEqual([])
      expect(write(final("whole"))).toEqual(["whole"])
    }
  })

  test("in a stream each end that the engine hears is a turn", () => {
    const { write } = createXrxFrames()
    expect(write(final("one", { cause: "endpoint" }))).toEqual(["one"])
    expect(write(final("two", { cause: "max" }))).toEqual(["two"])
    expect(write(final("three", { cause: "close" }))).toEqual(["three"])
  })

  test("in a whole utterance an end that the engine hears is not yet the turn's", () => {
    const { write } = createXrxUtterances()
    expect(write(final("one", { cause: "endpoint" }))).toEqual([])
    expect(write(final("two", { cause: "max" }))).toEqual([])
    expect(write(final("three", { cause: "commit" }))).toEqual(["one two three"])
  })
})
