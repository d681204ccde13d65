import { describe, expect, test } from "bun:test"
import { createConnection } from "node:net"
import Groq from "groq-sdk"
import OpenAI from "openai"
import { EngineError } from "../../src/engines/engine.ts"
import { failure, file, LONG, LONG_TEXT, model, startForOpenAi } from "../support/openai-client.ts"
import { createScriptedStreams } from "../support/scripted-streams.ts"

describe("a transcript for the client of OpenAI", () => {
  test("is its text and the whole seconds of the recording", async () => {
    const { openai } = startForOpenAi()
    const answer = await openai.audio.transcriptions.create({ file: file([7, 1], [0, 1]), model })
    expect(answer).toMatchObject({ text: "word 7", usage: { type: "duration", seconds: 2 } })
  })

  test("is one line as text", async () => {
    const { openai } = startForOpenAi()
    const answer = await openai.audio.transcriptions.create({ file: LONG, model, response_format: "text" })
    expect(String(answer)).toBe(`${LONG_TEXT}\n`)
  })

  test("is numbered cues as srt", async () => {
    const { openai } = startForOpenAi()
    const answer = await openai.audio.transcriptions.create({ file: LONG, model, response_format: "srt" })
    expect(String(answer)).toMatch(
      /^1\n00:00:00,000 --> 00:01:5\d,\d{3}\nword 10\n\n2\n00:01:5\d,\d{3} --> 00:03:4\d,\d{3}\nword 20\n\n3\n00:03:4\d,\d{3} --> 00:04:18,000\nword 30\n\n$/,
    )
  })

  test("is cues with points as vtt", async () => {
    const { openai } = startForOpenAi({ answer: () => "one ---> two <b> & three" })
    const answer = await openai.audio.transcriptions.create({ file: file([7, 1]), model, response_format: "vtt" })
    expect(String(answer)).toBe("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\none -> two &lt;b> &amp; three\n\n")
  })

  test("has every field of every segment, and the words, as verbose_json", async () => {
    const { openai } = startForOpenAi()
    const answer = await openai.audio.transcriptions.create({
      file: file([7, 1]),
      model,
      response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    })
    expect(answer as unknown).toEqual({
      task: "transcribe",
      language: "english",
      duration: 1,
      text: "word 7",
      segments: [
        {
          id: 0,
          seek: 0,
          start: 0,
          end: 1,
          text: " word 7",
          tokens: [1, 2],
          temperature: 0,
          avg_logprob: -0.1,
          compression_ratio: 1,
          no_speech_prob: 0,
        },
      ],
      words: [{ word: "word 7", start: 0, end: 1 }],
      usage: { type: "duration", seconds: 1 },
    })
  })

  test("has words alone, or segments alone, if only these are asked for", async () => {
    const { openai, recordings } = startForOpenAi()
    const ask = (timestamp_granularities?: ("word" | "segment")[]) =>
      openai.audio.transcriptions.create({
        file: file([7, 1]),
        model,
        response_format: "verbose_json",
        ...(timestamp_granularities && { timestamp_granularities }),
      })
    expect(Object.keys(await ask(["word"]))).not.toContain("segments")
    expect(Object.keys(await ask(["segment"]))).not.toContain("words")
    expect(Object.keys(await ask())).not.toContain("words")
    expect(recordings.heard.map(({ words }) => words)).toEqual([true, false, false])
  })

  test("goes on in time and number from part to part", async () => {
    const { openai } = startForOpenAi()
    const { segments = [] } = await openai.audio.transcriptions.create({ file: LONG, model, response_format: "verbose_json" })
    expect(segments.map(({ id }) => id)).toEqual([0, 1, 2])
    expect(segments.map(({ text }) => text)).toEqual([" word 10", " word 20", " word 30"])
    expect(segments[1]?.start).toBe(segments[0]?.end as number)
    expect(segments[1]?.seek).toBe(Math.floor(Math.round(segments[1]!.start * 1000) / 10))
    expect(segments[2]?.end).toBe(258)
  })

  test("of silence, or of no sound at all, has no text and no segments", async () => {
    const { openai } = startForOpenAi()
    const answer = await openai.audio.transcriptions.create({ file: file([0, 2]), model, response_format: "verbose_json" })
    expect(answer).toMatchObject({ text: "", segments: [], duration: 2, language: "english" })
    expect(await openai.audio.transcriptions.create({ file: file([0, 2]), model, response_format: "srt" })).toBe("")
  })

  test("is heard with the language and the prompt that were told", async () => {
    const { openai, recordings } = startForOpenAi({}, { language: "de" })
    const ask = (wishes: { language?: string; prompt?: string }) =>
      openai.audio.transcriptions.create({ file: file([7, 1]), model, response_format: "verbose_json", ...wishes })
    expect((await ask({ language: "fr", prompt: "Bonjour" })).language).toBe("french")
    await ask({ language: "pt-BR", prompt: `${"x".repeat(3000)} the end` })
    await ask({ language: "" })
    await ask({})
    expect(recordings.heard.map(({ language }) => language)).toEqual(["fr", "pt", "auto", "de"])
    expect(recordings.heard[0]?.prompt).toBe("Bonjour")
    expect(recordings.heard[1]?.prompt).toEndWith("the end")
  })

  test("is heard with the languages and keywords that were told, as on the realtime wire", async () => {
    const { openai, recordings } = startForOpenAi({}, { language: "de" })
    const ask = (wishes: { language?: string; languages: string[]; prompt?: string; keywords?: string[] }) =>
      openai.audio.transcriptions.create({ file: file([7, 1]), model, ...wishes })
    await ask({ languages: ["fr"], keywords: ["Xanten", "Ghent"] })
    await ask({ languages: ["fr", "en"], prompt: "A call.", keywords: ["Xanten"] })
    await ask({ language: "en", languages: ["fr"] })
    expect(recordings.heard.map(({ language, prompt }) => [language, prompt])).toEqual([
      ["fr", "Xanten, Ghent"],
      ["auto", "A call. Xanten"],
      ["en", undefined],
    ])
    expect(await failure(ask({ languages: ["nowhere"] }))).toMatchObject({ status: 400, param: "language" })
  })
})

