import { afterAll, beforeAll, expect, test } from "bun:test"
import { join } from "node:path"
import { wavFromSamples } from "../../src/audio/wav.ts"
import { words } from "../support/clips.ts"
import { alternative, clientOf, connectLive, type Line, transcript } from "../support/deepgram-client.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"

let program: RunningProgram
let url: URL
beforeAll(async () => {
  program = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" })
  url = new URL(`http://${new URL(String((await program.seen("listening")).address)).host}`)
  await program.seen("ready")
}, 120_000)
afterAll(() => program[Symbol.asyncDispose]())

const AUSTEN = Bun.file(join(import.meta.dir, "../fixtures/speech/ps_sense_and_sensibility_01_austen_64kb-0870.wav"))
const SENTENCE = "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them"

test("Whisper's words come live, with times in the stream, before the metadata", async () => {
  const live = await connectLive(url, { interim_results: "true", endpointing: 500, vad_events: "true", language: "en" })
  live.send(await AUSTEN.bytes())
  live.closeStream()
  expect((await live.closed).code).toBe(1000)
  const { received } = live
  expect(received[0]).toMatchObject({ type: "SpeechStarted" })
  const finals = received.filter(({ is_final }) => is_final === true)
  expect(words(finals.map(transcript).join(" "))).toBe(SENTENCE)
  const told = finals.flatMap((line) => alternative(line).words as { start: number; end: number; confidence: number; word: string }[])
  expect(told.map(({ word }) => word).join(" ")).toBe(SENTENCE)
  const times = told.flatMap(({ start, end }) => [start, end])
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  const metadata = received.at(-1) as Line & { duration: number }
  expect(metadata.type).toBe("Metadata")
  expect(times.at(-1)).toBeLessThanOrEqual(metadata.duration)
  for (const { confidence } of told) expect(confidence).toBeWithin(0.05, 1.0001)
}, 60_000)

test("Whisper's words of a recording are sentences with their times", async () => {
  const wishes = { model: "nova-3", smart_format: true, utterances: true, language: "en" } as const
  const answer = await clientOf(url).listen.v1.media.transcribeFile(await AUSTEN.bytes(), wishes)
  if (!("results" in answer)) throw new Error("no results")
  const best = answer.results.channels[0]?.alternatives?.[0]
  expect(words(best?.transcript ?? "")).toBe(SENTENCE)
  expect(best?.confidence).toBeWithin(0.5, 1)
  const sentence = best?.paragraphs?.paragraphs?.[0]?.sentences?.[0]
  expect(words(sentence?.text ?? "")).toMatch(/^and mr/)
  expect(words(answer.results.utterances?.map(({ transcript }) => transcript).join(" ") ?? "")).toBe(SENTENCE)
  expect(answer.metadata.duration).toBeWithin(5, 12)
}, 60_000)

test("Whisper hears each channel of a recording by itself, as many as there are", async () => {
  const mono = new Int16Array((await AUSTEN.arrayBuffer()).slice(44))
  const stereo = new Int16Array(2 * mono.length)
  for (const [index, sample] of mono.entries()) stereo[2 * index + 1] = sample
  const wav = wavFromSamples(stereo)
  const header = new DataView(wav.buffer)
  header.setUint16(22, 2, true)
  header.setUint16(32, 4, true)
  const answer = await clientOf(url).listen.v1.media.transcribeFile(wav, { model: "nova-3", multichannel: true, language: "en" })
  if (!("results" in answer)) throw new Error("no results")
  expect(answer.metadata.channels).toBe(2)
  expect(answer.results.channels.map(({ alternatives }) => words(alternatives?.[0]?.transcript ?? ""))).toEqual(["", SENTENCE])
}, 60_000)
