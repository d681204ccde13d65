import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { EngineError } from "../../../src/engines/engine-error.ts"
import { clip } from "../../support/clips.ts"
import { decodeAll, inSlices, openDecoder, recording } from "../../support/decoding.ts"
import { tone, type WavOptions, wavBytes } from "../../support/wav-bytes.ts"

/** Processes start slowly on a busy machine. */
setDefaultTimeout(30_000)

const { decoder } = openDecoder()
afterAll(() => decoder.close())

const speech = await clip("ps_cards_001")

/**
 * How alike they are, 0 to 1, at the best of all places: codecs begin some ms early or late. A telephone's rate leaves the
 * vowels, which are most of it.
 */
function likeness(heard: Int16Array, said: Int16Array): number {
  let best = 0
  for (let lag = -400; lag <= 1600; lag += 1) best = Math.max(best, correlation(heard, said, lag))
  return best
}

function correlation(heard: Int16Array, said: Int16Array, lag: number): number {
  let product = 0
  let heardPower = 0
  let saidPower = 0
  for (let i = Math.max(0, -lag); i < said.length && i + lag < heard.length; i += 2) {
    const a = heard[i + lag]!
    const b = said[i]!
    product += a * b
    heardPower += a * a
    saidPower += b * b
  }
  return product / Math.sqrt(heardPower * saidPower || 1)
}

describe("a recording is known by its bytes and gives its speech", () => {
  const kinds: [name: string, likeness: number][] = [
    ["u8-8000.wav", 0.9],
    ["mulaw.wav", 0.9],
    ["alaw.wav", 0.9],
    ["ima-adpcm.wav", 0.98],
    ["speech.flac", 0.9999],
    ["flac.ogg", 0.9999],
    ["speech.mp3", 0.9],
    ["vbr-44100-stereo.mp3", 0.95],
    ["speech.mp2", 0.95],
    ["opus.ogg", 0.9],
    ["vorbis-44100-stereo.ogg", 0.9],
    ["opus.webm", 0.9],
    ["opus-live.webm", 0.9],
    ["opus.mp4", 0.9],
    ["aac-44100.m4a", 0.9],
    ["lc.m4a", 0.95],
    ["he.m4a", 0.95],
    ["fragmented.mp4", 0.95],
    ["video.mp4", 0.95],
    ["speech.aac", 0.95],
  ]
  test.each(kinds)("%s", async (name, atLeast) => {
    const heard = await decodeAll(decoder, await recording(name))
    const whole = name === "speech.flac" ? speech.subarray(0, 16_000) : speech
    // What codecs put before and behind: AAC begins with a frame of its own.
    expect(heard.length - whole.length).toBeGreaterThanOrEqual(-16)
    expect(heard.length - whole.length).toBeLessThanOrEqual(2048)
    expect(likeness(heard, whole)).toBeGreaterThan(atLeast)
  })

  test("AAC of minutes, of which some seconds at a time are decoded, has no seam", async () => {
    const once = await recording("speech.aac")
    // Its first packet is only there to be left out.
    const packets = (await decodeAll(decoder, once)).length / 1024 + 1
    const times = 14
    const heard = await decodeAll(decoder, Buffer.concat(Array.from({ length: times }, () => once)))
    expect(heard.length).toBe((packets * times - 1) * 1024)
    // Where one ends and the next begins.
    for (const at of [3, 6, 9, 13]) {
      const start = at * packets * 1024
      expect(likeness(heard.subarray(start, start + packets * 1024), speech)).toBeGreaterThan(0.95)
    }
  })

  test("one file behind another is both", async () => {
    const one = await recording("vorbis-44100-stereo.ogg")
    const two = await recording("opus.ogg")
    expect(Math.abs((await decodeAll(decoder, Buffer.concat([one, one]))).length - 2 * speech.length)).toBeLessThan(3)
    expect((await decodeAll(decoder, Buffer.concat([two, two]))).length).toBeGreaterThan(2 * speech.length)
  })

  test.each([
    "speech.mp3",
    "speech.flac",
    "opus.webm",
    "opus-live.webm",
    "vorbis-44100-stereo.ogg",
    "aac-44100.m4a",
    "fragmented.mp4",
    "mulaw.wav",
  ])("%s cut off in the middle is heard as far as it goes", async (name) => {
    const bytes = await recording(name)
    const heard = await decodeAll(decoder, bytes.subarray(0, Math.floor(bytes.length * 0.7)))
    const whole = await decodeAll(decoder, bytes)
    expect(heard.length).toBeGreaterThan(whole.length * 0.3)
    expect(heard.length).toBeLessThan(whole.length)
  })

  test.each(["opus.webm", "opus-live.webm"])("%s with a hole in it is heard as far as it goes, at least", async (name) => {
    const bytes = await recording(name)
    const whole = await decodeAll(decoder, bytes)
    for (const part of [0.5, 0.7, 0.9]) {
      const from = Math.floor(bytes.length * part)
      const heard = await decodeAll(decoder, Buffer.from(bytes).fill(0, from, from + 300))
      expect(heard.length / whole.length, `${part}`).toBeGreaterThan(part - 0.2)
    }
  })

  test("an MP4 that says nowhere how its sound lies in it is refused as damaged", async () => {
    const bytes = Buffer.from(await recording("aac-44100.m4a"))
    for (const table of ["stsz", "stco"]) bytes.write("free", bytes.indexOf(table), "latin1")
    await expect(decodeAll(decoder, bytes)).rejects.toThrow(/no sound in this file|nothing in it can be decoded/)
  })

  test("the same samples come of any slicing, from memory or from a sender", async () => {
    for (const name of ["vbr-44100-stereo.mp3", "opus-live.webm", "lc.m4a", "aac-44100.m4a", "flac.ogg", "speech.flac"]) {
      const bytes = await recording(name)
      const whole = await decodeAll(decoder, bytes)
      for (const sliceBytes of [7, 999]) expect(await decodeAll(decoder, inSlices(bytes, sliceBytes)), name).toEqual(whole)
    }
  })
})

