import { describe, expect, test } from "bun:test"
import {
  bytesFromSamples,
  createSampleReader,
  floatsFromSamples,
  joinSamples,
  msFromSamples,
  samplesFromBytes,
  samplesFromFloats,
  samplesFromMs,
} from "../../src/audio/pcm.ts"

const everySample = Int16Array.from({ length: 65_536 }, (_, index) => index - 32_768)

describe("samples from bytes", () => {
  test("are little-endian, and a last odd byte is dropped", () => {
    expect(samplesFromBytes(Uint8Array.of(1, 0, 0xff, 0xff, 0, 0x80, 7))).toEqual(Int16Array.of(1, -1, -32_768))
    expect(samplesFromBytes(Uint8Array.of(7))).toEqual(new Int16Array())
  })

  test("do not change when the bytes do, wherever in their buffer those lay", () => {
    const bytes = Uint8Array.of(9, 1, 0, 2, 0).subarray(1)
    const samples = samplesFromBytes(bytes)
    bytes.fill(0)
    expect(samples).toEqual(Int16Array.of(1, 2))
  })

  test("go back to the same bytes without a copy", () => {
    expect(samplesFromBytes(bytesFromSamples(everySample))).toEqual(everySample)
    expect(bytesFromSamples(everySample).buffer).toBe(everySample.buffer)
    expect(bytesFromSamples(Int16Array.of(1, 2, 3).subarray(1, 2))).toEqual(Uint8Array.of(2, 0))
  })
})

describe("samples and floats", () => {
  test("go to and fro without loss", () => {
    expect(samplesFromFloats(floatsFromSamples(everySample))).toEqual(everySample)
  })

  test("meet at full scale, and what lies beyond is clipped", () => {
    expect(floatsFromSamples(Int16Array.of(-32_768, 0, 16_384))).toEqual(Float32Array.of(-1, 0, 0.5))
    expect(samplesFromFloats(Float32Array.of(1, 1.5, -1, -7, 0.00001))).toEqual(Int16Array.of(32_767, 32_767, -32_768, -32_768, 0))
  })
})

describe("samples and time", () => {
  test("sixteen are a millisecond", () => {
    expect(msFromSamples(16_000)).toBe(1000)
    expect(samplesFromMs(100)).toBe(1600)
    expect(msFromSamples(7)).toBe(0)
    expect(msFromSamples(8)).toBe(1)
  })
})

describe("pieces of a stream", () => {
  test("join in order", () => {
    expect(joinSamples([Int16Array.of(1), new Int16Array(), Int16Array.of(2, 3)])).toEqual(Int16Array.of(1, 2, 3))
    expect(joinSamples([])).toEqual(new Int16Array())
  })

  test("give the same samples for every slicing of the same bytes, odd ones too", () => {
    const bytes = Uint8Array.from({ length: 201 }, (_, index) => index)
    for (let size = 1; size <= 32; size++) {
      const read = createSampleReader()
      const pieces: Int16Array[] = []
      for (let at = 0; at < bytes.length; at += size) pieces.push(read(bytes.slice(at, at + size)), read(new Uint8Array()))
      expect(joinSamples(pieces), `slices of ${size}`).toEqual(samplesFromBytes(bytes))
    }
  })
})
