import { describe, expect, test } from "bun:test"
import { createReadStream } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Groq from "groq-sdk"
import OpenAI, { toFile } from "openai"
import { EngineError } from "../../src/engines/engine.ts"
import type { ServerOptions } from "../../src/server/server.ts"
import { UPLOAD_LIMITS } from "../../src/server/uploads.ts"
import { createScriptedRecordings, type RecordingsScript } from "../support/scripted-recordings.ts"
import { createScriptedStreams } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

function start(script: RecordingsScript = {}, options: Partial<ServerOptions> = {}) {
  const recordings = createScriptedRecordings(script)
  const { server, tap } = serve({ recordings, ...options })
  const openai = new OpenAI({ apiKey: "sk-of-nobody", baseURL: new URL("/v1", server.url).href, maxRetries: 0 })
  const groq = new Groq({ apiKey: "gsk-of-nobody", baseURL: server.url.href, maxRetries: 0 })
  return { recordings, tap, openai, groq, url: server.url }
}

/** Seconds of one sample value each, as a file of the scripted decoder, which says "word N" to each stretch that holds an N. */
function bytes(...seconds: [value: number, seconds: number][]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(seconds.flatMap(([value, length]) => new Array<number>(length * 100).fill(value)))
}

const file = (...seconds: [value: number, seconds: number][]) => new File([bytes(...seconds)], "speech.wav", { type: "audio/wav" })

/** Four minutes in three parts. */
const LONG = file([10, 110], [0, 4], [20, 110], [0, 4], [30, 30])
const LONG_TEXT = "word 10 word 20 word 30"

const model = "whisper-1"

/** What the client throws. */
async function failure(asked: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const thrown = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(thrown).toBeInstanceOf(OpenAI.APIError)
  return thrown as InstanceType<typeof OpenAI.APIError>
}

function errorIn(body: unknown): { message: string; type: string; param: string | null; code: string | null } {
  return (body as { error: ReturnType<typeof errorIn> }).error
}

/** A form as no client of ours writes it. */
function post(url: URL, path: string, form: string | FormData, type = "multipart/form-data; boundary=b"): Promise<Response> {
  return fetch(new URL(path, url), { method: "POST", body: form, ...(typeof form === "string" && { headers: { "content-type": type } }) })
}

/** One part of a form with the boundary `b`. */
function part(disposition: string, content: string): string {
  return `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`
}

/** A form of a second of speech. */
function formOf(fields: Record<string, string> = {}): FormData {
  const form = new FormData()
  form.set("file", file([7, 1]))
  for (const [name, value] of Object.entries({ model, ...fields })) form.set(name, value)
  return form
}

