import { describe, expect, test } from "bun:test"
import { wavFromSamples } from "../../src/audio/wav.ts"
import { listenDoor, listenSocketDoor } from "../../src/dialects/deepgram/door.ts"
import { IDLE_MS_MAX } from "../../src/dialects/deepgram/live.ts"
import type { Command } from "../../src/dialects/dialect.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { allCommands, samplesIn } from "../support/commands.ts"
import { type Line, transcript } from "../support/deepgram-client.ts"
import { audio, finalEvent } from "../support/scripted-streams.ts"

const PCM = "encoding=linear16&sample_rate=16000"
const DEFAULTS = { mode: "utterance", language: "en", provider: "scripted", model: "base" } as const
const SECOND = audio(0, 16_000)

function open(query = PCM) {
  const asking = { requestId: "r", path: "/v1/listen", query: new URLSearchParams(query), unixMs: 0, header: () => null }
  const opening = listenSocketDoor.open(asking, DEFAULTS)
  if (!opening.ok) throw new Error("refused")
  const dialect = opening.dialect()
  dialect.greet({ session: "r", unixMs: 0, model: "base" })
  const read = (bytes: Uint8Array) => allCommands(dialect.readBytes(bytes, 0))
  return {
    dialect,
    read,
    /** What is said while this is read. */
    said: (bytes: Uint8Array) => read(bytes).flatMap((command) => (command.type === "say" ? [JSON.parse(command.text) as Line] : [])),
    wrote: (event: SpeechEvent) => dialect.write(event, 0).map((text) => JSON.parse(text) as Line),
  }
}

const start = (utterance: number, atMs = 0): SpeechEvent => ({ type: "speech_start", utterance, atMs })
const partial = (text: string, utterance = 0): SpeechEvent => {
  return { type: "partial", utterance, segment: 0, text, stable: 0, startMs: 0, endMs: 100, lagMs: 0 }
}
const final = (text: string, fields: Parameters<typeof finalEvent>[1] = {}) =>
  finalEvent(text, { cause: "endpoint", ...fields }, text !== "")

describe("what Deepgram's clients wish", () => {
  test.each([
    ["", { language: "en", interims: false, words: true, prompt: undefined, endpointing: { silenceMs: 500 } }],
    ["&language=multi&interim_results=True", { language: "auto", interims: true }],
    ["&language=pt-BR&interim_results=1", { language: "pt", interims: true }],
    ["&endpointing=25", { endpointing: { silenceMs: 300 } }],
    ["&endpointing=900", { endpointing: { silenceMs: 900 } }],
    ["&endpointing=true", { endpointing: { silenceMs: 500 } }],
    ["&endpointing=0", { endpointing: { silenceMs: 300 } }],
    ["&detect_language=de&detect_language=en", { language: "auto" }],
    ["&endpointing=false", { endpointing: { silenceMs: 500 } }],
    ["&keyterm=Ada%20Lovelace&keyterm=Babbage&keywords=Byron:2", { prompt: "Ada Lovelace, Babbage, Byron" }],
    ["&diarize=true&numerals=true&smart_format=true&tag=x&no_delay=true", { language: "en" }],
  ])("as in %j is understood", (query, stream) => {
    expect(open(`${PCM}${query}`).dialect.stream).toMatchObject(stream)
  })
})

describe("audio without a named encoding", () => {
  const wav = wavFromSamples(new Int16Array(100).fill(7))

  test("is read by its WAV header, however it is sliced", () => {
    const { read } = open("")
    const samples = [wav.subarray(0, 5), wav.subarray(5, 40), wav.subarray(40, 47), wav.subarray(47)].flatMap((slice) =>
      samplesIn(read(slice)),
    )
    expect(samples).toEqual(new Array(100).fill(7))
  })

  test("may be another kind of WAV", () => {
    const header = wav.slice()
    const view = new DataView(header.buffer)
    view.setUint16(20, 3, true) // floats
    view.setUint16(34, 32, true) // bits
    const floats = new Uint8Array(new Float32Array(10).fill(0.5).buffer)
    expect(samplesIn(open("").read(Buffer.concat([header.subarray(0, 44), floats])))).toEqual(new Array(10).fill(16_384))
  })

  test("may all come in one message, which holds nobody up", () => {
    const bytes = Buffer.from(wavFromSamples(new Int16Array(8_000_000)))
    const startedAtMs = performance.now()
    const [command] = open("").read(bytes)
    expect(performance.now() - startedAtMs).toBeLessThan(500)
    expect(command).toMatchObject({ type: "accept", samples: { length: 8_000_000 } })
  })

  test("is not waited for in a header without an end, and costs little in slices", () => {
    const { read } = open("")
    const bytes = Buffer.concat([wav.subarray(0, 36), Buffer.alloc(66_000, "junk\0\0\0\0")])
    const before = process.cpuUsage()
    const commands = Array.from(bytes, (byte) => read(Buffer.of(byte))).flat()
    expect(process.cpuUsage(before).user).toBeLessThan(2_000_000)
    expect(commands).toMatchObject([{ type: "fail", reason: "DATA-0000: no sound in the first 64 KiB" }])
  })

  test.each([
    ["an Ogg file", Buffer.from("OggS and so on, for long enough"), "without encoding, a live stream must begin with a WAV header"],
    ["a rate that is none of ours", Buffer.from(wav).fill(1, 24, 28), "this kind of WAV is not understood live"],
    ["a header without a format", Buffer.from(wav).fill("x", 12, 16), "a damaged WAV header"],
    ["no end of a header", Buffer.concat([wav.subarray(0, 36), Buffer.alloc(70_000, "LIST")]), "no sound in the first 64 KiB"],
  ])("that is %s ends the stream", (_, bytes, fault) => {
    expect(open("").read(bytes)).toEqual([
      {
        type: "fail",
        code: 1008,
        reason: `DATA-0000: ${fault}`,
        text: JSON.stringify({ type: "Error", variant: "DATA-0000", message: fault, description: fault }),
      },
    ])
  })
})

