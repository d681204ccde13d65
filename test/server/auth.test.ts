import { describe, expect, test } from "bun:test"
import { once } from "node:events"
import { createConnection } from "node:net"
import Groq from "groq-sdk"
import OpenAI from "openai"
import { OpenAIRealtimeWS } from "openai/realtime/ws"
import type { ApiKey } from "../../src/api-keys.ts"
import { registry } from "../../src/metrics.ts"
import { connect, connectRaw, socketUrl } from "../support/client.ts"
import { clientOf, PCM } from "../support/deepgram-client.ts"
import { file, model } from "../support/openai-client.ts"
import { createScriptedRecordings } from "../support/scripted-recordings.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"
import { localhostTls } from "../support/tls.ts"

const KEYS: readonly ApiKey[] = [
  { name: "alice", key: "alices-key" },
  { name: "bob", key: "bobs-key" },
  { name: "bob", key: "bobs-new-key" },
]

const closed = (more: Parameters<typeof serve>[0] = {}) => serve({ keys: () => KEYS, recordings: createScriptedRecordings(), ...more })

/** The name of the first event, or why there was none. */
function firstWord(realtime: OpenAIRealtimeWS): Promise<string> {
  return new Promise((resolve) => {
    realtime.on("event", ({ type }) => {
      resolve(type)
      realtime.close()
    })
    realtime.on("error", ({ message }) => resolve(message))
  })
}

describe("a key", () => {
  const WAYS: [string, Record<string, string>, string, string][] = [
    ["Authorization: Bearer", { authorization: "Bearer alices-key" }, "/v1/listen", ""],
    ["Authorization: bearer, in lower case", { authorization: "bearer alices-key" }, "/v1/listen", ""],
    ["Authorization: Token", { authorization: "Token alices-key" }, "/v1/listen", ""],
    ["Authorization: token, in lower case", { authorization: "token alices-key" }, "/v1/listen", ""],
    ["x-api-key", { "x-api-key": "alices-key" }, "/v1/listen", ""],
    ["OpenAI's subprotocol", { "sec-websocket-protocol": "realtime, openai-insecure-api-key.alices-key" }, "/v1/realtime", ""],
    [
      "OpenAI's subprotocol among others",
      { "sec-websocket-protocol": "realtime,openai-beta.realtime-v1, openai-insecure-api-key.alices-key" },
      "/openai/v1/realtime",
      "",
    ],
    ["Deepgram's subprotocols", { "sec-websocket-protocol": "token, alices-key" }, "/v1/listen", ""],
    ["the subprotocols of Deepgram's tokens", { "sec-websocket-protocol": "bearer, alices-key" }, "/v1/listen", ""],
    ["the query", {}, "/v1/listen", "token=alices-key"],
  ]

  test.each(WAYS)("opens a socket by %s, and only if it is known", async (_, headers, path, query) => {
    const { server, tap } = closed()
    const open = await connectRaw(socketUrl(server.url, query, path), headers)
    expect(open.status).toBe(101)
    const [first] = (headers["sec-websocket-protocol"] ?? "").split(",")
    expect(open.headers.get("sec-websocket-protocol")).toBe(first || null)
    expect(await tap.seen("connected")).toMatchObject({ key: "alice" })
    open.destroy()
    const wrong = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace("alices", "malices")]))
    const refused = await connectRaw(socketUrl(server.url, query.replace("alices", "malices"), path), wrong)
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"])
    expect(JSON.stringify(tap.lines)).not.toContain("alices-key")
  })

  test("that is wrong in one place does not spoil a good one in another; half of one is none", async () => {
    const { server } = closed()
    const ask = async (headers: Record<string, string>, query = "") => {
      const client = await connectRaw(socketUrl(server.url, query, "/v1/listen"), headers)
      client.destroy()
      return client.status
    }
    expect(await ask({ authorization: "Bearer other", "x-api-key": "bobs-new-key" })).toBe(101)
    expect(await ask({ authorization: "Basic YWxpY2VzLWtleQ==" }, "token=bobs-key")).toBe(101)
    for (const headers of [
      { authorization: "Bearer alices-ke" },
      { authorization: "Bearer alices-key2" },
      { authorization: "alices-key" },
      { authorization: "Bearer" },
      { "x-api-key": "" },
      { "x-api-key": "alice" },
      { "sec-websocket-protocol": "openai-insecure-api-key.alices-key, realtime" },
      { "sec-websocket-protocol": "alices-key, token" },
    ])
      expect([headers, await ask(headers)]).toEqual([headers, 401])
  })

  test("is taken back while the server runs", async () => {
    let keys = KEYS
    const { server } = closed({ keys: () => keys })
    const ask = (key: string) => fetch(new URL("/v1/models", server.url), { headers: { "x-api-key": key } }).then(({ status }) => status)
    expect([await ask("alices-key"), await ask("carols-key")]).toEqual([200, 401])
    keys = [{ name: "carol", key: "carols-key" }]
    expect([await ask("alices-key"), await ask("carols-key")]).toEqual([401, 200])
  })
})

