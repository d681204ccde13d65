/** What a real server says, held to what its own descriptions say of it: each body and message, with no field more or less. */
import { describe, expect, test } from "bun:test"
import { EngineError } from "../../src/engines/engine.ts"
import { type Client, connect, socketUrl } from "../support/client.ts"
import { type Described, described } from "../support/described.ts"
import { bytes, startForOpenAi } from "../support/openai-client.ts"
import { CLEAR, COMMIT, PCM16K, update } from "../support/realtime.ts"
import { audio, type Heard, wordOf } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const SILENCE = audio(0, 100)

/** Nobody understands a 9. */
function answer(heard: Heard): string {
  const word = wordOf(heard)
  if (word === "word 9") throw new EngineError("timeout", "no answer")
  return word
}

function form(fields: Readonly<Record<string, string>> = {}, granularities: readonly string[] = []): FormData {
  const data = new FormData()
  data.set("file", new File([bytes([7, 2])], "talk.wav"))
  for (const [name, value] of Object.entries({ model: "whisper-1", ...fields })) data.set(name, value)
  for (const one of granularities) data.append("timestamp_granularities[]", one)
  return data
}

describe("an answer", () => {
  const post = (url: URL, path: string, body: Bun.BodyInit) => fetch(new URL(path, url), { method: "POST", body })
  const transcribe = (url: URL, body: FormData) => post(url, "/v1/audio/transcriptions", body)

  test("of OpenAI's requests is as described: json, verbose_json, models, and errors", async () => {
    const { url } = startForOpenAi({ translates: true })
    const { faults } = await described(url, "/openapi.json")
    const json = async (response: Promise<Response>) => (await response).json()
    expect(faults("Transcript", await json(transcribe(url, form())))).toEqual([])
    const verbose = await json(transcribe(url, form({ response_format: "verbose_json" }, ["word", "segment"])))
    expect(verbose).toMatchObject({ words: [{ word: "word 7" }], segments: [{ text: " word 7" }] })
    expect(faults("VerboseTranscript", verbose)).toEqual([])
    expect(faults("VerboseTranscript", await json(post(url, "/v1/audio/translations", form({ response_format: "verbose_json" }))))).toEqual(
      [],
    )
    expect(faults("ModelList", await json(fetch(new URL("/v1/models", url))))).toEqual([])
    expect(faults("Model", await json(fetch(new URL("/v1/models/whisper-1", url))))).toEqual([])
    const wrong = [
      transcribe(url, form({ response_format: "pdf" })),
      fetch(new URL("/v1/models/none", url)),
      transcribe(url, new FormData()),
    ]
    for (const response of await Promise.all(wrong)) {
      expect(response.status).toBeGreaterThanOrEqual(400)
      expect(faults("Error", await response.json())).toEqual([])
    }
  })

  test("in events is as described, up to the last", async () => {
    const { url } = startForOpenAi()
    const { faults } = await described(url, "/openapi.json")
    const text = await (await transcribe(url, form({ stream: "true" }))).text()
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, event]) => JSON.parse(String(event)))
    expect(events.map(({ type }) => type)).toEqual(["transcript.text.delta", "transcript.text.done"])
    expect(faults("TextDelta", events[0])).toEqual([])
    expect(faults("TextDone", events[1])).toEqual([])
  })

  test("of Deepgram's requests is as described, with utterances and paragraphs, and refused", async () => {
    const { url } = startForOpenAi()
    const { faults } = await described(url, "/openapi.json")
    const heard = await (await post(url, "/v1/listen?utterances=true&paragraphs=true&detect_language=true", bytes([7, 2]))).json()
    expect(heard).toMatchObject({
      results: { utterances: [{}], channels: [{ detected_language: "de", alternatives: [{ paragraphs: {} }] }] },
    })
    expect(faults("ListenAnswer", heard)).toEqual([])
    const refused = await post(url, "/v1/listen?utt_split=never", bytes([7, 2]))
    expect(refused.status).toBe(400)
    expect(faults("ListenError", await refused.json())).toEqual([])
  })
})

