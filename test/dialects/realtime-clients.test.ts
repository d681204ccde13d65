import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ConverterType, create } from "@alexanderolsen/libsamplerate-js"
import OpenAI from "openai"
import { OpenAIRealtimeWS as BetaRealtimeWS } from "openai/beta/realtime/ws"
import { OpenAIRealtimeWS } from "openai/realtime/ws"
import { floatsFromSamples, samplesFromFloats } from "../../src/audio/pcm.ts"
import { clip, words } from "../support/clips.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"
import { COMMIT, connectRealtime, update } from "../support/realtime.ts"
import { localhostTls } from "../support/tls.ts"

const FORWARD = /^go forward (ten|10) meters$/
const CLUBS = /^(ten|10) of clubs$/
const TURNED = /he turned sharply and faced/
const TELEPHONE_HEADER_BYTES = 58
const SECOND_BYTES = 48_000

/** As OpenAI wants it: 24 kHz. */
async function pcm24k(id: string): Promise<Uint8Array> {
  const converter = await create(1, 16_000, 24_000, { converterType: ConverterType.SRC_SINC_MEDIUM_QUALITY })
  const samples = samplesFromFloats(converter.simple(floatsFromSamples(await clip(id))))
  converter.destroy()
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
}

/** "Ten of clubs", at 8 kHz. */
async function telephone(law: "mulaw" | "alaw"): Promise<Uint8Array> {
  const recording = await Bun.file(join(import.meta.dir, `../fixtures/recordings/${law}.wav`)).bytes()
  return recording.subarray(TELEPHONE_HEADER_BYTES)
}

/** In slices of 100 ms, as a microphone gives them. */
function* appends(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += SECOND_BYTES / 10) {
    yield { type: "input_audio_buffer.append", audio: Buffer.from(bytes.subarray(at, at + SECOND_BYTES / 10)).toString("base64") } as const
  }
}

const withSilence = (bytes: Uint8Array) => Buffer.concat([bytes, new Uint8Array(SECOND_BYTES * 1.5)])

/** What a client was told: the transcripts in order, and the deltas of each item joined. */
function tally(rt: OpenAIRealtimeWS, turns: number) {
  const deltas = new Map<string, string>()
  const transcripts: string[] = []
  const types: string[] = []
  const done = Promise.withResolvers<void>()
  rt.on("error", done.reject)
  rt.on("event", ({ type }) => void types.push(type))
  rt.on("conversation.item.input_audio_transcription.delta", ({ item_id, delta = "" }) => {
    deltas.set(item_id, (deltas.get(item_id) ?? "") + delta)
  })
  rt.on("conversation.item.input_audio_transcription.completed", ({ item_id, transcript }) => {
    transcripts.push(transcript)
    expect(deltas.get(item_id)).toBe(transcript)
    if (transcripts.length === turns) done.resolve()
  })
  return { transcripts, types, done: done.promise }
}