describe("a stream of words", () => {
  test("tells each part as it is known, and what it told is the text at its end", async () => {
    const third = Promise.withResolvers<string>()
    const answer = ({ samples }: { samples: Int16Array }) => {
      const value = samples.find((sample) => sample !== 0)
      return value === 30 ? third.promise : `word ${value}`
    }
    const { openai } = startForOpenAi({ answer })
    const events = await openai.audio.transcriptions.create({ file: LONG, model, stream: true })
    const told: OpenAI.Audio.TranscriptionStreamEvent[] = []
    for await (const event of events) {
      told.push(event)
      // It is on the wire before all is heard.
      if (told.length === 2) third.resolve("word 30")
    }
    const deltas = told.flatMap((event) => (event.type === "transcript.text.delta" ? [event.delta] : []))
    expect(deltas).toEqual(["word 10", " word 20", " word 30"])
    expect(told.at(-1)).toEqual({ type: "transcript.text.done", text: deltas.join("") })
    expect(told).toHaveLength(4)
  })

  test("of silence is its end alone", async () => {
    const { openai } = startForOpenAi()
    const told = await Array.fromAsync(await openai.audio.transcriptions.create({ file: file([0, 1]), model, stream: true }))
    expect(told).toEqual([{ type: "transcript.text.done", text: "" }])
  })

  test("that fails on its way says so to the client", async () => {
    const answer = ({ samples }: { samples: Int16Array }) => {
      if (samples.includes(30)) throw new EngineError("unavailable", "the engine died")
      return "word"
    }
    const { openai } = startForOpenAi({ answer })
    const events = await openai.audio.transcriptions.create({ file: LONG, model, stream: true })
    const told: unknown[] = []
    const reading = (async () => {
      for await (const event of events) told.push(event)
    })()
    expect(await failure(reading)).toMatchObject({ type: "server_error", code: null })
    expect(told).toHaveLength(2)
  })

  test("that fails before its first word is refused with a status", async () => {
    const { openai } = startForOpenAi()
    expect(await failure(openai.audio.transcriptions.create({ file: file([255, 1]), model, stream: true }))).toMatchObject({ status: 400 })
  })

  test("that its client leaves ends the work for it", async () => {
    const forever = Promise.withResolvers<string>()
    const gone = Promise.withResolvers<void>()
    const answer = ({ samples }: { samples: Int16Array }, signal: AbortSignal) => {
      if (!samples.includes(20)) return "word"
      signal.addEventListener("abort", () => gone.resolve())
      return forever.promise
    }
    const { openai, recordings } = startForOpenAi({ answer })
    const events = await openai.audio.transcriptions.create({ file: LONG, model, stream: true })
    for await (const _ of events) break
    await gone.promise
    forever.resolve("")
    while (recordings.decoding > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  test("that its client leaves without having read it leaves nothing behind", async () => {
    const { url, recordings } = startForOpenAi({ answer: () => "word ".repeat(2_000_000).trim() })
    const form = new FormData()
    form.set("file", file([7, 1800]))
    for (const [name, value] of Object.entries({ model, stream: "true" })) form.set(name, value)
    const request = new Response(form)
    const type = request.headers.get("content-type")
    const body = await request.bytes()
    const socket = createConnection({ host: url.hostname, port: Number(url.port) })
    socket.write(`POST /v1/audio/transcriptions HTTP/1.1\r\nhost: here\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`)
    socket.write(body)
    await new Promise((resolve) => socket.once("readable", resolve))
    expect(recordings.decoding).toBe(1)
    socket.destroy()
    while (recordings.decoding > 0) await new Promise((resolve) => setImmediate(resolve))
  })
})

describe("a translation", () => {
  test("is English words, whatever the server's language", async () => {
    const { openai, recordings } = startForOpenAi({ translates: true })
    const answer = await openai.audio.translations.create({ file: file([7, 1]), model, response_format: "verbose_json" })
    expect(answer).toMatchObject({ task: "translate", language: "english", text: "word 7", duration: 1 })
    expect(recordings.heard).toMatchObject([{ language: "auto", translate: true, words: false }])
  })

  test("is refused where the engine cannot, rather than transcribed", async () => {
    const { openai, recordings } = startForOpenAi()
    const refused = await failure(openai.audio.translations.create({ file: file([7, 1]), model }))
    expect(refused).toMatchObject({ status: 400, code: "unsupported", type: "invalid_request_error" })
    expect(recordings.heard).toEqual([])
  })
})

describe("models", () => {
  test("are listed: the server's own, and the names that clients know", async () => {
    const { openai } = startForOpenAi()
    const ids = (await openai.models.list()).data.map(({ id }) => id)
    expect(ids[0]).toBe("samples")
    expect(ids).toContain("whisper-1")
    expect(await openai.models.retrieve("whisper-1")).toMatchObject({ id: "whisper-1", object: "model", created: expect.any(Number) })
  })

  test("of another name are a NotFoundError", async () => {
    const { openai } = startForOpenAi()
    const refused = await failure(openai.models.retrieve("somebody/whisper"))
    expect(refused).toBeInstanceOf(OpenAI.NotFoundError)
    expect(await failure(openai.models.retrieve("whisper"))).toBeInstanceOf(OpenAI.NotFoundError)
    expect(refused).toMatchObject({ code: "model_not_found", param: "model" })
  })

  test("that are not listed are refused where the operator is strict, and listed ones are not", async () => {
    const { openai, recordings } = startForOpenAi({}, { strictModels: true })
    const refused = await failure(openai.audio.transcriptions.create({ file: file([7, 1]), model: "whisper-9" }))
    expect(refused).toBeInstanceOf(OpenAI.NotFoundError)
    expect(refused).toMatchObject({ code: "model_not_found", param: "model" })
    expect(recordings.heard).toEqual([])
    expect((await openai.audio.transcriptions.create({ file: file([7, 1]), model })).text).toBe("word 7")
  })

  test("with a slash in their name are found", async () => {
    const { openai } = startForOpenAi({}, { engine: { ...createScriptedStreams(), model: "onnx-community/whisper-small" } })
    expect((await openai.models.retrieve("onnx-community/whisper-small")).id).toBe("onnx-community/whisper-small")
  })
})

describe("the client of Groq, by its base URL alone,", () => {
  test("gets text, and every field of every segment", async () => {
    const { groq } = startForOpenAi({ translates: true })
    expect((await groq.audio.transcriptions.create({ file: file([7, 1]), model: "whisper-large-v3" })).text).toBe("word 7")
    const verbose = await groq.audio.transcriptions.create({
      file: file([7, 1]),
      model: "whisper-large-v3-turbo",
      response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    })
    const segment = { id: 0, seek: 0, start: 0, end: 1, text: " word 7", tokens: [1, 2], temperature: 0 }
    expect(verbose as unknown).toMatchObject({
      text: "word 7",
      segments: [{ ...segment, avg_logprob: -0.1, compression_ratio: 1, no_speech_prob: 0 }],
      words: [{ word: "word 7", start: 0, end: 1 }],
    })
    const text = await groq.audio.transcriptions.create({ file: file([7, 1]), model: "whisper-large-v3", response_format: "text" })
    expect(String(text)).toBe("word 7\n")
    expect((await groq.audio.translations.create({ file: file([7, 1]), model: "whisper-large-v3" })).text).toBe("word 7")
    expect((await groq.models.list()).data.map(({ id }) => id)).toContain("whisper-large-v3")
  })

  test("is told of failures by their status", async () => {
    const { groq } = startForOpenAi()
    const thrown = await groq.audio.transcriptions.create({ file: file([255, 1]), model }).catch((thrown: unknown) => thrown)
    expect(thrown).toBeInstanceOf(Groq.BadRequestError)
    expect(thrown).toMatchObject({ status: 400, error: { error: { code: "invalid_audio" } } })
  })
})
