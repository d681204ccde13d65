import { describe, expect, test } from "bun:test"
import { SAMPLE_RATE_HZ } from "../../src/audio/pcm.ts"
import { createResampler } from "../../src/audio/resample.ts"
import { tone } from "../support/wav-bytes.ts"

async function resample(samples: Float32Array, rateHz: number, chunkSamples = samples.length): Promise<Float32Array> {
  const resampler = await createResampler(rateHz)
  const pieces: Float32Array[] = []
  for (let at = 0; at < samples.length; at += chunkSamples) pieces.push(resampler.push(samples.subarray(at, at + chunkSamples)))
  pieces.push(resampler.end())
  return Float32Array.from(pieces.flatMap((piece) => [...piece]))
}

/** Root mean square of the middle, away from the edges of the filter. */
function loudness(samples: Float32Array): number {
  const middle = samples.subarray(Math.floor(samples.length / 4), Math.floor((samples.length * 3) / 4))
  return Math.sqrt(middle.reduce((sum, value) => sum + value ** 2, 0) / middle.length)
}

describe("the resampler", () => {
  test.each([8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000])(
    "turns %d Hz into 16 kHz of the same length",
    async (rateHz) => {
      const output = await resample(tone(1000, rateHz, 2), rateHz)
      expect(output.length).toBe(2 * SAMPLE_RATE_HZ)
      expect(loudness(output)).toBeCloseTo(0.5 / Math.SQRT2, 2)
    },
  )

  test("keeps a tone in its place: no delay is added", async () => {
    const output = await resample(tone(440, 44_100, 1), 44_100)
    const expected = tone(440, SAMPLE_RATE_HZ, 1)
    const worst = Math.max(...output.slice(1000, 15_000).map((value, i) => Math.abs(value - expected[i + 1000]!)))
    expect(worst).toBeLessThan(0.001)
  })

  test.each([8500, 12_000, 20_000])("filters %d Hz away instead of folding it back into speech", async (hz) => {
    const output = await resample(tone(hz, 48_000, 1), 48_000)
    expect(loudness(output)).toBeLessThan(0.001)
  })

  test("gives the same samples for any size of chunks", async () => {
    const samples = tone(700, 44_100, 0.3)
    const whole = await resample(samples, 44_100)
    for (const chunkSamples of [1, 441, 4099]) expect(await resample(samples, 44_100, chunkSamples)).toEqual(whole)
  })

  test("takes more at once than the library holds", async () => {
    const output = await resample(tone(1000, 8000, 150), 8000)
    expect(output.length).toBe(150 * SAMPLE_RATE_HZ)
    expect(loudness(output)).toBeCloseTo(0.5 / Math.SQRT2, 2)
  })
})