describe("with keys", () => {
  test("xRx's socket stays open to whoever shows none, but not to a wrong one", async () => {
    const { server } = closed()
    const client = await connect(socketUrl(server.url))
    client.send(audio(7))
    expect(await client.next()).toBe("word 7")
    client.close()
    const wrong = await connectRaw(socketUrl(server.url), { authorization: "Bearer no" })
    expect([wrong.status, wrong.body]).toEqual([401, "this API key is not known here\n"])
  })

  test("xRx's socket needs one too where that is asked for", async () => {
    const { server } = closed({ requireKey: true })
    const refused = await connectRaw(socketUrl(server.url))
    expect([refused.status, refused.body]).toEqual([401, "an API key is needed\n"])
    const client = await connect(socketUrl(server.url, "token=bobs-key"))
    client.send(audio(7))
    expect(await client.next()).toBe("word 7")
    client.close()
  })

  test("metrics and every request for words need one, the pages that are the same for everybody do not", async () => {
    const { server } = closed()
    const status = async (path: string, init?: RequestInit) => (await fetch(new URL(path, server.url), init)).status
    for (const path of ["/", "/healthz", "/readyz"]) expect([path, await status(path)]).toEqual([path, 200])
    expect(await status("/metrics")).toBe(401)
    expect(await status("/metrics", { headers: { authorization: "Bearer bobs-key" } })).toBe(200)
    for (const path of ["/v1/models", "/openai/v1/models/x", "/v1/nothing"]) expect([path, await status(path)]).toEqual([path, 401])
    for (const path of ["/v1/audio/transcriptions", "/v1/listen"])
      expect([path, await status(path, { method: "POST", body: "x" })]).toEqual([path, 401])
  })

  test("Home Assistant's port stays open: its protocol has no place for one", async () => {
    const { server, tap } = closed({ wyomingPort: 0 })
    const socket = createConnection({ host: "127.0.0.1", port: server.wyomingPort ?? 0 })
    socket.write('{"type":"ping","data":{"text":"there?"}}\n')
    const [answer] = await once(socket, "data")
    socket.destroy()
    expect(String(answer)).toContain('"pong"')
    expect(await tap.seen("disconnected")).toMatchObject({ code: 1000 })
  })

  test("a page of another origin may ask first without one, and may read that it needs one", async () => {
    const { server } = closed({ allowedOrigins: ["https://app.example"] })
    const url = new URL("/v1/audio/transcriptions", server.url)
    const headers = { origin: "https://app.example", "access-control-request-headers": "authorization" }
    const asked = await fetch(url, { method: "OPTIONS", headers })
    expect([asked.status, asked.headers.get("access-control-allow-headers")]).toEqual([204, "authorization"])
    const refused = await fetch(url, { method: "POST", headers: { origin: "https://app.example" } })
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, "https://app.example"])
  })

  test("the log and the metrics tell its name, and never the key", async () => {
    const { server, tap } = closed()
    await fetch(new URL("/v1/models?token=alices-key", server.url))
    expect(await tap.seen("request")).toMatchObject({ key: "alice" })
    const client = await connect(socketUrl(server.url, "token=bobs-new-key"))
    client.close()
    expect(await tap.seen("connected")).toMatchObject({ key: "bob" })
    await tap.seen("disconnected")
    const metrics = await registry.metrics()
    expect(metrics).toMatch(/^xrx_stt_refusals_total\{door="deepgram",reason="key"\} [1-9]/m)
    expect(metrics).toMatch(/xrx_stt_admissions_total\{key="alice"\} \d/)
    expect(metrics).toMatch(/xrx_stt_admissions_total\{key="bob"\} \d/)
    for (const { key } of KEYS) expect(JSON.stringify(tap.lines) + metrics).not.toContain(key)
  })
})

