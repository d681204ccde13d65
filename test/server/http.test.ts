import { describe, expect, test } from "bun:test"
import { EngineError } from "../../src/engines/engine.ts"
import type { RunningServer } from "../../src/server/server.ts"
import { connect, connectRaw, socketUrl } from "../support/client.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"
import { localhostTls } from "../support/tls.ts"

async function get(url: URL, path: string, init?: RequestInit) {
  const response = await fetch(new URL(path, url), init)
  return { status: response.status, body: await response.text(), headers: response.headers }
}

describe("routes", () => {
  test("every path answers in one plain line", async () => {
    const { server } = serve()
    expect(await get(server.url, "/healthz")).toMatchObject({ status: 200, body: "ok\n" })
    expect(await get(server.url, "/")).toMatchObject({ status: 200, body: expect.stringContaining("/api/v1/ws") })
    expect(await get(server.url, "/api/v1/ws/")).toMatchObject({ status: 404, body: "nothing here\n" })
    expect(await get(server.url, "/favicon.ico")).toMatchObject({ status: 404, body: "nothing here\n" })
  })

  test("a request without an upgrade is told what the socket speaks", async () => {
    const { status, headers, body } = await get(serve().server.url, "/api/v1/ws")
    expect(status).toBe(426)
    expect(headers.get("upgrade")).toBe("websocket")
    expect(body).toBe("/api/v1/ws speaks WebSocket only\n")
  })

  test("other methods are not allowed, HEAD is", async () => {
    const { server } = serve()
    const posted = await get(server.url, "/healthz", { method: "POST" })
    expect(posted.status).toBe(405)
    expect(posted.headers.get("allow")).toBe("GET, HEAD")
    expect((await get(server.url, "/healthz", { method: "HEAD" })).status).toBe(200)
  })

  test("metrics count sessions, audio and the process", async () => {
    const { server } = serve({ mode: "frames" })
    const open = 'xrx_stt_sessions_open{mode="frames"}'
    // Of servers of other tests, which Bun may have stopped without a word of their sockets.
    const others = (await metrics(server.url)).get(open) ?? 0
    const client = await connect(socketUrl(server.url))
    const before = await metrics(server.url)
    expect(before.get(open)).toBe(others + 1)
    client.send(audio(1, 16_000))
    client.send(audio(0, 1))
    await client.next()
    client.close()
    await server.stop()
    const after = await metrics(serve().server.url)
    expect(after.get(open)).toBe(others)
    const audioSeconds = 'xrx_stt_audio_seconds_total{mode="frames"}'
    expect((after.get(audioSeconds) ?? 0) - (before.get(audioSeconds) ?? 0)).toBeCloseTo(1, 3)
    expect(after.get("process_resident_memory_bytes")).toBeGreaterThan(1e6)
    expect(after.has("nodejs_eventloop_lag_p99_seconds")).toBe(true)
  })

  async function metrics(url: URL): Promise<Map<string, number>> {
    const { body, headers } = await get(url, "/metrics")
    expect(headers.get("content-type")).toStartWith("text/plain; version=0.0.4")
    const samples = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]))
  }
})

describe("a request", () => {
  async function answerTo(server: RunningServer, head: string): Promise<string> {
    const answered = Promise.withResolvers<string>()
    await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(server.url.port),
      socket: {
        open: (socket) => void socket.write(`${head}\r\n\r\n`),
        data: (_, bytes) => answered.resolve(new TextDecoder().decode(bytes)),
      },
    })
    return answered.promise
  }

  test("whose host makes no address is the client's mistake, and nobody's alarm", async () => {
    const { server, tap } = serve()
    expect(await answerTo(server, "GET /healthz HTTP/1.1\r\nHost: [bad")).toStartWith("HTTP/1.1 400 ")
    expect(tap.lines).toEqual([])
  })

  test("without a host is answered: so HAProxy asks for readiness", async () => {
    expect(await answerTo(serve().server, "GET /readyz HTTP/1.0")).toStartWith("HTTP/1.1 200 ")
  })
})