describe("a long message", () => {
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251))

  test.each(["encoding=mulaw&sample_rate=16000", "encoding=linear16&sample_rate=16000&channels=2", "encoding=linear32&sample_rate=16000"])(
    "of %s is read in turns, and from a copy: the socket may use its bytes again",
    (query) => {
      const { dialect, read } = open(query)
      const heard = (commands: readonly Command[]) => Bun.hash(Int16Array.from(samplesIn(commands) as number[]))
      const expected = heard(Array.from({ length: 5 }, (_, at) => read(bytes.subarray(at * 40_000, (at + 1) * 40_000))).flat())
      const message = Buffer.from(bytes)
      const commands = open(query).dialect.readBytes(message, 0)
      expect(commands).toHaveProperty("next")
      message.fill(0)
      expect(heard(allCommands(commands))).toBe(expected)
      dialect.close()
    },
  )
})

describe("the end of an utterance", () => {
  const QUERY = `${PCM}&interim_results=true&utterance_end_ms=1000`

  test("is told once, so long after the last word", () => {
    const { said, wrote } = open(QUERY)
    wrote(start(0))
    said(SECOND)
    expect(wrote(final("one two", { endMs: 800 })).map(({ type }) => type)).toEqual(["Results"])
    expect(said(audio(0, 12_000))).toEqual([])
    expect(said(audio(0, 1000))).toEqual([{ type: "UtteranceEnd", channel: [0, 1], last_word_end: 0.8 }])
    expect(said(SECOND)).toEqual([])
  })

  test("is told in the time of the audio, however it is sliced", () => {
    const { said, wrote } = open(QUERY)
    // 31.5 ms each: a minute of them would be 61 or 59 s, counted in whole ms.
    const slice = audio(0, 504)
    for (let slices = 0; slices < 1905; slices++) said(slice)
    wrote(start(0, 59_000))
    expect(wrote(final("one", { endMs: 60_000 }))).toHaveLength(1)
    const told = Array.from({ length: 64 }, () => said(slice)).map((lines) => lines.length)
    // 1905 slices end at 60.0075 s, so the 32nd behind them is the first beyond 61 s.
    expect(told.indexOf(1)).toBe(31)
  })

  test("is told with words that come late", () => {
    const { said, wrote } = open(QUERY)
    wrote(start(0))
    said(SECOND)
    said(SECOND)
    expect(wrote(final("one", { endMs: 900 })).map(({ type }) => type)).toEqual(["Results", "UtteranceEnd"])
  })

  test("is not told while somebody speaks again, nor of silence", () => {
    const { said, wrote } = open(QUERY)
    wrote(start(0))
    wrote(final("", { endMs: 500 }))
    expect([...said(SECOND), ...said(SECOND)]).toEqual([])
    wrote(start(1, 1500))
    wrote(final("one", { utterance: 1, endMs: 2000 }))
    wrote(start(2, 2200))
    expect([...said(SECOND), ...said(SECOND)]).toEqual([])
    wrote(final("two", { utterance: 2, endMs: 3500 }))
    expect(said(SECOND)).toMatchObject([{ type: "UtteranceEnd", last_word_end: 3.5 }])
  })

  test("is told by where speech begins again, if all the audio came at once", () => {
    const { said, wrote } = open(QUERY)
    wrote(start(0))
    said(audio(0, 160_000))
    wrote(start(1, 1500))
    expect(wrote(final("one", { endMs: 900 })).map(({ type }) => type)).toEqual(["Results"])
    wrote(start(2, 4000))
    expect(wrote(final("two", { utterance: 1, endMs: 2000 })).map(({ type }) => type)).toEqual(["Results", "UtteranceEnd"])
  })

  test("is told after a Finalize too, once there is silence", () => {
    const { said, wrote } = open()
    wrote(start(0))
    said(SECOND)
    expect(wrote(final("one", { cause: "commit", endMs: 1000 }))).toMatchObject([{ from_finalize: true, speech_final: false }])
    const [line, ...others] = said(SECOND)
    expect(line).toMatchObject({ is_final: true, speech_final: true, from_finalize: false, start: 1, duration: 0 })
    expect([...others, ...said(SECOND)]).toEqual([])
  })

  test("is not told after a Finalize while the speaker goes on, nor if nobody spoke", () => {
    const { said, wrote } = open()
    wrote(final("", { cause: "commit" }))
    expect(said(SECOND)).toEqual([])
    wrote(start(1))
    wrote(final("one", { utterance: 1, cause: "commit", endMs: 1000 }))
    expect(wrote(start(2, 1000))).toEqual([])
    expect(said(SECOND)).toEqual([])
  })

  test("is not told without interim results, which it needs", () => {
    const { said, wrote } = open(`${PCM}&utterance_end_ms=1000`)
    wrote(final("one", { endMs: 100 }))
    expect([...said(SECOND), ...said(SECOND)]).toEqual([])
  })

  test("is no speech_final with endpointing=false, nor where it only grew too long or has more to come", () => {
    expect(open(`${PCM}&endpointing=false`).wrote(final("one"))).toMatchObject([{ is_final: true, speech_final: false }])
    expect(open().wrote(final("one", { cause: "max" }))).toMatchObject([{ is_final: true, speech_final: false }])
    expect(open().wrote(final("one", { end: false }))).toMatchObject([{ is_final: true, speech_final: false }])
    expect(open().wrote(final("one"))).toMatchObject([{ is_final: true, speech_final: true }])
  })
})

