import { describe, expect, test } from "bun:test"
import { batchesOf } from "../../../src/engines/whisper/batches.ts"
import { compressionRatio } from "../../../src/engines/whisper/compression.ts"
import type { Decoded, Row } from "../../../src/engines/whisper/decode.ts"
import { type Attempt, better, isDoubtful } from "../../../src/engines/whisper/fallback.ts"

const attempt = (decoded: Partial<Decoded> = {}, ratio = 1): Attempt => ({
  decoded: { tokens: [], logprobs: [], attention: null, language: "en", stop: "end", avgLogprob: -0.3, noSpeechProb: 0.1, ...decoded },
  text: "",
  compressionRatio: ratio,
  temperature: 0,
})

describe("a text", () => {
  test("is doubtful if it was stopped, repeats itself or distrusts its words, but not over silence", () => {
    expect(isDoubtful(attempt())).toBe(false)
    expect(isDoubtful(attempt({ stop: "loop" }))).toBe(true)
    expect(isDoubtful(attempt({ stop: "ceiling" }))).toBe(true)
    expect(isDoubtful(attempt({}, 2.41))).toBe(true)
    expect(isDoubtful(attempt({ avgLogprob: -1.01 }))).toBe(true)
    expect(isDoubtful(attempt({ avgLogprob: -1.01, noSpeechProb: 0.71 }))).toBe(false)
    expect(isDoubtful(attempt({ avgLogprob: -1.6, noSpeechProb: 0.3 }))).toBe(false)
  })

  test("that came to its end is better than one that did not; of two of a kind the surer one is", () => {
    const [sure, unsure, loop, round] = [
      attempt(),
      attempt({ avgLogprob: -2 }),
      attempt({ stop: "loop", avgLogprob: -0.01 }),
      attempt({}, 3),
    ]
    for (const [good, bad] of [
      [sure, unsure],
      [unsure, loop],
      [unsure, round],
      [loop, round],
    ] as const) {
      expect(better(good, bad)).toBe(good)
      expect(better(bad, good)).toBe(good)
    }
  })

  test("is compressed as OpenAI does it", () => {
    // python3 -c "import zlib; t = b\"...\"; print(len(t) / len(zlib.compress(t)))"
    expect(compressionRatio(" He was not an ill-disposed young man.")).toBeCloseTo(37 / 45, 5)
    expect(compressionRatio("five ".repeat(40))).toBeCloseTo(199 / 16, 5)
    expect(compressionRatio("Grüße")).toBeCloseTo(7 / 15, 5)
    expect(compressionRatio("  ")).toBe(0)
  })
})

test("rows go together in the order in which they came, as many as fit, each with its like", () => {
  const row = (name: string, told: Partial<Row> = {}) => ({
    name,
    row: { language: "en", prompt: [], ceiling: 10, draft: null, signal: new AbortController().signal, ...told },
  })
  const draft = { tokens: [1], fixed: 0 }
  const rows = [
    row("a"),
    row("b", { language: null }),
    row("c", { draft }),
    row("d", { language: "fr" }),
    row("e", { prompt: [1] }),
    row("f"),
  ]
  const names = (most: number) => batchesOf(rows, (item) => item.row, most).map((batch) => batch.map(({ name }) => name).join(""))
  expect(names(4)).toEqual(["adf", "b", "c", "e"])
  expect(names(2)).toEqual(["ad", "b", "c", "e", "f"])
  expect(names(1)).toEqual(["a", "b", "c", "d", "e", "f"])
})
