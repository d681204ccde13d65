import { beforeAll, describe, expect, test } from "bun:test"
import { type AudioFormat, createAudioReader, ENCODINGS, prepareAudio, SAMPLE_RATES_HZ } from "../../src/audio/input.ts"
import { joinSamples, SAMPLE_RATE_HZ } from "../../src/audio/pcm.ts"
import { tone } from "../support/wav-bytes.ts"

const MONO = { channels: 1, channel: "mix" } as const

beforeAll(prepareAudio)

/** Everything a reader says of these bytes, in slices of a size or of sizes drawn from a seed. */
function readAll(format: AudioFormat, bytes: Uint8Array, sliceBytes: number | { seed: number } = bytes.length): Int16Array {
  const reader = createAudioReader(format)
  const pieces: Int16Array[] = []
  const size = typeof sliceBytes === "number" ? () => sliceBytes : drawSizes(sliceBytes.seed)
  for (let at = 0, next = size(); at < bytes.length; at += next, next = size()) {
    // As a socket does: a Buffer somewhere in a larger one, which is written over afterwards.
    const message = Buffer.concat([Buffer.of(1), bytes.subarray(at, at + next)])
    pieces.push(reader.read(message.subarray(1)))
    message.fill(255)
    if (pieces.length % 5 === 0) pieces.push(reader.read(new Uint8Array()))
  }
  pieces.push(reader.end())
  return joinSamples(pieces)
}

function drawSizes(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return 1 + (state % 700)
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Int16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function noise(length: number): Uint8Array {
  let state = 1
  return Uint8Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state >> 16
  })
}

/** Root mean square of the middle, away from the edges of the filter; 1 is full scale. */
function loudness(samples: Int16Array): number {
  const middle = samples.subarray(Math.floor(samples.length / 4), Math.floor((samples.length * 3) / 4))
  return Math.sqrt(middle.reduce((sum, value) => sum + (value / 32_768) ** 2, 0) / middle.length)
}

const formats: readonly AudioFormat[] = ENCODINGS.flatMap((encoding) =>
  SAMPLE_RATES_HZ.flatMap((sampleRateHz) => [
    { encoding, sampleRateHz, ...MONO },
    { encoding, sampleRateHz, channels: 2, channel: "mix" } as const,
    { encoding, sampleRateHz, channels: 2, channel: 1 } as const,
  ]),
)

