import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { voskDoor } from "../../src/dialects/vosk.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { connect, socketUrl } from "../support/client.ts"
import { words } from "../support/clips.ts"
import { allCommands, samplesIn } from "../support/commands.ts"
import { startProgram } from "../support/program.ts"
import { audio, finalEvent } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const DEFAULTS = { mode: "utterance", language: "en", provider: "scripted", model: "base" } as const

function opened(query = "sample_rate=16000") {
  const asking = { requestId: "r", path: "/vosk", query: new URLSearchParams(query), unixMs: 0, header: () => null }
  return voskDoor.open(asking, DEFAULTS)
}

function open(query?: string) {
  const opening = opened(query)
  if (!opening.ok) throw new Error("refused")
  const dialect = opening.dialect()
  const commands = (message: Uint8Array | object) =>
    allCommands(message instanceof Uint8Array ? dialect.readBytes(message, 0) : dialect.readText(JSON.stringify(message), 0))
  return {
    dialect,
    commands,
    /** What is said while this is read. */
    said: (message: Uint8Array | object) =>
      commands(message).flatMap((command) => (command.type === "say" ? [JSON.parse(command.text)] : [])),
    wrote: (event: SpeechEvent) => dialect.write(event, 0).map((text) => JSON.parse(text)),
    rest: () => dialect.finished({ audioMs: 0, utterances: 0 }).map((text) => JSON.parse(text)),
  }
}

const partial = (text: string): SpeechEvent => ({
  type: "partial",
  utterance: 0,
  segment: 0,
  text,
  stable: 0,
  startMs: 0,
  endMs: 100,
  lagMs: 0,
})
const final = (text: string, fields: Parameters<typeof finalEvent>[1] = {}) => finalEvent(text, { cause: "endpoint", ...fields })
const sound = audio(7)

describe("each audio message has one answer", () => {
  test("of silence, of what is being said, of what was said, in turns", () => {
    const { said, wrote } = open()
    expect(said(sound)).toEqual([{ partial: "" }])
    expect(wrote(partial("one"))).toEqual([])
    expect([...said(sound), ...said(new Uint8Array(1))]).toEqual([{ partial: "one" }, { partial: "one" }])
    wrote(final("one two"))
    wrote(partial("three"))
    expect([...said(sound), ...said(sound)]).toEqual([{ text: "one two" }, { partial: "three" }])
  })

  test("of an utterance of several segments when all of it is known, with its words", () => {
    const { said, wrote } = open()
    wrote(finalEvent("one", { end: false, cause: "max", startMs: 100, endMs: 400 }, true))
    expect(said(sound)).toEqual([{ partial: "" }])
    wrote(finalEvent("two", { segment: 1, cause: "endpoint", startMs: 500, endMs: 900 }, true))
    const result = [
      { conf: 0.5, start: 0.1, end: 0.4, word: "one" },
      { conf: 0.5, start: 0.5, end: 0.9, word: "two" },
    ]
    expect(said(sound)).toEqual([{ result, text: "one two" }])
  })

  test("as a client configured it: without words, with alternatives", () => {
    const { dialect, said, wrote, commands } = open("")
    expect(
      commands({ config: { sample_rate: 16000.0, words: false, max_alternatives: 1, phrase_list: ["Ada", "Lovelace"], model: "small" } }),
    ).toEqual([])
    expect(dialect.stream).toMatchObject({ language: "en", interims: true, words: true, prompt: "Ada, Lovelace" })
    expect(samplesIn(commands(sound)).filter((sample) => sample === 7)).toHaveLength(160)
    wrote(finalEvent("one", { cause: "endpoint" }, true))
    expect(said(sound)).toEqual([{ alternatives: [{ confidence: 0.5, text: "one" }] }])
  })

  test("also where the engine failed", () => {
    const { said, wrote } = open()
    wrote(partial("one"))
    wrote({ type: "failed", utterance: 0, cause: "endpoint", code: "timeout", message: "no answer" })
    expect(said(sound)).toEqual([{ partial: "" }])
    wrote(final("two", { utterance: 1, end: false }))
    wrote({ type: "failed", utterance: 1, cause: "endpoint", code: "timeout", message: "no answer" })
    expect(said(sound)).toEqual([{ text: "two" }])
  })
})

