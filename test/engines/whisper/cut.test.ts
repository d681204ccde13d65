import { describe, expect, test } from "bun:test"
import { joinSamples, samplesFromMs } from "../../../src/audio/pcm.ts"
import { cutAtPauses, PIECE_MAX_SAMPLES } from "../../../src/engines/whisper/cut.ts"

/** Repeatable, unlike Math.random. */
function createRandom(seed: number) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const random = createRandom(1)
const noise = (ms: number, loudness: number) => Int16Array.from({ length: samplesFromMs(ms) }, () => (random() * 2 - 1) * loudness)
const seconds = (samples: number) => samples / samplesFromMs(1000)

describe("cutAtPauses", () => {
  test("leaves alone what fits", () => {
    for (const length of [0, 1, PIECE_MAX_SAMPLES - 1, PIECE_MAX_SAMPLES]) {
      const samples = new Int16Array(length).fill(7)
      expect(cutAtPauses(samples)).toEqual([samples])
    }
  })

  test("any audio: the pieces joined are the input, none is empty or too long, and the last one is no scrap", () => {
    for (let round = 0; round < 20; round++) {
      const parts = Array.from({ length: 1 + Math.floor(random() * 60) }, () =>
        noise(random() * 4_000, random() < 0.4 ? random() * 50 : 8_000),
      )
      const samples = joinSamples([noise(28_001, 5_000), ...parts])
      const pieces = cutAtPauses(samples)
      expect(Buffer.from(joinSamples(pieces).buffer).equals(Buffer.from(samples.buffer))).toBe(true)
      for (const { length } of pieces) {
        expect(length).toBeGreaterThanOrEqual(samplesFromMs(2_000))
        expect(length).toBeLessThanOrEqual(PIECE_MAX_SAMPLES)
      }
    }
  })

  test("cuts in the middle of the pause", () => {
    const samples = joinSamples([noise(22_000, 6_000), noise(600, 30), noise(10_000, 6_000)])
    const [first] = cutAtPauses(samples)
    expect(seconds(first!.length)).toBeCloseTo(22.3, 1)
  })

  test("prefers a pause between words to the shorter silence inside one", () => {
    const samples = joinSamples([noise(20_000, 6_000), noise(400, 60), noise(4_000, 6_000), noise(80, 0), noise(9_000, 6_000)])
    const [first] = cutAtPauses(samples)
    expect(seconds(first!.length)).toBeCloseTo(20.2, 1)
  })

  test("prefers the longer of two pauses of the same quiet", () => {
    const [long, short, speech] = [() => noise(1_000, 20), () => noise(300, 20), () => noise(3_000, 6_000)]
    const [longFirst] = cutAtPauses(joinSamples([noise(20_000, 6_000), long(), speech(), short(), noise(9_000, 6_000)]))
    expect(seconds(longFirst!.length)).toBeCloseTo(20.5, 1)
    const [shortFirst] = cutAtPauses(joinSamples([noise(20_000, 6_000), short(), speech(), long(), noise(9_000, 6_000)]))
    expect(seconds(shortFirst!.length)).toBeCloseTo(23.8, 1)
  })

  test("leaves no scrap at the end, even where the best pause would", () => {
    const samples = joinSamples([noise(27_500, 6_000), noise(400, 0), noise(600, 6_000)])
    expect(seconds(cutAtPauses(samples).at(-1)!.length)).toBeGreaterThanOrEqual(2)
  })

  test("an hour of digital silence is cut too", () => {
    const pieces = cutAtPauses(new Int16Array(samplesFromMs(3_600_000)))
    expect(pieces.length).toBeGreaterThanOrEqual(129)
    expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(samplesFromMs(3_600_000))
  })
})
