import { describe, expect, test } from "bun:test"
import { DeepgramError } from "@deepgram/sdk"
import { EngineError } from "../../src/engines/engine.ts"
import { connect, connectRaw, socketUrl } from "../support/client.ts"
import { alternative, connectLive, PCM, startForDeepgram, transcript } from "../support/deepgram-client.ts"
import { bytes } from "../support/openai-client.ts"
import { audio } from "../support/scripted-streams.ts"

const HALF_SECOND = 8000

async function failure(asked: Promise<unknown>): Promise<DeepgramError> {
  const thrown = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(thrown).toBeInstanceOf(DeepgramError)
  return thrown as DeepgramError
}

describe("a live stream of Deepgram's client", () => {
  test("gets interim words, then the final ones with the end of speech", async () => {
    const { url } = startForDeepgram()
    const live = await connectLive(url, { ...PCM, interim_results: "true", endpointing: 300, vad_events: "true" })
    live.send(audio(7, HALF_SECOND))
    expect(await live.next()).toEqual({ type: "SpeechStarted", channel: [0, 1], timestamp: 0 })
    const interim = await live.next()
    expect(interim).toMatchObject({ type: "Results", start: 0, duration: 0.5, is_final: false, speech_final: false })
    expect(transcript(interim)).toBe("word 7…")
    live.send(audio(0, 160))
    const final = await live.next()
    expect(final).toMatchObject({ is_final: true, speech_final: true, from_finalize: false, start: 0 })
    expect(alternative(final)).toMatchObject({ transcript: "word 7", confidence: 0.5 })
    live.connection.close()
  })

  test("gets results that have all that Deepgram's have, and final ones that tile the time", async () => {
    const { url } = startForDeepgram()
    const live = await connectLive(url)
    live.send(audio(7, HALF_SECOND))
    live.send(audio(0, HALF_SECOND))
    const first = await live.next()
    live.send(audio(8, HALF_SECOND))
    live.send(audio(0, HALF_SECOND))
    const second = await live.next()
    expect(first).toEqual({
      type: "Results",
      channel_index: [0, 1],
      duration: 0.5,
      start: 0,
      is_final: true,
      speech_final: true,
      from_finalize: false,
      channel: {
        alternatives: [
          {
            transcript: "word 7",
            confidence: 0.5,
            words: [
              { word: "word", start: 0, end: 0.5, confidence: 0.5, punctuated_word: "word" },
              { word: "7", start: 0, end: 0.5, confidence: 0.5, punctuated_word: "7" },
            ],
          },
        ],
      },
      metadata: {
        request_id: expect.stringMatching(/^[\da-f-]{36}$/),
        model_info: { name: "samples", version: "unknown", arch: "scripted" },
        model_uuid: expect.stringMatching(/^[\da-f-]{36}$/),
      },
    })
    expect(second).toMatchObject({ start: 0.5, duration: 1, is_final: true })
    live.connection.close()
  })

  test("has no interim words unless it asks for them", async () => {
    const { url } = startForDeepgram()
    const live = await connectLive(url)
    live.send(audio(7, HALF_SECOND))
    live.send(audio(0, 160))
    await live.next()
    expect(live.received.map(({ is_final }) => is_final)).toEqual([true])
    live.connection.close()
  })

  test("gets the answer to each Finalize, though there was nothing to hear", async () => {
    const { url } = startForDeepgram()
    const live = await connectLive(url)
    live.finalize()
    const empty = await live.next()
    expect(empty).toMatchObject({ is_final: true, from_finalize: true, start: 0, duration: 0 })
    expect(transcript(empty)).toBe("")
    live.send(audio(7, HALF_SECOND))
    live.finalize()
    const spoken = await live.next()
    expect(spoken).toMatchObject({ is_final: true, speech_final: false, from_finalize: true, duration: 0.5 })
    expect(transcript(spoken)).toBe("word 7")
    live.connection.close()
  })

  test("gets an error and the answer to its Finalize when the words are lost", async () => {
    const answer = () => Promise.reject(new EngineError("timeout", "no answer"))
    const { url } = startForDeepgram({ script: { answer } })
    const live = await connectLive(url)
    live.send(audio(7, HALF_SECOND))
    live.finalize()
    expect(await live.next()).toEqual({ type: "Error", variant: "timeout", message: "no answer", description: "no answer" })
    expect(await live.next()).toMatchObject({ type: "Results", is_final: true, from_finalize: true })
    live.connection.close()
  })

  test("ends with the last words, the metadata and 1000, and is not opened again", async () => {
    const { url } = startForDeepgram()
    const live = await connectLive(url)
    live.send(audio(7, HALF_SECOND))
    live.keepAlive()
    live.closeStream()
    expect(transcript(await live.next())).toBe("word 7")
    const metadata = await live.next()
    expect(metadata).toEqual({
      type: "Metadata",
      transaction_key: "deprecated",
      request_id: expect.any(String),
      sha256: new Bun.CryptoHasher("sha256").update(audio(7, HALF_SECOND)).digest("hex"),
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      duration: 0.5,
      channels: 1,
      models: [expect.any(String)],
      model_info: expect.any(Object),
    })
    expect((await live.closed).code).toBe(1000)
    expect(live.connection.socket.retryCount).toBe(0)
    expect(live.received.map(({ type }) => type)).toEqual(["Results", "Metadata"])
  })

  test("ends with an empty binary message, as older clients end it", async () => {
    const { url } = startForDeepgram()
    const client = await connect(socketUrl(url, "encoding=linear16&sample_rate=16000", "/v1/listen"))
    client.send(new Uint8Array(0))
    expect(JSON.parse(await client.next())).toMatchObject({ type: "Metadata", duration: 0 })
    expect((await client.closed).code).toBe(1000)
  })

  test("is named by its request id in the handshake, in results and in the metadata", async () => {
    const { url } = startForDeepgram()
    const raw = await connectRaw(socketUrl(url, "encoding=linear16&sample_rate=16000", "/v1/listen"))
    expect(raw.status).toBe(101)
    const id = raw.headers.get("dg-request-id")
    expect(id).toMatch(/^[\da-f-]{36}$/)
    raw.sendFrame(1, Buffer.from('{"type":"Finalize"}'))
    raw.sendFrame(1, Buffer.from('{"type":"CloseStream"}'))
    expect(JSON.parse(String((await raw.nextFrame()).payload)).metadata.request_id).toBe(id)
    expect(JSON.parse(String((await raw.nextFrame()).payload)).request_id).toBe(id)
    raw.destroy()
  })

  test("that breaks off otherwise is dialled again, as its client has it", async () => {
    const { url, engine } = startForDeepgram()
    const live = await connectLive(url)
    live.finalize()
    await live.next()
    engine.breakStreams()
    expect(await live.closed).toEqual({ code: 1011, reason: "NET-0000: the server cannot go on" })
    expect(live.connection.socket.retryCount).toBe(1)
    live.connection.close()
  })

  test("of a page comes with its key among the subprotocols, which are answered", async () => {
    const { url } = startForDeepgram()
    const raw = await connectRaw(socketUrl(url, "", "/v1/listen"), { "sec-websocket-protocol": "token, of-nobody" })
    expect([raw.status, raw.headers.get("sec-websocket-protocol")]).toEqual([101, "token"])
    raw.destroy()
  })

  test.each([
    ["encoding=opus&sample_rate=48000", "encoding must be one of linear16, linear32, mulaw, alaw, or left out for a WAV stream"],
    ["encoding=linear16", "sample_rate is required with encoding"],
    ["encoding=linear16&sample_rate=22050", "sample_rate must be 8000, 16000, 24000, 44100 or 48000"],
    ["encoding=linear16&sample_rate=16000&channels=2&multichannel=true", "live streams are heard as one channel"],
    ["multichannel=true", "live streams are heard as one channel"],
    ["callback=http://10.0.0.1", "this server calls nobody back"],
    ["utterance_end_ms=500", "utterance_end_ms must be a whole number of ms, at least 1000"],
    ["interim_results=perhaps", "interim_results must be true or false"],
  ])("of %s is refused before there is a socket", async (query, message) => {
    const { url } = startForDeepgram()
    const { status, headers, body } = await connectRaw(socketUrl(url, query, "/v1/listen"))
    const id = headers.get("dg-request-id")
    expect([status, headers.get("dg-error"), JSON.parse(body)]).toEqual([
      400,
      message,
      { err_code: "Bad Request", err_msg: message, request_id: id },
    ])
  })

  test.each([
    ["model=nova-3", 101],
    ["model=base.en", 400],
    ["", 101],
  ])("of %p gets %d from a server that is strict about models", async (query, expected) => {
    const { url } = startForDeepgram({ strictModels: true })
    const { status, headers, body } = await connectRaw(socketUrl(url, `encoding=linear16&sample_rate=16000&${query}`, "/v1/listen"))
    expect(status).toBe(expected)
    if (expected !== 101) expect(JSON.parse(body).err_msg).toBe(String(headers.get("dg-error")))
  })

  test("is refused with 429 where all sessions are taken", async () => {
    const { url } = startForDeepgram({ maxSessions: 0 })
    const { status, headers, body } = await connectRaw(socketUrl(url, "", "/v1/listen"))
    expect([status, headers.get("retry-after"), JSON.parse(body).err_code]).toEqual([429, "1", "TOO_MANY_REQUESTS"])
  })
})