describe("a configuration", () => {
  test("says what it says, however loosely: a rate that went unheard would make noise of every word", () => {
    const { dialect, commands } = open("")
    const phrase_list = ["one two", 3, "[unk]"]
    expect(commands({ config: { sample_rate: "16000", words: 1, max_alternatives: "none", phrase_list } })).toEqual([])
    expect(dialect.stream).toMatchObject({ prompt: "one two" })
    expect(samplesIn(commands(sound)).filter((sample) => sample === 7)).toHaveLength(160)
  })

  test("may hint at more than is heard of", () => {
    const { dialect, commands } = open("")
    expect(commands({ config: { phrase_list: new Array(300).fill("Ada Lovelace") } })).toEqual([])
    expect(dialect.stream.prompt).toHaveLength(2000)
  })

  test("that is too long to be read ends the connection with a reason", () => {
    const config = { sample_rate: 16_000, phrase_list: ["x".repeat(20_000)] }
    expect(open("").commands({ config })).toMatchObject([{ type: "fail", code: 1009, reason: "a text has at most 16384 characters" }])
  })
})

describe("a reset", () => {
  test("is answered by the words so far; the answers behind it wait for it", () => {
    const { said, wrote, commands } = open()
    said(sound)
    expect(commands({ reset: 1 })).toEqual([{ type: "commit" }])
    expect([...said(sound), ...said(sound)]).toEqual([])
    expect(wrote(finalEvent("one"))).toEqual([{ text: "one" }, { partial: "" }, { partial: "" }])
    expect(said(sound)).toEqual([{ partial: "" }])
  })
})

describe("the end", () => {
  test("is told with all that no answer has told, once", () => {
    const { commands, wrote, rest } = open()
    expect(commands({ eof: 1 })).toEqual([{ type: "finish" }])
    wrote(final("one"))
    wrote(final("two", { cause: "close", utterance: 1 }))
    expect(rest()).toEqual([{ text: "one two" }])
    expect(open().rest()).toEqual([{ text: "" }])
  })
})

describe("what is not Vosk's", () => {
  test.each(["", "no json", "7", "null", '{"config":7}'])("as %p changes nothing", (text) => {
    expect(open().dialect.readText(text, 0)).toEqual([])
  })

  test("as a sample rate that cannot be read ends the connection with a reason", () => {
    for (const sample_rate of [12345, "fast", null, {}])
      expect(open().commands({ config: { sample_rate } })).toMatchObject([{ type: "fail", code: 1003 }])
    expect(opened("sample_rate=12345").ok).toBe(false)
  })
})

test("a client that sends and reads in turns hears everything, and then a clean close", async () => {
  const { server } = serve()
  const client = await connect(socketUrl(server.url, "", "/vosk"))
  client.send(JSON.stringify({ config: { sample_rate: 16_000 } }))
  const answers: { text?: string; partial?: string }[] = []
  for (const value of [7, 7, 0, 9, 9]) {
    client.send(audio(value))
    answers.push(JSON.parse(await client.next()))
  }
  client.send('{"eof" : 1}')
  answers.push(JSON.parse(await client.next()))
  expect(answers.flatMap(({ text }) => text || []).join(" ")).toBe("word 7 word 9")
  expect(answers).toHaveLength(6)
  expect((await client.closed).code).toBe(1000)
})

test("Whisper's words come through", async () => {
  await using program = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1", STT_LANGUAGE_CODE: "en" })
  const { address } = await program.seen("listening")
  await program.seen("ready")
  const client = await connect(socketUrl(new URL(`http://${new URL(String(address)).host}`), "", "/vosk"))
  const file = join(import.meta.dir, "../fixtures/speech/ps_sense_and_sensibility_01_austen_64kb-0870.wav")
  const wav = (await Bun.file(file).bytes()).subarray(44)
  client.send(JSON.stringify({ config: { sample_rate: 16_000 } }))
  const said: string[] = []
  for (let at = 0; at < wav.length; at += 8_000) {
    client.send(wav.slice(at, at + 8_000))
    said.push(JSON.parse(await client.next()).text ?? "")
  }
  client.send('{"eof" : 1}')
  said.push(JSON.parse(await client.next()).text)
  expect(words(said.join(" "))).toBe(
    "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them",
  )
}, 60_000)
