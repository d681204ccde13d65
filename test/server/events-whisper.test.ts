/** The laws of the wire with the real Whisper and the real voice activity detection behind it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mulawSamples } from "../../src/audio/g711.ts"
import { bytesFromSamples, samplesFromBytes } from "../../src/audio/pcm.ts"
import { connect } from "../support/client.ts"
import { clip, words } from "../support/clips.ts"
import { type EventLine, readEventLine } from "../support/event-lines.ts"
import { dice, expectLawful, type Roll, type Talk, talk } from "../support/invariants.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"

const CLIPS = ["ps_cards_001", "arctic_a0009", "ps_goforward", "ps_cards_004", "ast_en_agent-pass"]

const SILENCE_SAMPLES_MAX = 20_000

let server: RunningProgram
let address: URL
beforeAll(async () => {
  server = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" })
  address = new URL(String((await server.seen("listening")).address))
  await server.seen("ready")
}, 120_000)
afterAll(() => server[Symbol.asyncDispose]())

/** Some recordings with silences of any length between and behind them. */
async function speech(roll: Roll): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for (let clips = 1 + roll(3); clips > 0; clips--) {
    parts.push(bytesFromSamples(await clip(CLIPS[roll(CLIPS.length)]!)), new Uint8Array(2 * roll(SILENCE_SAMPLES_MAX)))
  }
  return Buffer.concat(parts)
}

/** What a stream in slices of one length says, its audio sent as fast as it goes. */
async function listen(query: string, audio: Uint8Array, sliceBytes: number): Promise<EventLine[]> {
  const url = new URL(address)
  url.search = `mode=events&${query}`
  const client = await connect(url)
  for (let at = 0; at < audio.length; at += sliceBytes) client.send(audio.subarray(at, at + sliceBytes))
  client.send('{"type":"close"}')
  expect(await client.closed).toEqual({ code: 1000, reason: "done" })
  return client.received.map(readEventLine)
}

/** Every second sample of 16 kHz, softened, as the nearest of the 256 that µ-law knows. */
function telephone(audio: Uint8Array): Uint8Array {
  const samples = samplesFromBytes(audio)
  const byLevel = [...mulawSamples].map((level, byte) => ({ level, byte })).toSorted((a, b) => a.level - b.level)
  return Uint8Array.from({ length: samples.length / 2 }, (_, nth) => {
    const level = (samples[2 * nth]! + samples[2 * nth + 1]!) / 2 / 32_768
    const above = byLevel.findIndex((known) => known.level >= level)
    return byLevel.at(above)!.byte
  })
}

describe("whatever a client does", () => {
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  const types = (held: readonly Talk[]) => held.flatMap(({ received }) => received.map((text) => readEventLine(text).type))

  test.each([2, 29, 48])(
    "the laws of the wire hold for audio that comes at once (seed %d)",
    async (seed) => {
      const roll = dice(seed)
      const held = await talk(address, { roll, speech: await speech(roll), sliceBytesMax: 12_000, controlPercent: 8, between: turn })
      expectLawful(held)
    },
    60_000,
  )

  test("they hold for several clients who speak beside each other", async () => {
    const roll = dice(7)
    const talks = Array.from({ length: 6 }, async () =>
      // As microphones give it, only faster.
      talk(address, { roll, speech: await speech(roll), sliceBytesMax: 8000, controlPercent: 5, between: () => Bun.sleep(roll(60)) }),
    )
    const held = await Promise.all(talks)
    for (const one of held) expectLawful(one)
    for (const type of ["speech_start", "speech_end", "final", "done"] as const) expect(types(held)).toContain(type)
  }, 60_000)

  test("the words so far come before the end, and the final begins with what was stable", async () => {
    const url = new URL(address)
    url.search = "mode=events&interim=1"
    const client = await connect(url)
    const audio = bytesFromSamples(await clip("arctic_a0009"))
    const halfBytes = audio.length / 2
    client.send(audio.subarray(0, halfBytes))
    let event = readEventLine(await client.next())
    while (event.type !== "partial" || event.text === "") event = readEventLine(await client.next())
    client.send(audio.subarray(halfBytes))
    client.send('{"type":"close"}')
    await client.closed
    const [final] = finalsOf(client.received.map(readEventLine))
    expect(words(final!.text)).toContain("he turned sharply and faced")
    expect(final!.text).toStartWith(event.text.slice(0, event.stable))
  }, 60_000)
})

const finalsOf = (events: readonly EventLine[]) => events.flatMap((event) => (event.type === "final" ? [event] : []))

describe("two sentences with a pause between", () => {
  let audio: Uint8Array
  beforeAll(async () => {
    const pause = new Uint8Array(2 * SILENCE_SAMPLES_MAX)
    const [one, two] = await Promise.all([clip("arctic_a0009"), clip("ast_en_agent-pass")])
    audio = Buffer.concat([bytesFromSamples(one), pause, bytesFromSamples(two), pause])
  })

  test("are two utterances, the same for any slicing", async () => {
    const events = await listen("silence_ms=400", audio, 3200)
    const [first, second, ...others] = finalsOf(events).filter(({ text }) => text !== "")
    expect(others).toEqual([])
    expect(words(first!.text)).toContain("he turned sharply")
    expect(words(second!.text)).toContain("please enter your password")
    expect([first!.cause, second!.cause]).toEqual(["endpoint", "endpoint"])
    expect(second!.start_ms).toBeGreaterThan(first!.end_ms)
    const again = await listen("silence_ms=400", audio, 1234)
    expect(finalsOf(again)).toMatchObject(finalsOf(events).map(({ text, start_ms, end_ms }) => ({ text, start_ms, end_ms })))
  }, 60_000)

  test("are heard the same at 8 kHz in µ-law, as a telephone gives them", async () => {
    const events = await listen("encoding=mulaw&sample_rate=8000", telephone(audio), 160)
    const text = words(
      finalsOf(events)
        .map(({ text }) => text)
        .join(" "),
    )
    expect(text).toContain("enter your password")
  }, 60_000)
})
