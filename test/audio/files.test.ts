import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { samplesFromWav, UnreadableAudio } from "../../src/audio/files.ts"
import { samplesFromBytes } from "../../src/audio/pcm.ts"
import { tone, type WavOptions, wavBytes } from "../support/wav-bytes.ts"

const fixture = join(import.meta.dir, "../fixtures/speech/ps_cards_001.wav")

async function* inChunks(bytes: Uint8Array, chunkBytes: number) {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}

const read = (bytes: Uint8Array, chunkBytes = 65_536) => samplesFromWav(inChunks(bytes, chunkBytes))

/** The tone that every file below holds, as 16 kHz samples. */
const expected = tone(500, 16_000, 0.5).map((value) => value * 32_768)

function worstError(samples: Int16Array): number {
  // The first and last 20 ms of a resampled tone ring.
  return Math.max(...samples.subarray(320, -320).map((value, i) => Math.abs(value - expected[i + 320]!)))
}

describe("a WAV file", () => {
  test("of 16 kHz, mono and 16 bits comes out as it lies on the disk, to the last bit of loud samples", async () => {
    const bytes = await Bun.file(fixture).bytes()
    const samples = await read(bytes)
    const stored = samplesFromBytes(bytes.subarray(44))
    expect(samples.length).toBe(stored.length)
    expect(Math.max(...samples.map((value, i) => Math.abs(value - stored[i]!)))).toBeLessThanOrEqual(1)
  })

  const widths: [WavOptions["width"], number][] = [
    ["u8", 260],
    ["s16", 2],
    ["s24", 1],
    ["s32", 1],
    ["f32", 1],
    ["f64", 1],
  ]
  test.each(widths)("of width %s is read, also as WAVE_FORMAT_EXTENSIBLE", async (width, tolerance) => {
    for (const extensible of [false, true]) {
      const samples = await read(wavBytes({ rateHz: 16_000, channels: [tone(500, 16_000, 0.5)], width, extensible }))
      expect(samples.length).toBe(8000)
      expect(worstError(samples)).toBeLessThanOrEqual(tolerance)
    }
  })

  test.each([8000, 22_050, 44_100, 48_000])("of %d Hz is resampled", async (rateHz) => {
    const samples = await read(wavBytes({ rateHz, channels: [tone(500, rateHz, 0.5)], width: "s16" }))
    expect(samples.length).toBe(8000)
    expect(worstError(samples)).toBeLessThan(100)
  })

  test("of two channels is mixed: what both say stays, what they say against each other cancels", async () => {
    const left = tone(500, 16_000, 0.5)
    const same = await read(wavBytes({ rateHz: 16_000, channels: [left, left], width: "s16" }))
    expect(worstError(same)).toBeLessThanOrEqual(2)
    const against = await read(wavBytes({ rateHz: 16_000, channels: [left, left.map((value) => -value)], width: "s16" }))
    expect(Math.max(...against)).toBeLessThanOrEqual(1)
  })

  test("is read alike in chunks of any size", async () => {
    const bytes = wavBytes({ rateHz: 44_100, channels: [tone(500, 44_100, 0.2), tone(600, 44_100, 0.2)], width: "s24", listBytes: 7 })
    const whole = await read(bytes)
    for (const chunkBytes of [1, 13, 1000]) expect(await read(bytes, chunkBytes)).toEqual(whole)
  })

  test.each([1, 6, 4001])("may hold %d bytes of titles before its sound", async (listBytes) => {
    const samples = await read(wavBytes({ rateHz: 16_000, channels: [tone(500, 16_000, 0.5)], width: "s16", listBytes }))
    expect(worstError(samples)).toBeLessThanOrEqual(2)
  })

  test("may begin with a hundred thousand things that are no sound, which are walked over once, however it is sliced", async () => {
    const bytes = wavBytes({ rateHz: 16_000, channels: [tone(500, 16_000, 0.5)], width: "s16" })
    const empty = Buffer.alloc(8 * 200_000, "junk\0\0\0\0")
    const before = process.cpuUsage()
    const samples = await read(Buffer.concat([bytes.subarray(0, 12), empty, bytes.subarray(12)]), 256)
    expect(process.cpuUsage(before).user).toBeLessThan(2_000_000)
    expect(worstError(samples)).toBeLessThanOrEqual(2)
  })

  test.each([0, 0xffff_ffff])("of a recorder that never wrote its length (%d) is read to its end", async (claimedDataBytes) => {
    const samples = await read(wavBytes({ rateHz: 16_000, channels: [tone(500, 16_000, 0.5)], width: "s16", claimedDataBytes }))
    expect(samples.length).toBe(8000)
  })

  test("cut off in the middle is read as far as it goes", async () => {
    const bytes = wavBytes({ rateHz: 16_000, channels: [tone(500, 16_000, 0.5)], width: "s16" })
    expect((await read(bytes.subarray(0, 44 + 8001))).length).toBe(4000)
  })
})

describe("what is no sound is refused with one line", () => {
  const refusals: [string, Uint8Array, string][] = [
    ["an empty file", new Uint8Array(0), "no sound in this file"],
    ["an MP3 file", Buffer.from(`ID3\x04${"\0".repeat(400)}`), "not a WAV file"],
    ["a text", Buffer.from("hello, this is not audio at all"), "not a WAV file"],
    ["a header alone", wavBytes({ rateHz: 16_000, channels: [new Float32Array(0)], width: "s16" }), "no sound in this file"],
    ["a rate of 0 Hz", wavBytes({ rateHz: 0, channels: [new Float32Array(9)], width: "s16" }), "a sample rate of 0 Hz is none we can read"],
    ["an MP3 inside a WAV", mp3InWav(), "Unsupported WAV format: 0x55"],
  ]
  test.each(refusals)("%s", async (_, bytes, message) => {
    const refusal = read(bytes)
    await expect(refusal).rejects.toBeInstanceOf(UnreadableAudio)
    await expect(refusal).rejects.toThrow(message)
  })
})

function mp3InWav(): Buffer {
  const bytes = wavBytes({ rateHz: 16_000, channels: [new Float32Array(9)], width: "s16" })
  bytes.writeUInt16LE(0x55, 20)
  return bytes
}