describe("a transcript for the client of OpenAI", () => {
  test("is its text and the whole seconds of the recording", async () => {
    const { openai } = start()
    const answer = await openai.audio.transcriptions.create({ file: file([7, 1], [0, 1]), model })
    expect(answer).toMatchObject({ text: "word 7", usage: { type: "duration", seconds: 2 } })
  })

  test("is one line as text", async () => {
    const { openai } = start()
    const answer = await openai.audio.transcriptions.create({ file: LONG, model, response_format: "text" })
    expect(String(answer)).toBe(`${LONG_TEXT}\n`)
  })

  test("is numbered cues as srt", async () => {
    const { openai } = start()
    const answer = await openai.audio.transcriptions.create({ file: LONG, model, response_format: "srt" })
    expect(String(answer)).toMatch(
      /^1\n00:00:00,000 --> 00:01:5\d,\d{3}\nword 10\n\n2\n00:01:5\d,\d{3} --> 00:03:4\d,\d{3}\nword 20\n\n3\n00:03:4\d,\d{3} --> 00:04:18,000\nword 30\n\n$/,
    )
  })

  test("is cues with points as vtt", async () => {
    const { openai } = start({ answer: () => "one --> two" })
    const answer = await openai.audio.transcriptions.create({ file: file([7, 1]), model, response_format: "vtt" })
    expect(String(answer)).toBe("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\none -> two\n\n")
  })

  test("has every field of every segment, and the words, as verbose_json", async () => {
    const { openai } = start()
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
    const { openai, recordings } = start()
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
    const { openai } = start()
    const { segments = [] } = await openai.audio.transcriptions.create({ file: LONG, model, response_format: "verbose_json" })
    expect(segments.map(({ id }) => id)).toEqual([0, 1, 2])
    expect(segments.map(({ text }) => text)).toEqual([" word 10", " word 20", " word 30"])
    expect(segments[1]?.start).toBe(segments[0]?.end as number)
    expect(segments[1]?.seek).toBe(Math.floor(Math.round(segments[1]!.start * 1000) / 10))
    expect(segments[2]?.end).toBe(258)
  })

  test("of silence, or of no sound at all, has no text and no segments", async () => {
    const { openai } = start()
    const answer = await openai.audio.transcriptions.create({ file: file([0, 2]), model, response_format: "verbose_json" })
    expect(answer).toMatchObject({ text: "", segments: [], duration: 2, language: "english" })
    expect(await openai.audio.transcriptions.create({ file: file([0, 2]), model, response_format: "srt" })).toBe("")
  })

  test("is heard with the language and the prompt that were told", async () => {
    const { openai, recordings } = start({}, { language: "de" })
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
})

describe("an upload", () => {
  test("may be a stream of a file without a length, a response, or bytes with a name", async () => {
    const { openai } = start()
    const folder = await mkdtemp(join(tmpdir(), "openai-"))
    try {
      const path = join(folder, "speech.wav")
      await Bun.write(path, LONG)
      const kinds = [createReadStream(path), await toFile(new Response(bytes([7, 1]))), await toFile(bytes([7, 1]), "a.ts"), Bun.file(path)]
      const texts: string[] = []
      for (const file of kinds) texts.push((await openai.audio.transcriptions.create({ file, model })).text)
      expect(texts).toEqual([LONG_TEXT, "word 7", "word 7", LONG_TEXT])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test("may have its fields before or behind the file, with or without brackets, and fields nobody knows", async () => {
    const { url, recordings } = start()
    const filePart = part('name="file"; filename="caf\xe9.wav"', "\x07".repeat(100))
    const before = part('name="timestamp_granularities"', "word") + part('name="language"', "fr")
    const behind =
      part('name="model"', "x") + part('name="response_format"', "verbose_json") + part('name="chunking_strategy[type]"', "auto")
    const body = `${before}${filePart}${behind}--b--\r\n`
    const answer = await fetch(new URL("/v1/audio/transcriptions", url), {
      method: "POST",
      // As Windows names a file.
      body: Buffer.from(body, "latin1"),
      headers: { "content-type": "multipart/form-data; boundary=b" },
    })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ language: "french", words: [{ word: "word 7" }] })
    expect(recordings.heard).toMatchObject([{ language: "fr", words: true }])
  })

  test("that is no form, or not a whole one, is refused", async () => {
    const { url } = start()
    const path = "/v1/audio/transcriptions"
    const message = async (response: Promise<Response>) => [(await response).status, errorIn(await (await response).json()).message]
    expect(await message(post(url, path, "{}", "application/json"))).toEqual([400, "expected multipart/form-data"])
    expect(await message(post(url, path, "x", "multipart/form-data"))).toEqual([400, "multipart/form-data without a boundary"])
    expect(await message(post(url, path, ""))).toEqual([400, "the form is broken or ends early"])
    const broken = part('name="model"', "x") + part('name="file"; filename="a"', "\x07".repeat(100))
    expect(await message(post(url, path, broken))).toEqual([400, "the form is broken or ends early"])
    expect(await message(post(url, path, `${part('name="model"', "x".repeat(70_000))}--b--`))).toEqual([400, "model is too long"])
    expect(await message(post(url, path, `${part('name="a"', "x").repeat(201)}--b--`))).toEqual([400, "more than 200 fields"])
  })
})

describe("a stream of words", () => {
  test("tells each part as it is known, and what it told is the text at its end", async () => {
    const third = Promise.withResolvers<string>()
    const answer = ({ samples }: { samples: Int16Array }) => {
      const value = samples.find((sample) => sample !== 0)
      return value === 30 ? third.promise : `word ${value}`
    }
    const { openai } = start({ answer })
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
    const { openai } = start()
    const told = await Array.fromAsync(await openai.audio.transcriptions.create({ file: file([0, 1]), model, stream: true }))
    expect(told).toEqual([{ type: "transcript.text.done", text: "" }])
  })

  test("that fails on its way says so to the client", async () => {
    const answer = ({ samples }: { samples: Int16Array }) => {
      if (samples.includes(30)) throw new EngineError("unavailable", "the engine died")
      return "word"
    }
    const { openai } = start({ answer })
    const events = await openai.audio.transcriptions.create({ file: LONG, model, stream: true })
    const told: unknown[] = []
    const reading = (async () => {
      for await (const event of events) told.push(event)
    })()
    expect(await failure(reading)).toMatchObject({ type: "server_error", code: null })
    expect(told).toHaveLength(2)
  })

  test("that fails before its first word is refused with a status", async () => {
    const { openai } = start()
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
    const { openai, recordings } = start({ answer })
    const events = await openai.audio.transcriptions.create({ file: LONG, model, stream: true })
    for await (const _ of events) break
    await gone.promise
    forever.resolve("")
    while (recordings.decoding > 0) await new Promise((resolve) => setImmediate(resolve))
  })
})

describe("a refusal", () => {
  test.each([
    ["language", { language: "nowhere" }, null],
    ["response_format", { response_format: "diarized_json" }, null],
    ["response_format", { response_format: "verbose_json", stream: "true" }, null],
    ["temperature", { temperature: "2" }, null],
    ["stream", { stream: "perhaps" }, null],
    ["timestamp_granularities", { "timestamp_granularities[]": "phrase" }, null],
    ["url", { url: "http://169.254.169.254/" }, null],
    ["model", { model: "" }, "missing_required_parameter"],
  ])("of a wrong %s names the field", async (param, fields, code) => {
    const { url } = start()
    const answer = await post(url, "/v1/audio/transcriptions", formOf(fields))
    expect(answer.status).toBe(400)
    expect(answer.headers.get("x-request-id")).toBeString()
    expect(errorIn(await answer.json())).toEqual({ message: expect.stringContaining(param), type: "invalid_request_error", param, code })
  })

  test("of a request without a file or with damaged sound is a BadRequestError", async () => {
    const { openai, url } = start()
    const damaged = await failure(openai.audio.transcriptions.create({ file: file([255, 1]), model }))
    expect(damaged).toBeInstanceOf(OpenAI.BadRequestError)
    expect(damaged).toMatchObject({ status: 400, code: "invalid_audio", type: "invalid_request_error", requestID: expect.any(String) })
    const form = formOf()
    form.delete("file")
    const answer = await (await post(url, "/v1/audio/transcriptions", form)).json()
    expect(answer).toMatchObject({ error: { param: "file", code: "missing_required_parameter" } })
  })

  test("of a recording that is too large is a 413, with a length told or without", async () => {
    const { openai } = start({}, { uploads: { ...UPLOAD_LIMITS, bytesMax: 200_000 } })
    const large = new Uint8Array(4_000_000)
    const told = await failure(openai.audio.transcriptions.create({ file: new File([large], "a.wav"), model }))
    expect(told).toMatchObject({ status: 413, code: "request_too_large" })
    const folder = await mkdtemp(join(tmpdir(), "openai-"))
    try {
      await Bun.write(join(folder, "a.wav"), large)
      const untold = await failure(openai.audio.transcriptions.create({ file: createReadStream(join(folder, "a.wav")), model }))
      expect(untold).toMatchObject({ status: 413, code: "request_too_large" })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test("for want of room is a RateLimitError that says when to come back, and the client does", async () => {
    let asked = 0
    const answer = () => {
      if (asked++ === 0) throw new EngineError("overloaded", "the queue is full")
      return "word"
    }
    const { openai } = start({ answer })
    const refused = await failure(openai.audio.transcriptions.create({ file: file([7, 1]), model }))
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError)
    expect(refused).toMatchObject({ type: "rate_limit_error", code: "rate_limit_exceeded" })
    expect(refused.headers?.get("retry-after")).toBe("1")
    asked = 0
    const again = await openai.audio.transcriptions.create({ file: file([7, 1]), model }, { maxRetries: 1 })
    expect([again.text, asked]).toEqual(["word", 2])
  })

  test("for a mistake of ours, or of the engine, is an InternalServerError without its words", async () => {
    const { openai } = start({ answer: () => Promise.reject(new Error("a secret")) })
    const broken = await failure(openai.audio.transcriptions.create({ file: file([7, 1]), model }))
    expect(broken).toBeInstanceOf(OpenAI.InternalServerError)
    expect(broken).toMatchObject({ status: 500, type: "server_error" })
    expect(broken.message).not.toContain("secret")
    const dead = start({ answer: () => Promise.reject(new EngineError("unavailable", "the engine died")) })
    expect(await failure(dead.openai.audio.transcriptions.create({ file: file([7, 1]), model }))).toMatchObject({ status: 503 })
  })

  test("where the provider hears live streams only is a 501 that is not asked again", async () => {
    const { server } = serve()
    const answer = await post(server.url, "/v1/audio/transcriptions", formOf())
    expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([501, "false"])
  })

  test("of a path or a method that is not there is in the same envelope", async () => {
    const { url } = start()
    const answer = async (path: string, init?: RequestInit) => {
      const response = await fetch(new URL(path, url), init)
      return [response.status, errorIn(await response.json()).type]
    }
    expect(await answer("/v1/chat/completions", { method: "POST", body: "{}" })).toEqual([404, "invalid_request_error"])
    expect(await answer("/openai/v1/audio/speech", { method: "POST", body: "{}" })).toEqual([404, "invalid_request_error"])
    expect(await answer("/v1/audio/transcriptions")).toEqual([405, "invalid_request_error"])
  })

  test("and an answer leave nothing of the speech in the log, nor a key", async () => {
    const { openai, tap } = start({ answer: () => "something private" })
    await openai.audio.transcriptions.create({ file: file([7, 1]), model, prompt: "also private" })
    await failure(openai.audio.transcriptions.create({ file: file([255, 1]), model }))
    const log = JSON.stringify(tap.lines)
    expect(log).toContain("openai-transcriptions")
    expect(log).not.toMatch(/private|nobody/)
  })
})

describe("a translation", () => {
  test("is English words, whatever the server's language", async () => {
    const { openai, recordings } = start({ translates: true })
    const answer = await openai.audio.translations.create({ file: file([7, 1]), model, response_format: "verbose_json" })
    expect(answer).toMatchObject({ task: "translate", language: "english", text: "word 7", duration: 1 })
    expect(recordings.heard).toMatchObject([{ language: "auto", translate: true, words: false }])
  })

  test("is refused where the engine cannot, rather than transcribed", async () => {
    const { openai, recordings } = start()
    const refused = await failure(openai.audio.translations.create({ file: file([7, 1]), model }))
    expect(refused).toMatchObject({ status: 400, code: "unsupported", type: "invalid_request_error" })
    expect(recordings.heard).toEqual([])
  })
})

describe("models", () => {
  test("are listed: the server's own, and the names that clients know", async () => {
    const { openai } = start()
    const ids = (await openai.models.list()).data.map(({ id }) => id)
    expect(ids[0]).toBe("samples")
    expect(ids).toContain("whisper-1")
    expect(await openai.models.retrieve("whisper-1")).toMatchObject({ id: "whisper-1", object: "model", created: expect.any(Number) })
  })

  test("of another name are a NotFoundError", async () => {
    const { openai } = start()
    const refused = await failure(openai.models.retrieve("somebody/whisper-of-mine"))
    expect(refused).toBeInstanceOf(OpenAI.NotFoundError)
    expect(refused).toMatchObject({ code: "model_not_found", param: "model" })
  })

  test("with a slash in their name are found", async () => {
    const { openai } = start({}, { engine: { ...createScriptedStreams(), model: "onnx-community/whisper-small" } })
    expect((await openai.models.retrieve("onnx-community/whisper-small")).id).toBe("onnx-community/whisper-small")
  })
})

describe("the client of Groq, by its base URL alone,", () => {
  test("gets text, and every field of every segment", async () => {
    const { groq } = start({ translates: true })
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
    const { groq } = start()
    const thrown = await groq.audio.transcriptions.create({ file: file([255, 1]), model }).catch((thrown: unknown) => thrown)
    expect(thrown).toBeInstanceOf(Groq.BadRequestError)
    expect(thrown).toMatchObject({ status: 400, error: { error: { code: "invalid_audio" } } })
  })
})