describe("a realtime client at a server with real Whisper and a certificate", () => {
  let program: RunningProgram
  let folder: string
  let address: URL
  let openai: OpenAI
  const options = { ca: localhostTls.cert }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "realtime-"))
    const env = { TLS_CERT: join(folder, "cert.pem"), TLS_KEY: join(folder, "key.pem") }
    await Bun.write(env.TLS_CERT, localhostTls.cert)
    await Bun.write(env.TLS_KEY, localhostTls.key)
    program = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1", ...env })
    address = new URL(String((await program.seen("listening")).address))
    openai = new OpenAI({ baseURL: `https://${address.host}/v1`, apiKey: "sk-of-nobody" })
    await program.seen("ready")
  }, 120_000)
  afterAll(async () => {
    await program[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  test("OpenAIRealtimeWS commits by hand and reads its transcript", async () => {
    const rt = new OpenAIRealtimeWS({ intent: "transcription", options }, openai)
    const told = tally(rt, 1)
    await new Promise((resolve) => rt.socket.once("open", resolve))
    const input = {
      format: { type: "audio/pcm", rate: 24_000 },
      transcription: { model: "gpt-4o-transcribe" },
      turn_detection: null,
    } as const
    rt.send({ type: "session.update", session: { type: "transcription", audio: { input } } })
    for (const append of appends(await pcm24k("ps_goforward"))) rt.send(append)
    rt.send({ type: "input_audio_buffer.commit" })
    await told.done
    expect(words(told.transcripts.join())).toMatch(FORWARD)
    expect(told.types.slice(0, 2)).toEqual(["session.created", "session.updated"])
    rt.close()
  }, 60_000)

  test("OpenAIRealtimeWS has two turns heard by the server, in the language of the server, whatever model it names", async () => {
    const rt = new OpenAIRealtimeWS({ model: "gpt-realtime", options }, openai)
    const told = tally(rt, 2)
    await new Promise((resolve) => rt.socket.once("open", resolve))
    for (const id of ["ps_goforward", "arctic_a0009"]) for (const append of appends(withSilence(await pcm24k(id)))) rt.send(append)
    await told.done
    expect(words(told.transcripts[0] ?? "")).toMatch(FORWARD)
    expect(words(told.transcripts[1] ?? "")).toMatch(TURNED)
    // The second turn began before the words of the first were there.
    for (const type of ["speech_started", "speech_stopped", "committed"]) {
      expect(told.types.filter((one) => one === `input_audio_buffer.${type}`)).toHaveLength(2)
    }
    rt.close()
  }, 60_000)

  test("the beta OpenAIRealtimeWS speaks the older wire", async () => {
    const rt = new BetaRealtimeWS({ model: "whisper-1", options }, openai)
    const types: string[] = []
    const transcript = new Promise<string>((resolve, reject) => {
      rt.on("error", reject)
      rt.on("event", ({ type }) => void types.push(type))
      rt.on("conversation.item.input_audio_transcription.completed", (event) => resolve(event.transcript))
    })
    await new Promise((resolve) => rt.socket.once("open", resolve))
    rt.send({ type: "transcription_session.update", session: { input_audio_format: "g711_ulaw" } })
    const audio = Buffer.concat([await telephone("mulaw"), Buffer.alloc(12_000, 0xff)])
    rt.send({ type: "input_audio_buffer.append", audio: audio.toString("base64") })
    expect(words(await transcript)).toMatch(CLUBS)
    expect(types).toContain("transcription_session.updated")
    expect(types).toContain("conversation.item.created")
    rt.close()
  }, 60_000)

  test("OpenAIRealtimeWebSocket, which takes no certificate itself, has it from NODE_EXTRA_CA_CERTS", async () => {
    const script = `
      import OpenAI from "openai"
      import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket"
      const openai = new OpenAI({ baseURL: "https://${address.host}/v1", apiKey: "sk-of-nobody" })
      const audio = await Bun.stdin.text()
      const rt = new OpenAIRealtimeWebSocket({ intent: "transcription" }, openai)
      rt.on("error", (error) => { console.log(error.message); process.exit(1) })
      rt.on("session.created", () => {
        const input = { turn_detection: null }
        rt.send({ type: "session.update", session: { type: "transcription", audio: { input } } })
        rt.send({ type: "input_audio_buffer.append", audio })
        rt.send({ type: "input_audio_buffer.commit" })
      })
      rt.on("conversation.item.input_audio_transcription.completed", ({ transcript }) => {
        console.log(transcript)
        rt.close()
      })`
    async function run(env: Record<string, string>): Promise<string> {
      const child = Bun.spawn([process.execPath, "-e", script], {
        cwd: join(import.meta.dir, "../.."),
        env: { PATH: process.env.PATH, ...env },
        stdin: new Blob([Buffer.from(await pcm24k("ps_goforward")).toString("base64")]),
      })
      return words(await new Response(child.stdout).text())
    }
    expect(await run({ NODE_EXTRA_CA_CERTS: join(folder, "cert.pem") })).toMatch(FORWARD)
    // Nobody is heard who was not shown a certificate to trust.
    expect(await run({})).toContain("self signed certificate")
  }, 60_000)

  test("one written by hand has the same words heard in both laws of the telephone", async () => {
    for (const [type, law] of [
      ["audio/pcmu", "mulaw"],
      ["audio/pcma", "alaw"],
    ] as const) {
      const client = await connectRealtime(new URL(`https://${address.host}`), "intent=transcription", { tls: options })
      client.send(update({ format: { type }, turn_detection: null }))
      client.append(await telephone(law))
      client.send(COMMIT)
      const lines = await client.until("conversation.item.input_audio_transcription.completed")
      expect(words(String(lines.at(-1)?.transcript))).toMatch(CLUBS)
      client.close()
    }
  }, 60_000)
})