describe("a WAV file", () => {
  const expected = tone(500, 16_000, 0.5).map((value) => value * 32_768)
  const worstError = (samples: Int16Array) =>
    Math.max(...samples.subarray(320, -320).map((value, i) => Math.abs(value - expected[i + 320]!)))
  const halfASecond = (options: Partial<WavOptions> = {}) =>
    wavBytes({ rateHz: 16_000, channels: [tone(500, 16_000, 0.5)], width: "s16", ...options })

  test("of 16 kHz, mono and 16 bits comes out as it lies there, but for one step of 65 536", async () => {
    const said = wavBytes({ rateHz: 16_000, channels: [Float32Array.from(speech, (value) => value / 32_768)], width: "s16" })
    const heard = await decodeAll(decoder, said)
    expect(heard.length).toBe(speech.length)
    expect(Math.max(...heard.map((value, i) => Math.abs(value - speech[i]!)))).toBeLessThanOrEqual(1)
  })

  const widths: [WavOptions["width"], number][] = [
    ["u8", 260],
    ["s16", 1],
    ["s24", 1],
    ["s32", 1],
    ["f32", 1],
    ["f64", 1],
  ]
  test.each(widths)("of width %s is read, also as WAVE_FORMAT_EXTENSIBLE", async (width, tolerance) => {
    for (const extensible of [false, true]) {
      const samples = await decodeAll(decoder, halfASecond({ width, extensible }))
      expect(samples.length).toBe(8000)
      expect(worstError(samples)).toBeLessThanOrEqual(tolerance)
    }
  })

  test.each([8000, 11_025, 12_000, 22_050, 32_000, 44_100, 48_000, 96_000, 17_317])("of %d Hz is resampled", async (rateHz) => {
    const samples = await decodeAll(decoder, halfASecond({ rateHz, channels: [tone(500, rateHz, 0.5)] }))
    expect(Math.abs(samples.length - 8000)).toBeLessThanOrEqual(1)
    expect(worstError(samples)).toBeLessThan(100)
  })

  test.each([1, 6, 4001])("may hold %d bytes of titles before its sound", async (listBytes) => {
    expect(worstError(await decodeAll(decoder, halfASecond({ listBytes })))).toBeLessThanOrEqual(1)
  })

  test.each([0, 0xffff_ffff])("of a recorder that never wrote its length (%d) is read to its end", async (claimedDataBytes) => {
    expect((await decodeAll(decoder, halfASecond({ claimedDataBytes }))).length).toBe(8000)
  })

  test("of the name for more than 4 GB is read too", async () => {
    const bytes = halfASecond({ claimedDataBytes: 0xffff_ffff })
    bytes.write("RF64")
    const ds64 = Buffer.alloc(36)
    ds64.write("ds64")
    ds64.writeUInt32LE(28, 4)
    expect((await decodeAll(decoder, Buffer.concat([bytes.subarray(0, 12), ds64, bytes.subarray(12)]))).length).toBe(8000)
  })

  test("with no numbers and endless ones in it is silent there, and sounds elsewhere", async () => {
    const samples = tone(500, 48_000, 0.5)
    samples.set([Number.NaN, Number.POSITIVE_INFINITY, -3e38], 2000)
    const heard = await decodeAll(decoder, halfASecond({ rateHz: 48_000, channels: [samples], width: "f32" }))
    expect(Math.max(...heard.subarray(2000, 7000).map((value, i) => Math.abs(value - expected[i + 2000]!)))).toBeLessThan(10)
  })
})

