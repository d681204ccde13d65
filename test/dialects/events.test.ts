import { describe, expect, test } from "bun:test"
import { type Config, DEFAULT_CONFIG } from "../../src/dialects/config.ts"
import { CONTROL_CHARACTERS_MAX } from "../../src/dialects/controls.ts"
import type { Dialect } from "../../src/dialects/dialect.ts"
import { createEvents } from "../../src/dialects/events.ts"
import { allCommands, samplesIn } from "../support/commands.ts"
import { finalEvent } from "../support/scripted-streams.ts"

function open(wishes: Partial<Config> = {}) {
  const dialect = createEvents({ ...DEFAULT_CONFIG, ...wishes })
  const [ready] = dialect.greet({ session: "s1", unixMs: 0, model: "base" }).map((text) => JSON.parse(text))
  /** Commands, with what is said as an object. */
  const control = (message: unknown) =>
    allCommands(dialect.readText(typeof message === "string" ? message : JSON.stringify(message), 0)).map((command) =>
      command.type === "say" ? JSON.parse(command.text) : command,
    )
  return {
    ...dialect,
    dialect,
    ready,
    control,
    wrote: (event: Parameters<typeof dialect.write>[0]) => dialect.write(event, 0).map((text) => JSON.parse(text)),
  }
}

const samplesOf = (read: ReturnType<Dialect["readBytes"]>) => samplesIn(allCommands(read))

describe("events on the wire", () => {
  test("ready is first and tells the whole configuration under the names of the URL", () => {
    const { ready } = open({ language: "de", silence_ms: 300 })
    expect(ready).toEqual({
      type: "ready",
      seq: 0,
      session: "s1",
      model: "base",
      config: {
        language: "de",
        sample_rate: 16_000,
        encoding: "pcm_s16le",
        channels: 1,
        channel: "mix",
        prompt: "",
        vad: "server",
        threshold: 0.5,
        prefix_ms: 300,
        silence_ms: 300,
        max_ms: 30_000,
        interim: false,
        words: false,
      },
    })
  })

  test("each speech event is one text with the next number, in snake case and whole milliseconds", () => {
    const { wrote } = open()
    expect(wrote({ type: "speech_start", utterance: 3, atMs: 99.6 })).toEqual([{ type: "speech_start", seq: 1, utt: 3, at_ms: 100 }])
    const partial = {
      type: "partial",
      utterance: 3,
      segment: 1,
      text: "And so",
      stable: 3,
      startMs: 100.4,
      endMs: 800.5,
      lagMs: 31.2,
    } as const
    expect(wrote(partial)).toEqual([
      { type: "partial", seq: 2, utt: 3, seg: 1, text: "And so", stable: 3, start_ms: 100, end_ms: 801, lag_ms: 31 },
    ])
    expect(wrote({ type: "speech_end", utterance: 3, atMs: 1200 })).toEqual([{ type: "speech_end", seq: 3, utt: 3, at_ms: 1200 }])
    const numbers = { confidence: 0.87654321, avgLogprob: -0.25, noSpeechProb: null }
    const final = finalEvent("And so on.", { utterance: 3, segment: 1, cause: "endpoint", startMs: 100.4, endMs: 1100, ...numbers })
    expect(wrote(final)).toEqual([
      {
        type: "final",
        seq: 4,
        utt: 3,
        seg: 1,
        text: "And so on.",
        start_ms: 100,
        end_ms: 1100,
        end: true,
        cause: "endpoint",
        language: "en",
        confidence: 0.8765,
        avg_logprob: -0.25,
        no_speech_prob: null,
      },
    ])
    expect(wrote({ type: "failed", utterance: 4, cause: null, code: "timeout", message: "no answer" })).toEqual([
      { type: "failed", seq: 5, utt: 4, cause: null, code: "timeout", message: "no answer" },
    ])
    expect(wrote({ type: "cleared", utterance: null })).toEqual([{ type: "cleared", seq: 6, utt: null }])
  })

  test("words come with their times if they were asked for and the engine has them", () => {
    const words = [{ text: "Hi.", startMs: 10.2, endMs: 99.9, confidence: 0.123456 }]
    expect(open({ words: true }).wrote(finalEvent("Hi.", { words }))[0]).toMatchObject({
      words: [{ text: "Hi.", start_ms: 10, end_ms: 100, confidence: 0.1235 }],
    })
    expect(open({ words: true }).wrote(finalEvent("Hi.", { words: null }))[0]).not.toContainKey("words")
    expect(open({ words: false }).wrote(finalEvent("Hi.", { words }))[0]).not.toContainKey("words")
  })

  test("done is the last word, and a fault says that it is fatal", () => {
    const { finished, fail } = open()
    expect(JSON.parse(finished({ audioMs: 1234, utterances: 5 })[0]!)).toEqual({ type: "done", seq: 1, audio_ms: 1234, utterances: 5 })
    expect(JSON.parse(fail("engine_gone", "speech engine gone")[0]!)).toEqual({
      type: "error",
      seq: 2,
      code: "engine_gone",
      message: "speech engine gone",
      fatal: true,
    })
  })
})

