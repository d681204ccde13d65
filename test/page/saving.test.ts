import { describe, expect, test } from "bun:test"
import { saved, shortTime } from "../../src/page/flow/saving.ts"
import type { Utterance, Word } from "../../src/page/flow/talk.ts"

function utterance(text: string, startMs: number, endMs: number, words: readonly Word[] = []): Utterance {
  const segments = [{ text, settled: true, stable: text.length, startMs, endMs, words }]
  return { id: text, status: "done", startMs, endMs, segments, language: "en", latencyMs: 600.4, failure: null }
}

const model = "base"
const two = [utterance("Hello there.", 500, 1750), utterance("An <arrow> --> & more", 3_661_000, 3_662_001)]

describe("a saved talk", () => {
  test("as text has a line for each utterance", () => {
    expect(saved({ utterances: two, model }, "txt")).toBe("Hello there.\nAn <arrow> --> & more\n")
  })

  test("as srt and vtt has a cue for each utterance", () => {
    expect(saved({ utterances: two, model }, "srt")).toStartWith("1\n00:00:00,500 --> 00:00:01,750\nHello there.\n\n2\n01:01:01,000 --> ")
    expect(saved({ utterances: two, model }, "vtt")).toEndWith("01:01:01.000 --> 01:01:02.001\nAn &lt;arrow> -> &amp; more\n\n")
  })

  test("as json has everything, with the units in the names", () => {
    expect(JSON.parse(saved({ utterances: two, model }, "json"))).toMatchObject({
      model: "base",
      utterances: [{ text: "Hello there.", start_ms: 500, end_ms: 1750, language: "en", latency_ms: 600, words: [] }, {}],
    })
  })

  test("cuts long utterances into cues that can be read, at words", () => {
    const words = Array.from({ length: 40 }, (_, at) => ({ text: `word${at}`, startMs: at * 100, endMs: at * 100 + 90, confidence: null }))
    const text = saved({ utterances: [utterance("long", 0, 4000, words)], model }, "srt")
    const lines = text.split("\n").filter((line) => line.startsWith("word"))
    expect(lines.length).toBeGreaterThan(2)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(84)
    expect(lines.join(" ").split(" ")).toHaveLength(40)
  })

  test("leaves out words that are not settled", () => {
    expect(saved({ utterances: [{ ...utterance("open", 0, 1), status: "open" }], model }, "txt")).toBe("")
  })
})

test("short times have hours only where there are some", () => {
  expect([0, 61_250, 3_723_400].map(shortTime)).toEqual(["0:00.0", "1:01.2", "1:02:03.4"])
})