describe("of several channels", () => {
  const stereo = wavBytes({ rateHz: 16_000, channels: [tone(500, 16_000, 0.5, 0.5), tone(500, 16_000, 0.5, -0.25)], width: "s16" })
  const peak = (samples: Int16Array) => Math.max(...samples) / 32_768

  test("the mean is heard, or the one that was asked for", async () => {
    expect(peak(await decodeAll(decoder, stereo))).toBeCloseTo(0.125, 3)
    expect(peak(await decodeAll(decoder, stereo, { channel: 0 }))).toBeCloseTo(0.5, 3)
    expect(peak(await decodeAll(decoder, stereo, { channel: 1 }))).toBeCloseTo(0.25, 3)
  })

  test("one that is not there is refused", async () => {
    const refusal = decodeAll(decoder, stereo, { channel: 2 })
    await expect(refusal).rejects.toMatchObject({ name: "EngineError", code: "bad_audio", message: "this file has no channel 2: it has 2" })
  })
})

const vorbisInWebm = await recording("vorbis.webm")

describe("what is no sound is refused with one line", () => {
  const none = /^no sound was found in this file: it is damaged, or none of wav, flac, /
  const otherKind = /^this file's sound is of a kind that cannot be decoded$/
  const refusals: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /^this file is empty$/],
    ["a text", Buffer.from("hello, this is not audio at all"), none],
    ["a picture", Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(5000, 0x5a)]), none],
    ["zeros", new Uint8Array(100_000), none],
    ["a WAV header alone", wavBytes({ rateHz: 16_000, channels: [new Float32Array(0)], width: "s16" }), /^no sound in this file$/],
    ["an MP4 box that never ends", Buffer.from("0000ffff6674797069736f6d", "hex"), none],
    ["a WAV file of a codec that nobody here knows", unknownCodec(), otherKind],
    ["a WebM file of Vorbis", vorbisInWebm, otherKind],
    ["a sound file of another family", Buffer.concat([Buffer.from("FORM\0\0\x40\0AIFFCOMM"), Buffer.alloc(5000, 0x5a)]), none],
  ]
  test.each(refusals)("%s", async (_, bytes, message) => {
    const thrown = await decodeAll(decoder, bytes).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(EngineError)
    expect(thrown).toMatchObject({ code: "bad_audio", retryable: false, message: expect.stringMatching(message) })
  })
})

function unknownCodec(): Buffer {
  const bytes = wavBytes({ rateHz: 16_000, channels: [new Float32Array(9000)], width: "s16" })
  bytes.writeUInt16LE(0x0161, 20)
  return bytes
}
