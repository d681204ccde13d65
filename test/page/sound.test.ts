import { describe, expect, test } from "bun:test"
import { createResampler, RATE_HZ } from "../../src/page/flow/resampling.ts"
import { createTape } from "../../src/page/flow/tape.ts"

function tone(hz: number, rateHz: number, seconds = 0.5): Float32Array {
  return Float32Array.from({ length: rateHz * seconds }, (_, at) => 0.5 * Math.sin((2 * Math.PI * hz * at) / rateHz))
}

/** Of the middle, where the filter is full; 1 is full scale. */
function loudness(samples: Int16Array): number {
  const middle = samples.subarray(1000, -1000)
  return Math.sqrt(middle.reduce((sum, value) => sum + (value / 32_768) ** 2, 0) / middle.length)
}

const FULL = 0.5 / Math.SQRT2

describe("resampling in the browser", () => {
  for (const rateHz of [8000, 16_000, 22_050, 44_100, 48_000, 96_000]) {
    test(`keeps what is heard of ${rateHz} Hz, to a tenth of a decibel`, () => {
      for (const hz of [200, 1000, 3000]) {
        const heard = loudness(createResampler(rateHz).push(tone(hz, rateHz)))
        expect(Math.abs(20 * Math.log10(heard / FULL)), `${hz} Hz`).toBeLessThan(0.1)
      }
    })
  }

  test("takes out what 16 kHz cannot hold, at least 60 dB", () => {
    for (const hz of [9000, 12_000, 20_000]) {
      expect(20 * Math.log10(loudness(createResampler(48_000).push(tone(hz, 48_000))) / FULL), `${hz} Hz`).toBeLessThan(-60)
    }
  })

  test("gives the same samples for any slicing", () => {
    const sound = tone(700, 44_100)
    const whole = createResampler(44_100).push(sound)
    for (const size of [1, 127, 128, 4410]) {
      const resampler = createResampler(44_100)
      const pieces: number[] = []
      for (let at = 0; at < sound.length; at += size) pieces.push(...resampler.push(sound.subarray(at, at + size)))
      expect(pieces).toEqual([...whole])
    }
  })

  test("comes out as long as it went in, but for the last milliseconds", () => {
    const out = createResampler(48_000).push(tone(100, 48_000, 2))
    expect(out.length).toBeGreaterThan(2 * RATE_HZ - 30)
    expect(out.length).toBeLessThanOrEqual(2 * RATE_HZ)
  })

  test("clips what is too loud instead of turning it over", () => {
    const out = createResampler(16_000).push(new Float32Array(200).fill(3))
    expect(out.at(-1)).toBe(32_767)
  })
})

describe("the tape", () => {
  const counted = (from: number, length: number) => Int16Array.from({ length }, (_, at) => from + at)

  test("gives back any stretch that it keeps", () => {
    const tape = createTape(1000)
    tape.push(counted(0, 800))
    expect(tape.lengthMs).toBe(50)
    expect([...tape.between(10, 10.25)]).toEqual([160, 161, 162, 163])
  })

  test("forgets what is older than it keeps, and takes no more room", () => {
    const tape = createTape(10)
    tape.push(counted(0, 500))
    expect(tape.oldestMs).toBe((500 - 160) / 16)
    expect([...tape.between(0, 100)]).toEqual([...counted(340, 160)])
  })

  test("knows how loud each 20 ms were", () => {
    const tape = createTape(1000)
    tape.push(new Int16Array(320).fill(-16_384))
    tape.push(new Int16Array(320))
    expect([tape.peakAt(0), tape.peakAt(19), tape.peakAt(20), tape.peakAt(40)]).toEqual([0.5, 0.5, 0, 0])
  })
})
