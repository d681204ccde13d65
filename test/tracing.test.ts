import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { version } from "../package.json"
import { connect, socketUrl } from "./support/client.ts"
import { clip, clipFile, words } from "./support/clips.ts"
import { httpDoor } from "./support/doors.ts"
import { type Asked, hearing, refusal, startGroqUpstream } from "./support/groq-upstream.ts"
import { type Collector, type SpanOnTheWire, startCollector } from "./support/otlp-collector.ts"
import { type RunningProgram, startProgram } from "./support/program.ts"
import { serve } from "./support/server.ts"
import { told, treeOf } from "./support/told.ts"

const CLIP = "ps_goforward"
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
const SENDER_ID = "b7ad6b7169203331"
const traceparent = `00-${TRACE_ID}-${SENDER_ID}-01`
/** What must never be in a span. */
const SECRETS = ["groq-key-4711", "client-key-4712", "collector-key-4713", "Zaphod", "go forward", "Go forward", "samples.", "secret-model"]

const named = (name: string) => (span: SpanOnTheWire) => span.name === name
const local = { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" }

async function addressOf(program: RunningProgram): Promise<URL> {
  return new URL(String((await program.seen("listening")).address).replace(/^ws/, "http"))
}

async function wav(): Promise<Uint8Array<ArrayBuffer>> {
  return await Bun.file(clipFile(CLIP)).bytes()
}

describe("a server with a collector, Groq, and Whisper behind it", () => {
  let groq: ReturnType<typeof startGroqUpstream>
  let answer: (asked: Asked) => Response | Promise<Response> = hearing
  let collector: Collector
  let program: RunningProgram
  let url: URL
  beforeAll(async () => {
    groq = startGroqUpstream((asked) => answer(asked))
    collector = startCollector()
    program = startProgram([], {
      ...local,
      STT_PROVIDER: "groq",
      STT_FALLBACK: "whisper",
      GROQ_STT_API_KEY: "groq-key-4711",
      GROQ_BASE_URL: groq.url,
      STT_API_KEYS: "alice:client-key-4712",
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/base/`,
      // As a file of `docker --env-file` may have it.
      OTEL_EXPORTER_OTLP_HEADERS: '"x-api-key=collector-key-4713,x-more=a%20b" # ours',
      OTEL_SERVICE_NAME: "ears",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test,service.name=other",
      OTEL_BSP_SCHEDULE_DELAY: "50",
    })
    url = await addressOf(program)
    await program.seen("engine process ready")
  }, 120_000)
  afterEach(() => {
    answer = hearing
  })
  afterAll(async () => {
    await program[Symbol.asyncDispose]()
    await groq.stop()
    await collector.stop()
  })

  /** An utterance of a socket that was opened with these headers, and all that was told of it. */
  async function utteranceOf(query: string, headers: Record<string, string> = {}) {
    const before = collector.spans.length
    const client = await connect(socketUrl(url, query), { headers })
    const samples = await clip(CLIP)
    client.send(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength))
    await client.next()
    client.close()
    await client.closed
    const utterances = collector.spans.slice(0, before).filter(named("utterance")).length
    const utterance = (await collector.seen(named("utterance"), utterances + 1))[utterances]
    if (!utterance) throw new Error("it was seen")
    return { utterance, spans: collector.spans.slice(before) }
  }

  test("tells of an utterance in a trace of its own, with a link to the request that became the socket", async () => {
    const { utterance, spans } = await utteranceOf("language=en&prompt=Zaphod")
    expect(treeOf(utterance, spans)).toEqual(["utterance", ["queue"], ["transcribe groq", ["request groq"]]])
    const [request] = await collector.seen(({ spanId }) => utterance.links.includes(spanId))
    expect(request).toMatchObject({
      name: "GET /api/v1/ws",
      parentId: "",
      fields: { "http.response.status_code": 101, "http.route": "/api/v1/ws", "xrx_stt.request": utterance.fields["session.id"] },
    })
    expect(utterance).toMatchObject({ parentId: "", failed: false, kind: 1 })
    expect(utterance.traceId).not.toBe(request?.traceId)
    const { "session.id": session, "xrx_stt.reply_seconds": replySeconds, ...fields } = utterance.fields
    expect(session).toMatch(/^[0-9a-f-]{36}$/)
    expect(replySeconds).toBeGreaterThan(0)
    expect(fields).toEqual({
      "xrx_stt.engine": "groq",
      "xrx_stt.mode": "utterance",
      "xrx_stt.utterance": 0,
      "xrx_stt.outcome": "text",
      "xrx_stt.cause": "commit",
      "xrx_stt.audio_seconds": 2.786,
      "xrx_stt.language": "en",
    })
    expect(spans.find(named("transcribe groq"))?.fields).toEqual({
      "xrx_stt.engine": "groq",
      "xrx_stt.model": "whisper-large-v3",
      "xrx_stt.audio_seconds": 2.78625,
    })
    expect(spans.find(named("request groq"))?.kind).toBe(3)
  })

  test("tells of an utterance in the trace of the client that sends one", async () => {
    const { utterance } = await utteranceOf("", { traceparent })
    const [request] = await collector.seen(({ parentId }) => parentId === SENDER_ID)
    expect(request).toMatchObject({ name: "GET /api/v1/ws", traceId: TRACE_ID })
    expect(utterance).toMatchObject({ traceId: TRACE_ID, parentId: request?.spanId, links: [] })
  })

  test("tells of a request in the trace of its sender, under the id that its answer carries", async () => {
    const form = new FormData()
    form.append("file", new File([await wav()], "talk.wav"))
    form.append("model", "secret-model")
    form.append("prompt", "Zaphod")
    const sender = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"
    const headers = { traceparent: sender, tracestate: "vendor=Zaphod", authorization: "Bearer client-key-4712" }
    const response = await fetch(new URL("/v1/audio/transcriptions", url), { method: "POST", body: form, headers })
    expect(response.status).toBe(200)
    const [request] = await collector.seen(({ parentId }) => parentId === "c7ad6b7169203331")
    expect(treeOf(request, collector.spans)).toEqual([
      "POST /v1/audio/transcriptions",
      ["queue"],
      ["read recording"],
      ["utterance", ["queue"], ["transcribe groq", ["request groq"]]],
    ])
    expect(request).toMatchObject({ traceId: sender.slice(3, 35), kind: 2, failed: false })
    expect(request?.fields).toEqual({
      "xrx_stt.request": response.headers.get("x-request-id") ?? "",
      "http.request.method": "POST",
      "http.route": "/v1/audio/transcriptions",
      "http.response.status_code": 200,
    })
    expect(request?.resource).toMatchObject({ "service.name": "ears", "deployment.environment.name": "test", "service.version": version })
  })

  test("tells of an upload that is no sound as far as it came", async () => {
    const form = new FormData()
    form.append("file", new File(["Zaphod ".repeat(1000)], "Zaphod.wav"))
    form.append("model", "whisper-1")
    const headers = { authorization: "Bearer client-key-4712", traceparent: traceparent.replace(SENDER_ID, "e7ad6b7169203331") }
    const response = await fetch(new URL("/v1/audio/transcriptions", url), { method: "POST", body: form, headers })
    expect(response.status).toBe(400)
    const [request] = await collector.seen(({ parentId }) => parentId === "e7ad6b7169203331")
    expect(treeOf(request, collector.spans)).toEqual(["POST /v1/audio/transcriptions", ["queue"], ["read recording: bad_audio"]])
  })

  test("tells of an answer that is a stream until its end", async () => {
    const form = new FormData()
    form.append("file", new File([await wav()], "talk.wav"))
    form.append("model", "whisper-1")
    form.append("stream", "true")
    const headers = { authorization: "Bearer client-key-4712", traceparent: traceparent.replace(SENDER_ID, "d7ad6b7169203331") }
    const response = await fetch(new URL("/v1/audio/transcriptions", url), { method: "POST", body: form, headers })
    expect(response.headers.get("content-type")).toStartWith("text/event-stream")
    await response.text()
    const [request] = await collector.seen(({ parentId }) => parentId === "d7ad6b7169203331")
    const utterance = collector.spans.find(({ parentId, name }) => parentId === request?.spanId && name === "utterance")
    expect(request?.endMs).toBeGreaterThanOrEqual(utterance?.endMs ?? Number.POSITIVE_INFINITY)
    expect(request?.fields["http.response.status_code"]).toBe(200)
  })

  test.each([
    ["without a key", "POST", "/v1/audio/transcriptions", 401],
    ["of a way that is not there", "DELETE", "/v1/audio/transcriptions", 405],
    ["of what only a socket can ask", "GET", "/api/v1/ws", 426],
  ])("tells of a request %s that it was refused, which is no failure of the server", async (_, method, path, status) => {
    const response = await fetch(new URL(path, url), { method })
    expect(response.status).toBe(status)
    const id = response.headers.get("x-request-id") ?? ""
    const [request] = await collector.seen(({ fields }) => fields["xrx_stt.request"] === id)
    expect(request).toMatchObject({ name: `${method} ${path}`, failed: false, fields: { "http.response.status_code": status } })
  })

  test("tells of a path no more than where it leads", async () => {
    const response = await fetch(new URL("/v1/models/secret-model", url), { headers: { authorization: "Bearer client-key-4712" } })
    const id = response.headers.get("x-request-id") ?? ""
    const [request] = await collector.seen(({ fields }) => fields["xrx_stt.request"] === id)
    expect(request?.name).toBe("GET /v1/models/*")
  })

  test("does not tell of pages and probes", async () => {
    const before = collector.spans.length
    for (const path of ["/", "/healthz", "/readyz", "/metrics", "/nowhere"]) await fetch(new URL(path, url))
    const { spans } = await utteranceOf("")
    expect(spans).toEqual(collector.spans.slice(before))
    expect(spans.filter(({ kind }) => kind === 2).map(({ name }) => name)).toEqual(["GET /api/v1/ws"])
  })

  test("tells each try of a provider that fails, and who answered instead", async () => {
    answer = () => refusal(500, { message: "secret-model", code: "internal_server_error" })
    const { utterance, spans } = await utteranceOf("")
    expect(treeOf(utterance, spans)).toEqual([
      "utterance",
      ["queue"],
      ["transcribe groq: unavailable", ["request groq: unavailable"], ["request groq: unavailable"]],
      ["queue"],
      ["transcribe whisper", ["engine queue"], ["decode"]],
    ])
    expect(utterance).toMatchObject({
      failed: false,
      fields: { "xrx_stt.outcome": "text", "xrx_stt.fallback_to": "whisper", "xrx_stt.fallback_reason": "unavailable" },
    })
    const tries = spans.filter(named("request groq"))
    expect(tries.map(({ fields }) => fields["xrx_stt.retry"])).toEqual([false, true])
    for (const one of tries) {
      expect(one.failed).toBe(true)
      expect(one.fields["xrx_stt.provider_code"]).toMatch(/^500/)
    }
  }, 30_000)

  test("posts to the address below the given one, with the given headers", () => {
    for (const { path, headers } of collector.posted) {
      expect(path).toBe("/base/v1/traces")
      expect(headers.get("content-type")).toBe("application/x-protobuf")
      expect([headers.get("x-api-key"), headers.get("x-more")]).toEqual(["collector-key-4713", "a b"])
    }
  })

  test("has never told a word, a key, or anything else as a client wrote it", () => {
    expect(groq.asked.some(({ fields }) => fields.some(([, value]) => value === "Zaphod"))).toBe(true)
    const sent = collector.posted.map(({ body }) => Buffer.from(body).toString("latin1")).join("")
    expect(sent).toContain("transcribe whisper")
    expect(SECRETS.filter((secret) => sent.includes(secret))).toEqual([])
    expect(SECRETS.filter((secret) => program.errors.includes(secret))).toEqual([])
  })
})

describe("a server whose collector", () => {
  /** Says words, asks the server to go, and gives what it said and how it went. */
  async function hearAndGo(env: Record<string, string>, whileOn: (program: RunningProgram) => Promise<unknown> = async () => {}) {
    const groq = startGroqUpstream(hearing)
    await using program = startProgram([], {
      ...local,
      STT_PROVIDER: "groq",
      GROQ_STT_API_KEY: "key",
      GROQ_BASE_URL: groq.url,
      STT_MIN_REPLY_MS: "0",
      ...env,
    })
    const url = await addressOf(program)
    const client = await connect(socketUrl(url))
    const samples = await clip(CLIP)
    client.send(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength))
    const text = await client.next()
    client.close()
    await program.seen("disconnected")
    await whileOn(program)
    program.signal("SIGTERM")
    const code = await program.exited
    await groq.stop()
    return { text, code, errors: program.errors }
  }

  test("is there gets the last spans when the server goes", async () => {
    const collector = startCollector()
    const { code } = await hearAndGo({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/all`, OTEL_BSP_SCHEDULE_DELAY: "3600000" })
    expect(code).toBe(0)
    expect(collector.posted.map(({ path }) => path)).toEqual(["/all"])
    expect(collector.spans.map(({ name }) => name).toSorted()).toEqual([
      "GET /api/v1/ws",
      "queue",
      "request groq",
      "transcribe groq",
      "utterance",
    ])
    await collector.stop()
  })

  test("never answers still answers its clients, and goes by the end of its drain", async () => {
    const collector = startCollector(() => new Promise(() => {}))
    const { text, code, errors } = await hearAndGo({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "3600000",
      STT_DRAIN_MS: "1000",
    })
    expect({ words: words(text).startsWith("words "), code }).toEqual({ words: true, code: 0 })
    const lines = errors
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line))
    const at = (event: string) => Date.parse(lines.find((line) => line.event === event)?.time)
    expect(lines).toContainEqual(expect.objectContaining({ event: "traces not sent", reason: "the server goes" }))
    expect(at("stopped") - at("draining")).toBeLessThan(1500)
    await collector.stop()
  })

  test("is away still answers its clients, and says so once", async () => {
    const { text, code, errors } = await hearAndGo(
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_BSP_SCHEDULE_DELAY: "1", OTEL_EXPORTER_OTLP_TIMEOUT: "100" },
      (program) => program.seen("traces not sent"),
    )
    expect({ words: words(text).startsWith("words "), code }).toEqual({ words: true, code: 0 })
    expect(errors.match(/"traces not sent"/g)).toHaveLength(1)
    expect(errors).not.toMatch(/unhandled|uncaught/)
  })

  test.each([
    ["is not asked for", {}],
    ["is not to be used by a disabled SDK", { OTEL_SDK_DISABLED: "TRUE" }],
    ["is for other things than traces", { OTEL_TRACES_EXPORTER: "none" }],
  ])("%s gets nothing", async (_, env) => {
    const collector = startCollector()
    const endpoint = Object.keys(env).length > 0 ? { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } : {}
    const { code, errors } = await hearAndGo({ ...endpoint, ...env, OTEL_BSP_SCHEDULE_DELAY: "1" })
    expect(code).toBe(0)
    expect(errors).not.toContain("traces")
    expect(collector.posted).toEqual([])
    await collector.stop()
  })
})