describe("a client without a known key is told in its own words", () => {
  test("OpenAI's", async () => {
    const { server } = closed()
    const of = (apiKey: string) => new OpenAI({ apiKey, baseURL: new URL("/v1", server.url).href })
    const refused = await of("no")
      .audio.transcriptions.create({ file: file([7, 1]), model })
      .catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(refused).toMatchObject({ status: 401, code: "invalid_api_key", type: "invalid_request_error", param: null })
    const { text } = await of("alices-key").audio.transcriptions.create({ file: file([7, 1]), model })
    expect(text).toBe("word 7")
  })

  test("OpenAI's realtime, before there is a socket", async () => {
    const { server } = closed()
    const refused = await connectRaw(socketUrl(server.url, "intent=transcription", "/v1/realtime"))
    const error = { message: "an API key is needed", type: "invalid_request_error", param: null, code: "invalid_api_key" }
    expect([refused.status, JSON.parse(refused.body)]).toEqual([401, { error }])
  })

  test("OpenAI's realtime, by its class", async () => {
    const { server } = closed({ tls: localhostTls })
    const open = (apiKey: string) => {
      const openai = new OpenAI({ apiKey, baseURL: new URL("/v1", server.url).href })
      return new OpenAIRealtimeWS({ model, options: { ca: localhostTls.cert } }, openai)
    }
    expect(await firstWord(open("alices-key"))).toBe("session.created")
    expect(await firstWord(open("no"))).toContain("401")
  })

  test("Groq's", async () => {
    const { server } = closed()
    const of = (apiKey: string) => new Groq({ apiKey, baseURL: server.url.href })
    const refused = await of("no")
      .models.list()
      .catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(Groq.AuthenticationError)
    expect((await of("bobs-key").models.list()).data.length).toBeGreaterThan(0)
  })

  test("Deepgram's, by its headers and its body", async () => {
    const { server } = closed()
    const refused = await connectRaw(socketUrl(server.url, "", "/v1/listen"), { authorization: "Token no" })
    const id = refused.headers.get("dg-request-id")
    expect([refused.status, refused.headers.get("dg-error")]).toEqual([401, "this API key is not known here"])
    expect(JSON.parse(refused.body)).toEqual({ err_code: "INVALID_AUTH", err_msg: "this API key is not known here", request_id: id })
    expect(id).toBe(refused.headers.get("x-request-id"))
    const sdk = await clientOf(server.url)
      .listen.v1.media.transcribeFile(Buffer.from([7]), { model: "nova-3" })
      .catch((error) => error)
    expect(sdk).toMatchObject({ statusCode: 401, body: { err_code: "INVALID_AUTH" } })
  })

  test("Deepgram's, whose live client gives up at once", async () => {
    const { server } = closed()
    const live = await clientOf(server.url).listen.v1.connect({ ...PCM, reconnectAttempts: 0 } as never)
    const failed = Promise.withResolvers<Error>()
    live.on("error", failed.resolve)
    live.connect()
    expect((await failed.promise).message).toContain("401")
    live.close()
  })
})