describe("interim words", () => {
  test("of the next utterance wait while those of the one before are owed", () => {
    const { wrote } = open(`${PCM}&interim_results=true`)
    wrote(start(0))
    expect(wrote(partial("one")).map(transcript)).toEqual(["one"])
    wrote(start(1, 200))
    expect(wrote(partial("two", 1))).toEqual([])
    wrote(final("one", { endMs: 150 }))
    expect(wrote(partial("two more", 1))).toMatchObject([{ is_final: false, start: 0.15 }])
  })
})

describe("a word", () => {
  test.each([
    ["Don't,", "don't"],
    ["“Yes!”", "yes"],
    ["3.5%", "3.5"],
    ["&", "&"],
    ["Größe", "größe"],
  ])("%j is plainly %j", (text, word) => {
    const [line] = open().wrote(final(text))
    expect(line?.channel).toMatchObject({ alternatives: [{ words: [{ word, punctuated_word: text }] }] })
  })

  test("comes with its language where that was to be detected", () => {
    const [line] = open(`${PCM}&language=multi`).wrote(final("hola", { language: "es" }))
    expect(line?.channel).toMatchObject({ alternatives: [{ languages: ["es"] }] })
  })
})

describe("a client that says nothing", () => {
  test("is left after a while, unless it says KeepAlive", () => {
    const { dialect } = open()
    expect(dialect.wakeAtMs).toBe(IDLE_MS_MAX)
    expect(dialect.readText('{"type":"KeepAlive"}', 5000)).toEqual([])
    expect(dialect.wakeAtMs).toBe(5000 + IDLE_MS_MAX)
    expect(dialect.wake?.(5000 + IDLE_MS_MAX)).toMatchObject([{ type: "fail", code: 1011, reason: expect.stringMatching(/^NET-0001/) }])
  })

  test.each(["no JSON", "null", "{}", '{"type":"Configure"}', "[1]"])("that makes sense (%s) is not answered", (text) => {
    expect(open().dialect.readText(text, 0)).toEqual([])
  })
})

test("a server that cannot go on says so, and closes as Deepgram does", () => {
  const { dialect } = open()
  expect(JSON.parse(dialect.fail("engine_gone", "gone")[0] ?? "")).toMatchObject({ type: "Error", variant: "engine_gone" })
  expect(dialect.closing?.("engine_gone")).toEqual({ code: 1011, reason: "NET-0000: the server cannot go on" })
  expect(dialect.closing?.("message_too_big")).toBeUndefined()
})

test("a refusal whose words no header can carry is told all the same", async () => {
  const asking = { requestId: "r", path: "/v1/listen", query: new URLSearchParams(), unixMs: 0, header: () => null }
  const message = "the model /srv/größe/模型 is not there\nat all"
  const response = listenDoor.refuse({ reason: "engine", status: 503, message }, asking)
  expect(response.headers.get("dg-error")).toBe("the model /srv/gr??e/?? is not there?at all")
  expect(await response.json()).toMatchObject({ err_msg: message })
})