describe("a reader of audio", () => {
  test("gives the same samples, bit by bit, for any slicing of the same bytes", () => {
    const bytes = noise(8 * 600 + 7)
    for (const format of formats) {
      const whole = readAll(format, bytes)
      expect(whole.length).toBeGreaterThan(0)
      for (const slices of [1, 7, { seed: 1 }, { seed: 2 }]) {
        const sliced = readAll(format, bytes, slices)
        expect(Buffer.compare(bytesOf(sliced), bytesOf(whole)), `${JSON.stringify(format)} in ${JSON.stringify(slices)}`).toBe(0)
      }
    }
  })

  test("says as much as it hears, to the sample, in every format", () => {
    for (const format of formats) {
      const sampleBytes = { pcm_s16le: 2, pcm_f32le: 4, mulaw: 1, alaw: 1 }[format.encoding]
      const second = new Uint8Array(format.sampleRateHz * format.channels * sampleBytes)
      expect(readAll(format, second, 999).length, JSON.stringify(format)).toBe(SAMPLE_RATE_HZ)
    }
  })

  test("passes on what needs no change", () => {
    const samples = Int16Array.from({ length: 65_536 }, (_, index) => index - 32_768)
    expect(readAll({ encoding: "pcm_s16le", sampleRateHz: 16_000, ...MONO }, bytesOf(samples), 7)).toEqual(samples)
  })

  test("reads floats: what is no number or endless is silence, and what is too loud is clipped", () => {
    const floats = Float32Array.of(0, 0.5, -0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, -1, 1.5, -3e38)
    const samples = readAll({ encoding: "pcm_f32le", sampleRateHz: 16_000, ...MONO }, bytesOf(floats))
    expect([...samples]).toEqual([0, 16_384, -16_384, 0, 0, 0, 32_767, -32_768, 32_767, -32_768])
  })

  test("does not let one broken float spoil what follows at another rate", () => {
    const samples = new Float32Array(48_000)
    samples.set([Number.NaN, Number.POSITIVE_INFINITY, 3e38], 100)
    const output = readAll({ encoding: "pcm_f32le", sampleRateHz: 48_000, ...MONO }, bytesOf(samples))
    expect(loudness(output)).toBe(0)
    expect(Math.max(...output.map(Math.abs))).toBeLessThan(32_767)
  })

  test("hears of two channels both, or the one that was chosen", () => {
    const stereo = bytesOf(Int16Array.of(100, 300, -100, -302, 32_767, 32_767))
    const read = (channel: AudioFormat["channel"]) =>
      readAll({ encoding: "pcm_s16le", sampleRateHz: 16_000, channels: 2, channel }, stereo, 3)
    expect([...read("mix")]).toEqual([200, -201, 32_767])
    expect([...read(0)]).toEqual([100, -100, 32_767])
    expect([...read(1)]).toEqual([300, -302, 32_767])
  })

  test.each([
    ["mulaw", [0x00, 0x80, 0xff, 0x7f, 0xf0, 0x70, 0xe7], [-32_124, 32_124, 0, 0, 120, -120, 260]],
    ["alaw", [0x2a, 0xaa, 0xd5, 0x55, 0xc5, 0x45, 0x80], [-32_256, 32_256, 8, -8, 264, -264, 5504]],
  ] as const)("reads %s as ITU-T G.711 says", (encoding, bytes, samples) => {
    expect([...readAll({ encoding, sampleRateHz: 16_000, ...MONO }, Uint8Array.from(bytes))]).toEqual([...samples])
  })

  test.each([8000, 24_000, 44_100, 48_000] as const)(
    "keeps a tone of 1 kHz at %d Hz as loud as it was, and in its place",
    (sampleRateHz) => {
      const output = readAll({ encoding: "pcm_f32le", sampleRateHz, ...MONO }, bytesOf(tone(1000, sampleRateHz, 1)))
      const decibels = 20 * Math.log10(loudness(output) / (0.5 / Math.SQRT2))
      expect(Math.abs(decibels)).toBeLessThan(0.02)
      const expected = tone(1000, SAMPLE_RATE_HZ, 1)
      const worst = Math.max(...output.slice(1000, 15_000).map((value, i) => Math.abs(value - expected[i + 1000]! * 32_768)))
      expect(worst).toBeLessThanOrEqual(4)
    },
  )

  test.each([
    [24_000, 9000],
    [44_100, 8500],
    [44_100, 10_000],
    [48_000, 8500],
    [48_000, 15_000],
    [48_000, 20_000],
  ] as const)("does not fold a tone at %d Hz of %d Hz back into the speech", (sampleRateHz, hz) => {
    const output = readAll({ encoding: "pcm_f32le", sampleRateHz, ...MONO }, bytesOf(tone(hz, sampleRateHz, 1)))
    expect(loudness(output)).toBeLessThan(0.0002)
  })

  test("adds no mirror image to the sound of a telephone", () => {
    const output = readAll({ encoding: "pcm_f32le", sampleRateHz: 8000, ...MONO }, bytesOf(tone(3000, 8000, 1)))
    const ideal = tone(3000, SAMPLE_RATE_HZ, 1)
    const beside = output.map((value, i) => value - Math.round(ideal[i]! * 32_768))
    expect(loudness(beside)).toBeLessThan(0.0002)
  })

  test.each([24_000, 44_100, 48_000] as const)(
    "keeps the consonants of speech at %d Hz: 6.5 kHz loses less than a decibel",
    (sampleRateHz) => {
      const output = readAll({ encoding: "pcm_f32le", sampleRateHz, ...MONO }, bytesOf(tone(6500, sampleRateHz, 1)))
      expect(20 * Math.log10(loudness(output) / (0.5 / Math.SQRT2))).toBeGreaterThan(-1)
    },
  )

  test("lags no more than 5 ms behind what it was given", () => {
    for (const format of formats.filter(({ channels }) => channels === 1)) {
      const sampleBytes = { pcm_s16le: 2, pcm_f32le: 4, mulaw: 1, alaw: 1 }[format.encoding]
      const heard = createAudioReader(format).read(new Uint8Array((format.sampleRateHz / 10) * sampleBytes)).length
      expect((1600 - heard) / 16, JSON.stringify(format)).toBeLessThan(5)
    }
  })

  test("drops half a sample at the end, and reads nothing afterwards", () => {
    const reader = createAudioReader({ encoding: "pcm_f32le", sampleRateHz: 16_000, ...MONO })
    expect(reader.read(bytesOf(Float32Array.of(0.5)).subarray(0, 3)).length).toBe(0)
    expect(reader.end().length).toBe(0)
    expect(reader.read(bytesOf(Float32Array.of(0.5))).length).toBe(0)
    expect(reader.end().length).toBe(0)
  })

  test("reads nothing once closed, however often", () => {
    const reader = createAudioReader({ encoding: "pcm_s16le", sampleRateHz: 48_000, ...MONO })
    reader.read(noise(960))
    reader.close()
    reader.close()
    expect(reader.read(noise(9600)).length).toBe(0)
    expect(reader.end().length).toBe(0)
  })

  test("leaves nothing behind: a thousand of them come and go in the same memory", () => {
    const slice = noise(960 * 2)
    const openAndClose = (count: number) => {
      for (let i = 0; i < count; i++) {
        const reader = createAudioReader({ encoding: "pcm_s16le", sampleRateHz: 48_000, ...MONO })
        reader.read(slice)
        reader.close()
      }
      Bun.gc(true)
      return process.memoryUsage()
    }
    openAndClose(200)
    const before = openAndClose(200)
    const after = openAndClose(1000)
    const heldBytes = (memory: NodeJS.MemoryUsage) => memory.heapUsed + memory.external
    expect(heldBytes(after) - heldBytes(before)).toBeLessThan(1000 * 1000)
  })
})