describe("controls", () => {
  test("each asks for its command", () => {
    const { control } = open()
    expect(control({ type: "commit" })).toEqual([{ type: "commit" }])
    expect(control({ type: "clear" })).toEqual([{ type: "clear" }])
    expect(control({ type: "keepalive" })).toEqual([])
    expect(control({ type: "close" })).toEqual([{ type: "finish" }])
  })

  test("a ref comes back in the event that its control causes, and in no other", () => {
    const { control, wrote, finished } = open()
    for (const ref of ["a", undefined, "c"]) control({ type: "commit", ref })
    control({ type: "clear", ref: "d" })
    const refs = [
      wrote(finalEvent("one", { cause: "endpoint" })),
      wrote(finalEvent("two", { end: false })),
      wrote({ type: "failed", utterance: 1, cause: "endpoint", code: "timeout", message: "" }),
      wrote({ type: "failed", utterance: 2, cause: "commit", code: "timeout", message: "" }),
      wrote(finalEvent("", { cause: "max" })),
      wrote(finalEvent("", { cause: "commit" })),
      wrote({ type: "cleared", utterance: null }),
      wrote(finalEvent("three", { cause: "commit" })),
      wrote({ type: "cleared", utterance: 9 }),
    ].map(([event]) => event.ref)
    expect(refs).toEqual([undefined, undefined, undefined, "a", undefined, undefined, "d", "c", undefined])
    control({ type: "close", ref: "e" })
    expect(JSON.parse(finished({ audioMs: 0, utterances: 0 })[0]!)).toMatchObject({ type: "done", ref: "e" })
  })

  test.each([
    ["no JSON", "{commit}", "bad_message"],
    ["nothing", "", "bad_message"],
    ["no object", '"commit"', "bad_message"],
    ["a list", '[{"type":"commit"}]', "bad_message"],
    ["null", "null", "bad_message"],
    ["no type", "{}", "bad_message"],
    ["an unknown type", { type: "reset", ref: "r" }, "bad_message"],
    ["a ref that is none", { type: "commit", ref: 7 }, "bad_message"],
    ["a ref that is too long", { type: "commit", ref: "r".repeat(201) }, "bad_message"],
    ["too long a text", `{"type":"keepalive","x":"${"x".repeat(CONTROL_CHARACTERS_MAX)}"}`, "bad_message"],
    ["a bad value", { type: "config", silence_ms: "long", ref: "r" }, "bad_parameter"],
    ["a value of another kind", { type: "config", language: null, ref: "r" }, "bad_parameter"],
    ["another mode", { type: "config", mode: "frames", ref: "r" }, "too_late"],
  ])("%s is answered by an error that ends nothing", (_, message, code) => {
    const { control, dialect } = open()
    const before = dialect.stream
    const ref = typeof message === "object" && message.ref === "r" ? { ref: "r" } : {}
    expect(control(message)).toEqual([{ type: "error", seq: 1, code, message: expect.stringMatching(/^.+$/), fatal: false, ...ref }])
    expect(dialect.stream).toEqual(before)
  })

  test("an error repeats nothing of the message", () => {
    const { control } = open()
    expect(JSON.stringify(control({ type: "secret" }))).not.toContain("secret")
    expect(JSON.stringify(control({ type: "config", encoding: "secret" }))).not.toContain("secret")
  })
})