describe("readiness", () => {
  test("ready once the engine is, and sockets open before that", async () => {
    const loaded = Promise.withResolvers<void>()
    const { server } = serve({}, { ready: () => loaded.promise })
    expect(await get(server.url, "/readyz")).toMatchObject({ status: 503, body: "not ready: the engine is still loading\n" })
    const client = await connect(socketUrl(server.url))
    client.send(audio(3))
    expect(await client.next()).toBe("word 3")
    loaded.resolve()
    expect(await get(server.url, "/readyz")).toMatchObject({ status: 200, body: "ok\n" })
  })

  test("an engine that was ready and is loading again is not ready until it is back", async () => {
    const back = Promise.withResolvers<void>()
    let readiness = Promise.resolve()
    const { server } = serve({}, { ready: () => readiness })
    expect((await get(server.url, "/readyz")).status).toBe(200)
    readiness = back.promise
    expect(await get(server.url, "/readyz")).toMatchObject({
      status: 503,
      body: "not ready: all engine processes have ended, and are started again\n",
    })
    back.resolve()
    expect((await get(server.url, "/readyz")).status).toBe(200)
  })

  test("an engine that refused says why, and is asked again", async () => {
    const answers: (EngineError | undefined)[] = [new EngineError("unauthorized", "the key is not accepted"), undefined]
    const ready = async () => {
      const refusal = answers.shift()
      if (refusal) throw refusal
    }
    const { server } = serve({}, { ready })
    expect(await get(server.url, "/readyz")).toMatchObject({ status: 503, body: "not ready: the key is not accepted\n" })
    expect((await get(server.url, "/readyz")).status).toBe(200)
  })

  test("a full server is not ready and refuses before the upgrade, until somebody leaves", async () => {
    const { server, tap } = serve({ maxSessions: 2 })
    const first = await connect(socketUrl(server.url))
    await connect(socketUrl(server.url))
    const refused = await connectRaw(socketUrl(server.url))
    expect(refused).toMatchObject({ status: 503, body: "full: 2 sessions are open\n" })
    expect(refused.headers.get("retry-after")).toBe("1")
    expect(await get(server.url, "/readyz")).toMatchObject({ status: 503, body: "not ready: full: 2 sessions are open\n" })
    first.close()
    await tap.seen("disconnected")
    expect((await get(server.url, "/readyz")).status).toBe(200)
    expect((await connectRaw(socketUrl(server.url))).status).toBe(101)
  })

  test("a rush of clients fills a server exactly", async () => {
    const { server } = serve({ maxSessions: 5, proxyHops: 1 })
    const clients = await Promise.all(
      Array.from({ length: 25 }, (_, nth) => connectRaw(socketUrl(server.url), { "x-forwarded-for": `10.0.0.${nth}` })),
    )
    expect(clients.filter(({ status }) => status === 101)).toHaveLength(5)
    expect(clients.filter(({ status }) => status === 503)).toHaveLength(20)
  })
})

describe("who is let in", () => {
  test("a bad query is refused with its reason before there is a socket", async () => {
    const { server, tap } = serve()
    expect(await connectRaw(socketUrl(server.url, "mode=words"))).toMatchObject({
      status: 400,
      body: "mode must be utterance, frames, events\n",
    })
    expect(await connectRaw(socketUrl(server.url, "silence_ms=0"))).toMatchObject({ status: 400 })
    expect(tap.lines).toEqual([])
  })

  test("the language of the URL reaches the engine", async () => {
    const { server, engine } = serve()
    const client = await connect(socketUrl(server.url, "language=de-CH&whatever=1"))
    client.send(audio(1))
    await client.next()
    expect(engine.opened).toMatchObject([{ language: "de", endpointing: null }])
  })

  test("with a list of origins other pages stay out, and clients that are no page come in", async () => {
    const { server } = serve({ allowedOrigins: ["https://app.example.com"] })
    const from = (headers: Record<string, string>) => connectRaw(socketUrl(server.url), headers).then(({ status }) => status)
    expect(await from({ origin: "https://app.example.com" })).toBe(101)
    expect(await from({})).toBe(101)
    expect(await from({ origin: "https://evil.example.com" })).toBe(403)
    expect(await from({ origin: "null" })).toBe(403)
  })

  test("without a list every origin comes in", async () => {
    expect((await connectRaw(socketUrl(serve().server.url), { origin: "https://any.example.com" })).status).toBe(101)
  })

  test("an offer of compression is declined and the client goes on without", async () => {
    const raw = await connectRaw(socketUrl(serve().server.url), {
      "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
    })
    expect(raw.status).toBe(101)
    expect(raw.headers.has("sec-websocket-extensions")).toBe(false)
    const client = await connect(socketUrl(serve().server.url))
    client.send(audio(1))
    expect(await client.next()).toBe("word 1")
  })

  test("with a certificate the socket and the routes are encrypted", async () => {
    const { server } = serve({ tls: localhostTls })
    expect(server.url.protocol).toBe("https:")
    const client = await connect(socketUrl(server.url), { tls: { ca: localhostTls.cert } })
    client.send(audio(9))
    expect(await client.next()).toBe("word 9")
    const health = await fetch(new URL("/healthz", server.url), { tls: { ca: localhostTls.cert } })
    expect(health.status).toBe(200)
  })
})

test("a port that is taken is an error, not shared", () => {
  const { server } = serve()
  expect(() => serve({ port: Number(server.url.port) })).toThrow(/in use/)
})