describe("a recording from Deepgram's client", () => {
  const QUERY = { model: "nova-3" } as const

  test("is answered with its words and what they came from", async () => {
    const { deepgram } = startForDeepgram()
    const file = bytes([7, 1], [0, 1])
    const answer: unknown = await deepgram.listen.v1.media.transcribeFile(file, { ...QUERY, language: "en" })
    const uuid = expect.stringMatching(/^[\da-f-]{36}$/)
    expect(answer).toEqual({
      metadata: {
        transaction_key: "deprecated",
        request_id: uuid,
        sha256: new Bun.CryptoHasher("sha256").update(file).digest("hex"),
        created: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        duration: 2,
        channels: 1,
        models: [uuid],
        model_info: expect.any(Object),
      },
      results: {
        channels: [
          {
            alternatives: [
              {
                transcript: "word 7",
                confidence: 1,
                words: [{ word: "word 7", start: 0, end: 2, confidence: 1, punctuated_word: "word 7" }],
              },
            ],
          },
        ],
      },
    })
  })

  test("has utterances, paragraphs and the detected language if it asks for them", async () => {
    const { deepgram } = startForDeepgram()
    const file = bytes([10, 110], [0, 4], [20, 110])
    const wishes = { ...QUERY, utterances: true, paragraphs: true, detect_language: true, utt_split: 0.1 }
    const answer: unknown = await deepgram.listen.v1.media.transcribeFile(file, wishes)
    const { results } = answer as { results: Record<string, unknown> }
    const heard = { start: expect.any(Number), end: expect.any(Number) }
    expect(results.channels).toMatchObject([
      {
        detected_language: "de",
        alternatives: [
          {
            transcript: "word 10 word 20",
            paragraphs: {
              transcript: "word 10 word 20",
              paragraphs: [{ sentences: [{ text: "word 10 word 20", start: 0, end: 224 }], num_words: 4, start: 0, end: 224 }],
            },
          },
        ],
      },
    ])
    expect(results.utterances).toMatchObject([
      { ...heard, channel: 0, transcript: "word 10 word 20", confidence: 1, id: expect.any(String) },
    ])
  })

  test("may be samples without a container, one transcript for each channel", async () => {
    const { deepgram, recordings } = startForDeepgram()
    const stereo = new Int16Array(16_000).map((_, index) => (index % 2 === 0 ? 1000 : 0))
    const raw = { ...QUERY, encoding: "linear16", multichannel: true } as const
    const queryParams = { sample_rate: "8000", channels: "2" }
    const answer = (await deepgram.listen.v1.media.transcribeFile(new Uint8Array(stereo.buffer), raw, { queryParams })) as {
      metadata: { channels: number; duration: number }
      results: { channels: { alternatives: { transcript: string }[] }[] }
    }
    expect(answer.metadata).toMatchObject({ channels: 2, duration: 1 })
    expect(answer.results.channels.map(({ alternatives }) => alternatives[0]?.transcript !== "")).toEqual([true, false])
    expect(recordings.heard).toHaveLength(2)
  })

  test("behind an address is refused: this server fetches nothing", async () => {
    const { deepgram } = startForDeepgram()
    const { statusCode, body } = await failure(deepgram.listen.v1.media.transcribeUrl({ url: "http://127.0.0.1:1/a.wav", ...QUERY }))
    expect(statusCode).toBe(400)
    expect(body).toMatchObject({ err_code: "Bad Request", err_msg: "url is not supported: send the bytes of the recording" })
  })

  test("with a model that is not listed is refused by a server that is strict about them", async () => {
    const { deepgram } = startForDeepgram({ strictModels: true })
    const { statusCode, body } = await failure(deepgram.listen.v1.media.transcribeFile(bytes([7, 1]), { model: "nova-9" }))
    expect([statusCode, body]).toMatchObject([
      400,
      { err_code: "Bad Request", err_msg: "model must be one of those that /v1/models lists" },
    ])
    await deepgram.listen.v1.media.transcribeFile(bytes([7, 1]), QUERY)
  })

  test("that is no sound, or empty, is refused", async () => {
    const { deepgram } = startForDeepgram()
    const damaged = await failure(deepgram.listen.v1.media.transcribeFile(bytes([255, 1]), QUERY))
    expect([damaged.statusCode, damaged.body]).toMatchObject([400, { err_msg: "damaged" }])
    const empty = await failure(deepgram.listen.v1.media.transcribeFile(new Uint8Array(0), QUERY))
    expect(empty.statusCode).toBe(400)
  })
})