describe("every message of a socket is seen, and is as described", () => {
  /** All that came, as the messages of that channel; each of them at least once. */
  async function expectAll(
    { document, faults }: Described,
    channel: string,
    received: readonly (readonly [name: string, message: unknown])[],
  ) {
    for (const [name, message] of received) expect([name, faults(name, message)]).toEqual([name, []])
    const { operations } = document as { operations: Record<string, { messages: { $ref: string }[] }> }
    const told = operations[`${channel}.send`]?.messages.map(({ $ref }) => $ref.slice($ref.lastIndexOf("/") + 1)) ?? []
    expect([...new Set(received.map(([name]) => name))].sort()).toEqual(told.sort())
  }

  const byType = (prefix: string, { received }: Pick<Client, "received">) =>
    received.map((text) => JSON.parse(text)).map((message) => [`${prefix}.${message.type}`, message] as const)

  test("in mode events", async () => {
    const { server } = serve({}, { answer })
    const client = await connect(socketUrl(server.url, "mode=events&interim=1&words=1"))
    for (const sound of [audio(7), SILENCE, audio(9), SILENCE]) client.send(sound)
    for (const control of [
      { type: "clear", ref: "a" },
      { type: "dance" },
      { type: "commit" },
      { type: "config", language: "de" },
      { type: "close" },
    ])
      client.send(JSON.stringify(control))
    await client.closed
    await expectAll(await described(server.url, "/asyncapi.json"), "events", byType("event", client))
  })

  test("in Deepgram's live wire", async () => {
    const { server } = serve({}, { answer })
    const query = "encoding=linear16&sample_rate=16000&interim_results=true&vad_events=true&utterance_end_ms=1000&detect_language=true"
    const client = await connect(socketUrl(server.url, query, "/v1/listen"))
    for (const sound of [audio(7, 1600), audio(0, 32_000), audio(9, 1600), audio(0, 1600)]) client.send(sound)
    for (const type of ["KeepAlive", "Finalize", "CloseStream"]) client.send(JSON.stringify({ type }))
    await client.closed
    await expectAll(await described(server.url, "/asyncapi.json"), "listen", byType("listen", client))
  })

  test("in OpenAI's realtime wire, today's and the older one", async () => {
    const { server } = serve({}, { answer })
    const append = (sound: Uint8Array) => ({ type: "input_audio_buffer.append", audio: Buffer.from(sound).toString("base64") })
    const talk = async (events: readonly object[], awaited: readonly string[], options: Bun.WebSocketOptions = {}) => {
      const client = await connect(socketUrl(server.url, "intent=transcription", "/v1/realtime"), options)
      for (const event of events) client.send(JSON.stringify(event))
      while (!awaited.every((piece) => client.received.some((text) => text.includes(piece)))) await client.next()
      client.close()
      await client.closed
      return byType("realtime", client)
    }
    const input = { format: PCM16K, turn_detection: { type: "semantic_vad" }, transcription: { model: "whisper-1" } }
    const sounds = [audio(7, 1600), audio(0, 1600), audio(9, 1600), audio(0, 1600)].map(append)
    const ga = await talk(
      [update(input), ...sounds, CLEAR, { type: "response.create" }],
      [".completed", ".failed", ".cleared", "unsupported_event"],
    )
    const older = { input_audio_format: "g711_ulaw", input_audio_transcription: { language: "de" }, turn_detection: null }
    const session = { type: "transcription_session.update", session: older }
    const beta = await talk([session, append(audio(7, 1600)), COMMIT], [".completed"], { headers: { "openai-beta": "realtime=v1" } })
    await expectAll(await described(server.url, "/asyncapi.json"), "realtime", [...ga, ...beta])
  })

  test("in Vosk's wire", async () => {
    const { server } = serve()
    const client = await connect(socketUrl(server.url, "sample_rate=16000", "/vosk"))
    const ask = (message: string | Uint8Array) => {
      client.send(message)
      return client.next()
    }
    await ask(audio(7))
    await ask(SILENCE)
    await ask(audio(8))
    client.send(JSON.stringify({ config: { max_alternatives: 1 } }))
    await ask(JSON.stringify({ eof: 1 }))
    await client.closed
    const received = client.received
      .map((text) => JSON.parse(text))
      .map((message) => {
        const kind = "partial" in message ? "partial" : "alternatives" in message ? "alternatives" : "final"
        return [`vosk.${kind}`, message] as const
      })
    await expectAll(await described(server.url, "/asyncapi.json"), "vosk", received)
  })
})