test("a request that the server could not answer is a failure, with its status", async () => {
  const broken = httpDoor({
    handle() {
      throw new Error("Zaphod")
    },
  })
  const spans = await told(async (tracer) => {
    const { server } = serve({ tracer, httpDoors: [broken] })
    expect((await fetch(new URL("/test", server.url), { method: "POST" })).status).toBe(500)
  })
  expect(spans).toMatchObject([{ name: "POST /test", failed: true, fields: { "error.type": "500", "http.response.status_code": 500 } }])
})

test("a server whose collector's certificate cannot be read does not start, and says why", async () => {
  const program = startProgram([], {
    ...local,
    OTEL_EXPORTER_OTLP_ENDPOINT: "https://127.0.0.1:1",
    OTEL_EXPORTER_OTLP_CERTIFICATE: "/nowhere/ca.pem",
  })
  expect(await program.exited).toBe(78)
  expect(program.errors).toContain("OTEL_EXPORTER_OTLP_CERTIFICATE: ")
})

test.each([
  ["only if it has a collector", true],
  ["and not without one", false],
])("a server loads what sends traces, %s", async (_, traced) => {
  const folder = await mkdtemp(join(tmpdir(), "loaded-"))
  const file = join(folder, "modules")
  const preload = join(import.meta.dir, "support/loaded-modules.ts")
  const main = join(import.meta.dir, "../src/main.ts")
  const groq = { STT_PROVIDER: "groq", GROQ_STT_API_KEY: "key", GROQ_BASE_URL: "http://127.0.0.1:1" }
  const endpoint = traced ? { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" } : {}
  const child = Bun.spawn([process.execPath, "--preload", preload, main], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...local, ...groq, ...endpoint, LOADED_MODULES: file },
    stderr: "pipe",
  })
  for await (const chunk of child.stderr) if (Buffer.from(chunk).includes('"ready"')) child.kill("SIGTERM")
  expect(await child.exited).toBe(0)
  const modules = (await Bun.file(file).text()).split("\n")
  await rm(folder, { recursive: true })
  expect(modules.some((path) => path.endsWith("/src/server/server.ts"))).toBe(true)
  expect(modules.some((path) => path.includes("/@opentelemetry/sdk-trace/"))).toBe(traced)
  expect(modules.some((path) => path.endsWith("/src/otlp.ts"))).toBe(traced)
})
