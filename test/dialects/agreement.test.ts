/** One recording through every door, with real Whisper behind them: each has to tell the same words. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { join } from "node:path"
import { connect, socketUrl } from "../support/client.ts"
import { words } from "../support/clips.ts"
import { clientOf, connectLive, transcript } from "../support/deepgram-client.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"
import { COMMIT, connectRealtime, PCM16K, update } from "../support/realtime.ts"

const WAV = await Bun.file(join(import.meta.dir, "../fixtures/speech/ps_sense_and_sensibility_01_austen_64kb-0870.wav")).bytes()
const PCM = WAV.subarray(44)
const SENTENCE = "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them"
/** What ends an utterance where the server listens for its end. */
const SILENCE = new Uint8Array(32_000)

let program: RunningProgram
let url: URL
let wyomingPort: number
beforeAll(async () => {
  const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
  wyomingPort = free.port
  free.stop(true)
  program = startProgram([], {
    HOST: "127.0.0.1",
    PORT: "0",
    STT_ENGINES: "1",
    STT_LANGUAGE_CODE: "en",
    STT_MIN_REPLY_MS: "0",
    WYOMING_PORT: String(wyomingPort),
  })
  url = new URL(`http://${new URL(String((await program.seen("listening")).address)).host}`)
  await program.seen("ready")
}, 120_000)
afterAll(() => program[Symbol.asyncDispose]())

/** What our socket tells of the recording and a silence: until it closes, or one message where it stays open. */
async function streamed(query: string, end: string | null): Promise<string[]> {
  const client = await connect(socketUrl(url, query))
  for (const slice of [PCM, SILENCE]) client.send(slice.slice())
  if (end !== null) {
    client.send(end)
    await client.closed
  } else await client.next()
  return [...client.received]
}

async function file(path: string, fields: Record<string, string>): Promise<Response> {
  const form = new FormData()
  for (const [name, value] of Object.entries({ model: "whisper-1", ...fields })) form.append(name, value)
  form.append("file", new Blob([WAV]), "recording.wav")
  return fetch(new URL(path, url), { method: "POST", body: form })
}

const doors: Readonly<Record<string, () => Promise<string>>> = {
  async "our socket, mode utterance"() {
    const client = await connect(socketUrl(url))
    client.send(PCM.slice())
    return client.next()
  },
  "our socket, mode frames": async () => (await streamed("mode=frames", null)).join(" "),
  async "our socket, mode events"() {
    const lines = (await streamed("mode=events", '{"type":"close"}')).map((text) => JSON.parse(text))
    return lines.map(({ type, text }) => (type === "final" ? text : "")).join(" ")
  },
  "OpenAI, json": async () => ((await (await file("/v1/audio/transcriptions", {})).json()) as { text: string }).text,
  "Groq, text": async () => (await file("/openai/v1/audio/transcriptions", { response_format: "text" })).text(),
  async "OpenAI, a stream"() {
    const events = await (await file("/v1/audio/transcriptions", { stream: "true" })).text()
    return [...events.matchAll(/^data: (.*transcript\.text\.delta.*)$/gm)].map(([, data]) => JSON.parse(data ?? "").delta).join("")
  },
  async "OpenAI, realtime"() {
    const client = await connectRealtime(url)
    client.send(update({ format: PCM16K, turn_detection: null, transcription: { model: "whisper-1", language: "en" } }))
    client.append(PCM)
    client.send(COMMIT)
    const lines = await client.until("conversation.item.input_audio_transcription.completed")
    client.close()
    return String(lines.at(-1)?.transcript)
  },
  async "Deepgram, live"() {
    const live = await connectLive(url, { language: "en" })
    live.send(WAV)
    live.closeStream()
    await live.closed
    return live.received.map((line) => (line.is_final === true ? transcript(line) : "")).join(" ")
  },
  async "Deepgram, recorded"() {
    const answer = await clientOf(url).listen.v1.media.transcribeFile(WAV, { model: "nova-3", language: "en" })
    return "results" in answer ? (answer.results.channels[0]?.alternatives?.[0]?.transcript ?? "") : ""
  },
  async Vosk() {
    const client = await connect(socketUrl(url, "sample_rate=16000", "/vosk"))
    client.send(PCM.slice())
    client.send('{"eof":1}')
    await client.closed
    return client.received.map((text) => JSON.parse(text).text ?? "").join(" ")
  },
  async Wyoming() {
    const told = Promise.withResolvers<string>()
    const chunk = `${JSON.stringify({ type: "audio-chunk", data: { rate: 16_000, width: 2, channels: 1 }, payload_length: PCM.length })}\n`
    const bytes = Buffer.concat([Buffer.from(chunk), PCM, Buffer.from('{"type":"audio-stop"}\n')])
    let sent = 0
    const send = (socket: Bun.Socket) => {
      sent += Math.max(0, socket.write(bytes.subarray(sent)))
    }
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: wyomingPort,
      socket: { open: send, drain: send, data: (_, answer) => told.resolve(JSON.parse(answer.toString()).data.text) },
    })
    const text = await told.promise
    socket.end()
    return text
  },
}

test.each(Object.entries(doors))(
  "%s tells the words that all others tell",
  async (_, door) => {
    expect(words(await door())).toBe(SENTENCE)
  },
  30_000,
)
