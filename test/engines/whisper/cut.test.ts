import { describe, expect, test } from "bun:test"
import { joinSamples, samplesFromMs } from "../../../src/audio/pcm.ts"
import { cutAtPauses, type FindPause, longestPause, PIECE_MAX_SAMPLES } from "../../../src/engines/whisper/cut.ts"

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

async function cut(samples: Int16Array, findPause: FindPause = async () => null): Promise<Int16Array[]> {
  return (await Array.fromAsync(cutAtPauses(samples, findPause))).map(({ samples }) => samples)
}

describe("cutAtPauses", () => {
  test("leaves alone what fits", async () => {
    for (const length of [0, 1, PIECE_MAX_SAMPLES - 1, PIECE_MAX_SAMPLES]) {
      const samples = new Int16Array(length).fill(7)
      expect(await cut(samples)).toEqual([samples])
    }
  })

  test("any audio: the pieces joined are the input, none is empty or too long, and the last one is no scrap", async () => {
    for (let round = 0; round < 20; round++) {
      const parts = Array.from({ length: 1 + Math.floor(random() * 60) }, () =>
        noise(random() * 4_000, random() < 0.4 ? random() * 50 : 8_000),
      )
      const samples = joinSamples([noise(28_001, 5_000), ...parts])
      const pieces = await cut(samples)
      expect(Buffer.from(joinSamples(pieces).buffer).equals(Buffer.from(samples.buffer))).toBe(true)
      for (const { length } of pieces) {
        expect(length).toBeGreaterThanOrEqual(samplesFromMs(2_000))
        expect(length).toBeLessThanOrEqual(PIECE_MAX_SAMPLES)
      }
    }
  })

  test("cuts in the middle of the pause", async () => {
    const samples = joinSamples([noise(22_000, 6_000), noise(600, 30), noise(10_000, 6_000)])
    const [first] = await cut(samples)
    expect(seconds(first!.length)).toBeCloseTo(22.3, 1)
  })

  test("prefers a pause between words to the shorter silence inside one", async () => {
    const samples = joinSamples([noise(20_000, 6_000), noise(400, 60), noise(4_000, 6_000), noise(80, 0), noise(9_000, 6_000)])
    const [first] = await cut(samples)
    expect(seconds(first!.length)).toBeCloseTo(20.2, 1)
  })

  test("prefers the longer of two pauses of the same quiet", async () => {
    const [long, short, speech] = [() => noise(1_000, 20), () => noise(300, 20), () => noise(3_000, 6_000)]
    const [longFirst] = await cut(joinSamples([noise(20_000, 6_000), long(), speech(), short(), noise(9_000, 6_000)]))
    expect(seconds(longFirst!.length)).toBeCloseTo(20.5, 1)
    const [shortFirst] = await cut(joinSamples([noise(20_000, 6_000), short(), speech(), long(), noise(9_000, 6_000)]))
    expect(seconds(shortFirst!.length)).toBeCloseTo(23.8, 1)
  })

  test("leaves no scrap at the end, even where the best pause would", async () => {
    const samples = joinSamples([noise(27_500, 6_000), noise(400, 0), noise(600, 6_000)])
    expect(seconds((await cut(samples)).at(-1)!.length)).toBeGreaterThanOrEqual(2)
  })

  test("an hour of digital silence is cut too", async () => {
    const pieces = await cut(new Int16Array(samplesFromMs(3_600_000)))
    expect(pieces.length).toBeGreaterThanOrEqual(129)
    expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(samplesFromMs(3_600_000))
  })

  test("cuts where it is told to, looking at ten seconds each time, and says where each piece starts", async () => {
    const samples = noise(60_000, 6_000)
    const stretches: number[] = []
    const pieces = await Array.fromAsync(
      cutAtPauses(samples, async (stretch) => {
        stretches.push((stretch.byteOffset - samples.byteOffset) / 2, stretch.length)
        return samplesFromMs(1_000)
      }),
    )
    expect(stretches.map(seconds)).toEqual([18, 10, 37, 10])
    expect(pieces.map(({ startSample, samples }) => [startSample, samples.length].map(seconds))).toEqual([
      [0, 19],
      [19, 19],
      [38, 22],
    ])
  })

  test("finds a piece before it looks for the next cut", async () => {
    let looked = 0
    const pieces = cutAtPauses(new Int16Array(samplesFromMs(90_000)), async () => ++looked)
    await pieces.next()
    expect(looked).toBe(1)
  })
})

describe("longestPause", () => {
  const speech = (windows: number) => new Array(windows).fill(0.9)
  const pause = (windows: number) => new Array(windows).fill(0.1)

  test("is the middle of the longest stretch without speech, of two the later", () => {
    expect(longestPause([...speech(10), ...pause(5), ...speech(10), ...pause(20), ...speech(10)])).toBe(35 * 512)
    expect(longestPause([...pause(10), ...speech(10), ...pause(10)])).toBe(25 * 512)
  })

  test("is nowhere where somebody speaks all the time, or pauses for a consonant", () => {
    expect(longestPause(speech(300))).toBeNull()
    expect(longestPause([...speech(100), ...pause(3), ...speech(100)])).toBeNull()
    expect(longestPause([])).toBeNull()
  })
})
