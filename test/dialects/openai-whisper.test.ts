import { afterAll, beforeAll, expect, test } from "bun:test"
import { join } from "node:path"
import OpenAI from "openai"
import { words } from "../support/clips.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"

let program: RunningProgram
let openai: OpenAI
beforeAll(async () => {
  program = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1", STT_STRICT_MODELS: "1" })
  const address = String((await program.seen("listening")).address)
  await program.seen("ready")
  openai = new OpenAI({ apiKey: "none", baseURL: `http://${new URL(address).host}/v1`, maxRetries: 0 })
}, 120_000)
afterAll(() => program[Symbol.asyncDispose]())

const model = "whisper-1"
const speech = (name: string) => Bun.file(join(import.meta.dir, "../fixtures/speech", `${name}.wav`))
const AUSTEN = "ps_sense_and_sensibility_01_austen_64kb-0870"
const SENTENCE = "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them"

test("Whisper's words come with their times, in order, within the recording", async () => {
  const answer = await openai.audio.transcriptions.create({
    file: speech(AUSTEN),
    model,
    response_format: "verbose_json",
    timestamp_granularities: ["word", "segment"],
  })
  expect(words(answer.text)).toBe(SENTENCE)
  expect(answer.language).toBe("english")
  const { segments = [], words: told = [], duration } = answer
  expect(words(segments.map(({ text }) => text).join(""))).toBe(SENTENCE)
  for (const { tokens, avg_logprob, no_speech_prob, compression_ratio } of segments) {
    expect(tokens.length).toBeGreaterThan(4)
    expect(avg_logprob).toBeWithin(-1, 0)
    expect(no_speech_prob).toBeWithin(0, 0.7)
    expect(compression_ratio).toBeGreaterThan(0.5)
  }
  expect(words(told.map(({ word }) => word).join(" "))).toBe(SENTENCE)
  const times = told.flatMap(({ start, end }) => [start, end])
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  expect(times.at(-1)).toBeLessThanOrEqual(Number(duration))
}, 60_000)

test("Whisper's words are the same as a stream, as text and as cues", async () => {
  const events = await Array.fromAsync(await openai.audio.transcriptions.create({ file: speech(AUSTEN), model, stream: true }))
  const deltas = events.flatMap((event) => (event.type === "transcript.text.delta" ? [event.delta] : []))
  expect(words(deltas.join(""))).toBe(SENTENCE)
  expect(events.at(-1)).toMatchObject({ type: "transcript.text.done", text: deltas.join("") })
  const text = await openai.audio.transcriptions.create({ file: speech(AUSTEN), model, response_format: "text" })
  expect(words(text)).toBe(SENTENCE)
  const srt = await openai.audio.transcriptions.create({ file: speech(AUSTEN), model, response_format: "srt" })
  expect(words(srt.replace(/^\d+$|^.*-->.*$/gm, ""))).toBe(SENTENCE)
}, 60_000)

test("Whisper translates Spanish into English, and transcribes it otherwise", async () => {
  const file = speech("ast_es_vm-enter-num-to-call")
  const spanish = await openai.audio.transcriptions.create({ file, model, language: "es" })
  expect(words(spanish.text)).toMatch(/número/)
  const english = await openai.audio.translations.create({ file, model })
  expect(words(english.text)).toMatch(/number/)
  expect(words(english.text)).not.toMatch(/número/)
}, 60_000)

test("the operator may want only the names of models that are listed", async () => {
  const ids = (await openai.models.list()).data.map(({ id }) => id)
  expect(ids).toContain(model)
  const thrown = await openai.audio.transcriptions.create({ file: speech(AUSTEN), model: "whisper-9" }).catch((thrown: unknown) => thrown)
  expect(thrown).toBeInstanceOf(OpenAI.NotFoundError)
}, 60_000)

test("silence has no words", async () => {
  expect((await openai.audio.transcriptions.create({ file: speech("ns_silence_0.4s"), model })).text).toBe("")
}, 60_000)

test("what is no sound is refused, and the next recording is heard", async () => {
  const file = new File(["no sound at all, whatever its name".repeat(100)], "speech.wav")
  const thrown = await openai.audio.transcriptions.create({ file, model }).catch((thrown: unknown) => thrown)
  expect(thrown).toBeInstanceOf(OpenAI.BadRequestError)
  expect(thrown).toMatchObject({ code: "invalid_audio" })
  expect(words((await openai.audio.transcriptions.create({ file: speech(AUSTEN), model })).text)).toBe(SENTENCE)
}, 60_000)
