import { describe, expect, test } from "bun:test"
import { lengthBeforeLoop, tokenCeiling } from "../../../src/engines/whisper/loops.ts"

const times = (count: number, ...phrase: number[]): number[] => Array.from({ length: count }, () => phrase).flat()

/** What decoding does: asks after each token. */
function lengthAtFirstLoop(tokens: readonly number[]): { asked: number; kept: number } | null {
  for (let asked = 1; asked <= tokens.length; asked++) {
    const kept = lengthBeforeLoop(tokens.slice(0, asked))
    if (kept !== null) return { asked, kept }
  }
  return null
}

describe("a loop", () => {
  test("of one token is seen after sixteen, and one of them is kept", () => {
    expect(lengthAtFirstLoop([1, 2, ...times(40, 7)])).toEqual({ asked: 18, kept: 3 })
  })

  test("of a phrase is seen after four rounds, and the first is kept", () => {
    expect(lengthAtFirstLoop([1, 2, 3, ...times(9, 4, 5, 6, 7, 8)])).toEqual({ asked: 23, kept: 8 })
  })

  test("of the longest phrase is seen; a longer one is no loop", () => {
    const phrase = Array.from({ length: 24 }, (_, i) => i)
    expect(lengthAtFirstLoop(times(4, ...phrase))).toEqual({ asked: 96, kept: 24 })
    expect(lengthAtFirstLoop(times(4, ...phrase, 24))).toBeNull()
  })

  test("is not what people say: three rounds of a sentence, ten equal digits, a repeat that was left", () => {
    expect(lengthAtFirstLoop(times(3, 1, 2, 3, 4, 5, 6))).toBeNull()
    expect(lengthAtFirstLoop(times(10, 5))).toBeNull()
    expect(lengthBeforeLoop([...times(20, 5), 6])).toBeNull()
    expect(lengthAtFirstLoop([])).toBeNull()
  })
})

test("the ceiling of tokens grows with the utterance and leaves room for the shortest", () => {
  expect(tokenCeiling(0.1)).toBeGreaterThanOrEqual(20)
  expect(tokenCeiling(10)).toBeGreaterThan(tokenCeiling(1))
})
