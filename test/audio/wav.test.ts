import { describe, expect, test } from "bun:test"
import { wavFromSamples } from "../../src/audio/wav.ts"

describe("a WAV file from samples", () => {
  test("is the plain header of 44 bytes and the samples, little-endian, byte for byte", () => {
    const wav = wavFromSamples(Int16Array.of(0, 1, -1, 32_767, -32_768))
    const expected =
      "52494646 2e000000 57415645 " + // RIFF, 46 bytes follow, WAVE
      "666d7420 10000000 0100 0100 803e0000 007d0000 0200 1000 " + // fmt: 16 bytes, PCM, mono, 16000 Hz, 32000 bytes/s, 2 bytes a frame, 16 bits
      "64617461 0a000000 " + // data: 10 bytes
      "0000 0100 ffff ff7f 0080"
    expect(Buffer.from(wav).toString("hex")).toBe(expected.replaceAll(" ", ""))
  })

  test("of no samples is a header that says so", () => {
    const wav = wavFromSamples(new Int16Array())
    expect(wav).toHaveLength(44)
    expect(new DataView(wav.buffer).getUint32(40, true)).toBe(0)
  })

  test("holds a part of a longer array as just that part", () => {
    const whole = Int16Array.of(1, 2, 3, 4)
    expect(wavFromSamples(whole.subarray(1, 3))).toEqual(wavFromSamples(Int16Array.of(2, 3)))
  })
})
