import { describe, expect, test } from "bun:test"
import { createReadStream } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI, { toFile } from "openai"
import { EngineError } from "../../src/engines/engine.ts"
import { UPLOAD_LIMITS } from "../../src/server/uploads.ts"
import { bytes, failure, file, LONG, LONG_TEXT, model, startForOpenAi } from "../support/openai-client.ts"
import { serve } from "../support/server.ts"

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

describe("an upload", () => {
  test("may be a stream of a file without a length, a response, or bytes with a name", async () => {
    const { openai } = startForOpenAi()
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

  test("may have its fields before or behind the file, with or without brackets, fields nobody knows, and a second file, which is not heard", async () => {
    const { url, recordings } = startForOpenAi()
    const filePart = part('name="file"; filename="caf\xe9.wav"', "\x07".repeat(100))
    const before = part('name="timestamp_granularities"', "word") + part('name="language"', "fr")
    const behind =
      part('name="model"', "x") + part('name="response_format"', "verbose_json") + part('name="chunking_strategy[type]"', "auto")
    const second = part('name="file"; filename="b.wav"', "\x09".repeat(100))
    const body = `${before}${filePart}${behind}${second}--b--\r\n`
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
    const { url } = startForOpenAi()
    const path = "/v1/audio/transcriptions"
    const message = async (response: Promise<Response>) => [(await response).status, errorIn(await (await response).json()).message]
    expect(await message(post(url, path, "{}", "application/json"))).toEqual([400, "expected multipart/form-data"])
    expect(await message(post(url, path, "x", "multipart/form-data-x; boundary=b"))).toEqual([400, "expected multipart/form-data"])
    expect(await message(post(url, path, "x", "multipart/form-data"))).toEqual([400, "multipart/form-data without a boundary"])
    expect(await message(post(url, path, ""))).toEqual([400, "the form is broken or ends early"])
    const broken = part('name="model"', "x") + part('name="file"; filename="a"', "\x07".repeat(100))
    expect(await message(post(url, path, broken))).toEqual([400, "the form is broken or ends early"])
    expect(await message(post(url, path, `${part('name="model"', "x".repeat(70_000))}--b--`))).toEqual([400, "model is too long"])
    expect(await message(post(url, path, `${part('name="a"', "x").repeat(201)}--b--`))).toEqual([400, "more than 200 fields"])
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
    const { url } = startForOpenAi()
    const answer = await post(url, "/v1/audio/transcriptions", formOf(fields))
    expect(answer.status).toBe(400)
    expect(answer.headers.get("x-request-id")).toBeString()
    expect(errorIn(await answer.json())).toEqual({ message: expect.stringContaining(param), type: "invalid_request_error", param, code })
  })

  test("of a request without a file or with damaged sound is a BadRequestError", async () => {
    const { openai, url } = startForOpenAi()
    const damaged = await failure(openai.audio.transcriptions.create({ file: file([255, 1]), model }))
    expect(damaged).toBeInstanceOf(OpenAI.BadRequestError)
    expect(damaged).toMatchObject({ status: 400, code: "invalid_audio", type: "invalid_request_error", requestID: expect.any(String) })
    const form = formOf()
    form.delete("file")
    const answer = await (await post(url, "/v1/audio/transcriptions", form)).json()
    expect(answer).toMatchObject({ error: { param: "file", code: "missing_required_parameter" } })
  })

  test("of a recording that is too large is a 413, with a length told or without", async () => {
    const { openai } = startForOpenAi({}, { uploads: { ...UPLOAD_LIMITS, bytesMax: 200_000 } })
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
    const { openai } = startForOpenAi({ answer })
    const refused = await failure(openai.audio.transcriptions.create({ file: file([7, 1]), model }))
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError)
    expect(refused).toMatchObject({ type: "rate_limit_error", code: "rate_limit_exceeded" })
    expect(refused.headers?.get("retry-after")).toBe("1")
    asked = 0
    const again = await openai.audio.transcriptions.create({ file: file([7, 1]), model }, { maxRetries: 1 })
    expect([again.text, asked]).toEqual(["word", 2])
  })

  test("for want of memory for one more recording is a RateLimitError too", async () => {
    const [heard, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()]
    const wait = () => {
      heard.resolve()
      return answer.promise
    }
    const { openai } = startForOpenAi({ answer: wait }, { uploads: { heldBytesMax: 4000 } })
    const first = openai.audio.transcriptions.create({ file: file([7, 20]), model })
    await heard.promise
    const refused = await failure(openai.audio.transcriptions.create({ file: file([7, 20]), model }))
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError)
    expect(refused.headers?.get("retry-after")).toBe("1")
    answer.resolve("word")
    expect((await first).text).toBe("word")
  })

  test("for a mistake of ours, or of the engine, is an InternalServerError without its words", async () => {
    const { openai } = startForOpenAi({ answer: () => Promise.reject(new Error("a secret")) })
    const broken = await failure(openai.audio.transcriptions.create({ file: file([7, 1]), model }))
    expect(broken).toBeInstanceOf(OpenAI.InternalServerError)
    expect(broken).toMatchObject({ status: 500, type: "server_error" })
    expect(broken.message).not.toContain("secret")
    const dead = startForOpenAi({ answer: () => Promise.reject(new EngineError("unavailable", "the engine died")) })
    expect(await failure(dead.openai.audio.transcriptions.create({ file: file([7, 1]), model }))).toMatchObject({ status: 503 })
  })

  test("where the provider hears live streams only is a 501 that is not asked again", async () => {
    const { server } = serve()
    const answer = await post(server.url, "/v1/audio/transcriptions", formOf())
    expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([501, "false"])
  })

  test("of a path or a method that is not there is in the same envelope", async () => {
    const { url } = startForOpenAi()
    const answer = async (path: string, init?: RequestInit) => {
      const response = await fetch(new URL(path, url), init)
      return [response.status, errorIn(await response.json()).type]
    }
    expect(await answer("/v1/chat/completions", { method: "POST", body: "{}" })).toEqual([404, "invalid_request_error"])
    expect(await answer("/openai/v1/audio/speech", { method: "POST", body: "{}" })).toEqual([404, "invalid_request_error"])
    expect(await answer("/v1/audio/transcriptions")).toEqual([405, "invalid_request_error"])
  })

  test("and an answer leave nothing of the speech in the log, nor a key", async () => {
    const { openai, tap } = startForOpenAi({ answer: () => "something private" })
    await openai.audio.transcriptions.create({ file: file([7, 1]), model, prompt: "also private" })
    await failure(openai.audio.transcriptions.create({ file: file([255, 1]), model }))
    const log = JSON.stringify(tap.lines)
    expect(log).toContain("openai-transcriptions")
    expect(log).not.toMatch(/private|nobody/)
  })
})