describe("config", () => {
  test("changes everything before the first audio, and the stream is opened with it", () => {
    const { control, dialect } = open()
    const changes = { language: "fr", vad: "none", interim: true, words: 1, silence_ms: "250" }
    const [ready, ...others] = control({ type: "config", ref: "c", ...changes })
    expect(others).toEqual([])
    expect(ready).toMatchObject({ type: "ready", seq: 1, session: "s1", ref: "c" })
    expect(ready.config).toEqual({ ...DEFAULT_CONFIG, language: "fr", vad: "none", interim: true, words: true, silence_ms: 250 })
    expect(dialect.stream).toEqual({ language: "fr", prompt: undefined, endpointing: null, interims: true, words: true })
  })

  test("changes the audio before its first byte", () => {
    const { control, readBytes } = open()
    control({ type: "config", encoding: "mulaw", channels: 2, channel: 0 })
    expect(samplesOf(readBytes(new Uint8Array([0xff, 0x00, 0xff, 0x00]), 0))).toEqual([0, 0])
  })

  test("after the first audio changes language, prompt and the numbers of the VAD, and says so to the stream", () => {
    const { control, readBytes } = open({ language: "en" })
    readBytes(new Uint8Array(2), 0)
    const changes = { language: "it", prompt: "Roma", threshold: 0.7, prefix_ms: 0, silence_ms: 900, max_ms: 5000 }
    const endpointing = { threshold: 0.7, prefixMs: 0, silenceMs: 900, maxMs: 5000 }
    expect(control({ type: "config", ...changes })).toEqual([
      { type: "configure", changes: { language: "it", prompt: "Roma", endpointing } },
      expect.objectContaining({ type: "ready", seq: 1, config: { ...DEFAULT_CONFIG, ...changes } }),
    ])
  })

  test.each([
    ["encoding", "alaw"],
    ["sample_rate", 8000],
    ["channels", 2],
    ["vad", "none"],
    ["interim", true],
    ["words", true],
  ])("%s is too late then, and nothing beside it changes either", (name, value) => {
    const { control, readBytes, dialect } = open()
    readBytes(new Uint8Array(1), 0)
    const before = dialect.stream
    expect(control({ type: "config", [name]: value, silence_ms: 900, ref: "x" })).toEqual([
      { type: "error", seq: 1, code: "too_late", message: `${name} can only change before the first audio`, fatal: false, ref: "x" },
    ])
    expect(dialect.stream).toEqual(before)
    expect(control({ type: "config", [name]: DEFAULT_CONFIG[name as keyof Config] })).toContainEqual(
      expect.objectContaining({ type: "ready" }),
    )
  })

  test.each(["commit", "clear"])("a %s opens the stream too", (type) => {
    const { control } = open()
    control({ type })
    expect(control({ type: "config", vad: "none" })).toEqual([expect.objectContaining({ type: "error", code: "too_late" })])
  })

  test("keepalives, errors and empty messages do not", () => {
    const { control, readBytes } = open()
    control({ type: "keepalive" })
    control("garbage")
    readBytes(new Uint8Array(0), 0)
    expect(control({ type: "config", vad: "none" })).toEqual([expect.objectContaining({ type: "ready" })])
  })

  test("an empty prompt takes the prompt away", () => {
    const { control, dialect } = open({ prompt: "Xanten" })
    control({ type: "config", prompt: "" })
    expect(dialect.stream.prompt).toBeUndefined()
  })

  test("an empty prompt takes the prompt away from a stream that runs, too", () => {
    const { control, readBytes } = open({ prompt: "Xanten" })
    readBytes(new Uint8Array(2), 0)
    expect(control({ type: "config", prompt: "" })).toMatchObject([{ type: "configure", changes: { prompt: "" } }, {}])
  })
})

describe("audio", () => {
  test("may be cut anywhere, through samples too, and a control between two halves does not tear them", () => {
    const { readBytes, control } = open()
    expect(samplesOf(readBytes(new Uint8Array([1, 0, 2]), 0))).toEqual([1])
    expect(control({ type: "commit" })).toEqual([{ type: "commit" }])
    expect(control({ type: "clear" })).toEqual([{ type: "clear" }])
    expect(samplesOf(readBytes(new Uint8Array([0, 3, 0]), 0))).toEqual([2, 3])
  })

  test("that the resampler still holds comes before the end", () => {
    const { readBytes, control } = open({ sample_rate: 8000 })
    const first = samplesOf(readBytes(new Uint8Array(1600), 0))
    const commands = control({ type: "close" })
    expect(commands.at(-1)).toEqual({ type: "finish" })
    expect(first.length + samplesOf(commands).length - 1).toBe(1600)
  })
})
