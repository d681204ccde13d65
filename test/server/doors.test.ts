import { describe, expect, test } from "bun:test"
import { createConnection } from "node:net"
import { type Asking, type HttpCall, Refused } from "../../src/dialects/door.ts"
import { HTTP_DOORS, SOCKET_DOORS } from "../../src/dialects/index.ts"
import { ownDoor } from "../../src/dialects/own-door.ts"
import { EngineError } from "../../src/engines/engine.ts"
import { registry } from "../../src/metrics.ts"
import { createRoutes } from "../../src/server/routes.ts"
import { connect, connectRaw, socketUrl } from "../support/client.ts"
import { handClock } from "../support/clock.ts"
import { httpDoor, plainDialect, socketDoor } from "../support/doors.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/

const at = (url: URL, path = "/test") => socketUrl(url, "", path)

async function ask(url: URL, path: string, init: RequestInit = {}) {
  const response = await fetch(new URL(path, url), init)
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: text.startsWith("{") ? JSON.parse(text) : text }
}

/** Resolves when the server closes a connection that asks for `path` once and then says nothing. */
function closed(url: URL, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = createConnection({ host: url.hostname, port: Number(url.port) }, () => {
    socket.write(`POST ${path} HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n`)
  })
  socket.on("data", () => {})
  socket.on("error", reject)
  socket.on("close", () => resolve())
  return promise
}

describe("a socket's door", () => {
  test("tells its dialect of the request, and the dialect of its session", async () => {
    let asked: Asking | undefined
    const greet = (facts: { session: string; unixMs: number }) => [`${facts.session} ${facts.unixMs}`]
    const opening = { ok: true, label: "test", dialect: () => plainDialect({ greet }), paced: false, headers: { "x-own": "1" } } as const
    const open = (asking: Asking) => {
      asked = asking
      return opening
    }
    const { server } = serve({ socketDoors: [socketDoor({ open })], unixNow: () => 1234 })
    const client = await connectRaw(socketUrl(server.url, "a=1&a=2", "/test"), { "x-theirs": "2" })
    expect(client.status).toBe(101)
    expect(client.headers.get("x-own")).toBe("1")
    expect(asked?.requestId).toMatch(UUID)
    expect(asked?.query.getAll("a")).toEqual(["1", "2"])
    expect([asked?.path, asked?.header("x-theirs"), asked?.header("x-none")]).toEqual(["/test", "2", null])
    expect((await client.nextFrame()).payload.toString()).toBe(`${asked?.requestId} 1234`)
    client.destroy()
  })

  test("words every refusal itself, and each carries its id", async () => {
    const doors = { socketDoors: [socketDoor()], allowedOrigins: ["https://good.example"], maxSessions: 1 }
    const { server } = serve(doors)
    const plain = await ask(server.url, "/test")
    expect(plain).toMatchObject({ status: 426, body: { by: "socket", reason: "handshake" } })
    expect(plain.headers.get("upgrade")).toBe("websocket")
    expect(plain.headers.get("x-request-id")).toBe(plain.body.id)
    expect(await ask(server.url, "/test", { method: "PUT" })).toMatchObject({ status: 405, body: { reason: "method" } })
    const stranger = await connectRaw(at(server.url), { origin: "https://bad.example" })
    expect([stranger.status, JSON.parse(stranger.body).reason]).toEqual([403, "origin"])
    const first = await connect(at(server.url))
    const full = await connectRaw(at(server.url))
    expect(full.status).toBe(503)
    expect(full.headers.get("retry-after")).toBe("1")
    expect(JSON.parse(full.body)).toEqual({
      by: "socket",
      reason: "full",
      message: "full: 1 sessions are open",
      id: full.headers.get("x-request-id"),
    })
    first.close()
    await first.closed
  })

  test("tells a plain request why a socket would be refused, since a browser hides it, and counts no refusal", async () => {
    const { server } = serve({ socketDoors: [socketDoor(), ownDoor], allowedOrigins: ["https://good.example"], maxSessions: 1 })
    const stranger = await ask(server.url, "/test", { headers: { origin: "https://bad.example" } })
    expect(stranger).toMatchObject({ status: 403, body: { by: "socket", reason: "origin" } })
    const bad = await fetch(new URL("/api/v1/ws?mode=events&silence_ms=1", server.url))
    expect([bad.status, await bad.text()]).toEqual([400, "silence_ms must be a whole number from 100 to 10000\n"])
    const counted = (await registry.getSingleMetric("xrx_stt_refusals_total")?.get())?.values
    const first = await connect(at(server.url))
    const full = await ask(server.url, "/test")
    expect(full).toMatchObject({ status: 503, body: { by: "socket", reason: "full" } })
    expect(full.headers.get("retry-after")).toBe("1")
    expect((await registry.getSingleMetric("xrx_stt_refusals_total")?.get())?.values).toEqual(counted ?? [])
    first.close()
    await first.closed
  })

  test("may refuse what it is asked, in its own words", async () => {
    const refusal = () => new Response("no such thing", { status: 400, headers: { "dg-error": "no" } })
    const { server } = serve({ socketDoors: [socketDoor({ open: () => ({ ok: false, refusal: refusal() }) })] })
    const refused = await connectRaw(at(server.url))
    expect(refused).toMatchObject({ status: 400, body: "no such thing" })
    expect([refused.headers.get("dg-error"), refused.headers.get("x-request-id")]).toEqual(["no", expect.stringMatching(UUID)])
  })

  test("has its own limit of a message and its own close for it", async () => {
    const closing = () => ({ code: 1008, reason: "DATA-0000" })
    const { server } = serve({ socketDoors: [socketDoor({ dialect: { closing } })] })
    const client = await connect(at(server.url))
    client.send(audio(7, 500))
    expect(await client.next()).toBe("word 7")
    client.send(audio(7, 501))
    expect(await client.closed).toEqual({ code: 1008, reason: "DATA-0000" })
  })

  test("counts its sessions and their audio under its own label", async () => {
    const { server, tap } = serve({ socketDoors: [socketDoor()] })
    const client = await connect(at(server.url))
    expect(await registry.metrics()).toContain('xrx_stt_sessions_open{mode="test"} 1')
    expect(await tap.seen("connected")).toMatchObject({ mode: "test" })
    client.close()
    await tap.seen("disconnected")
    expect(await registry.metrics()).toContain('xrx_stt_sessions_open{mode="test"} 0')
  })

  test("a dialect that was silent for too long ends its connection when it is woken", async () => {
    const clock = handClock()
    const wake = () => [{ type: "fail", text: "bye", code: 1011, reason: "NET-0001" }] as const
    const { server } = serve({ clock, socketDoors: [socketDoor({ dialect: { wakeAtMs: 10_000, wake } })] })
    const client = await connect(at(server.url))
    await clock.advance(9_999)
    expect(client.received).toEqual([])
    await clock.advance(1)
    expect(await client.next()).toBe("bye")
    expect(await client.closed).toEqual({ code: 1011, reason: "NET-0001" })
  })
})

describe("a request's door", () => {
  test("stands beside a socket's on the same path, and the method and the upgrade decide", async () => {
    const handle = ({ method, rest }: HttpCall) => Response.json({ method, rest })
    const { server } = serve({ socketDoors: [socketDoor()], httpDoors: [httpDoor({ handle })] })
    expect((await ask(server.url, "/test", { method: "POST" })).body).toEqual({ method: "POST", rest: "" })
    const client = await connect(at(server.url))
    client.close()
    const wrong = await ask(server.url, "/test")
    expect(wrong).toMatchObject({ status: 405, body: { by: "http", reason: "method", message: "only POST here" } })
    expect(wrong.headers.get("allow")).toBe("POST")
  })

  test("may take all paths below one, and is told which, decoded; GET answers HEAD", async () => {
    const models = httpDoor({ methods: ["GET"], paths: ["/v1/models/*"], handle: ({ rest }) => Response.json({ rest }) })
    const others = httpDoor({ methods: ["GET", "POST"], paths: ["/v1/*"], handle: () => Response.json({ other: true }) })
    const { server } = serve({ httpDoors: [others, models] })
    expect((await ask(server.url, "/v1/models/openai%2Fwhisper%20x/y")).body).toEqual({ rest: "openai/whisper x/y" })
    expect((await ask(server.url, "/v1/models/%E0%A4")).body).toEqual({ rest: "%E0%A4" })
    expect((await ask(server.url, "/v1/models", { method: "POST" })).body).toEqual({ other: true })
    expect((await ask(server.url, "/v1/models/a", { method: "HEAD" })).status).toBe(200)
    expect((await ask(server.url, "/v2")).status).toBe(404)
  })

  test("words what is thrown at it; a mistake of ours goes to the log, but not its message", async () => {
    const thrown: Record<string, unknown> = {
      own: new Refused({ reason: "bad_request", status: 400, message: "no file", field: "file" }),
      full: new EngineError("overloaded", "64 wait already", { retryable: true }),
      limited: new EngineError("rate_limited", "slow down", { retryAfterMs: 2500 }),
      audio: new EngineError("bad_audio", "no sound in it"),
      key: new EngineError("unauthorized", "bad key"),
      bug: new TypeError("my secret words"),
    }
    const handle = ({ query }: HttpCall) => {
      throw thrown[String(query.get("what"))]
    }
    const { server, tap } = serve({ httpDoors: [httpDoor({ handle })] })
    const post = (what: string) => ask(server.url, `/test?what=${what}`, { method: "POST" })
    expect(await post("own")).toMatchObject({ status: 400, body: { by: "http", reason: "bad_request", message: "no file" } })
    const full = await post("full")
    expect([full.status, full.body.reason, full.headers.get("retry-after")]).toEqual([429, "busy", "1"])
    expect((await post("limited")).headers.get("retry-after")).toBe("3")
    const audio = await post("audio")
    expect([audio.status, audio.body.message, audio.headers.get("x-should-retry")]).toEqual([400, "no sound in it", "false"])
    expect((await post("key")).status).toBe(502)
    expect(tap.lines.filter(({ level }) => level === "error")).toEqual([])
    const bug = await post("bug")
    expect(bug).toMatchObject({ status: 500, body: { reason: "internal", message: "internal error", id: bug.headers.get("x-request-id") } })
    expect(await tap.seen("request broke")).toMatchObject({ request: bug.body.id, error: "TypeError" })
    expect(JSON.stringify(tap.lines)).not.toContain("secret")
    expect(await registry.metrics()).toMatch(/xrx_stt_requests_total\{door="test",status="429"\} [1-9]/)
  })

  test("its work is given up when the client leaves", async () => {
    const begun = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    const handle = ({ signal }: HttpCall) => {
      begun.resolve()
      return new Promise<Response>((_, reject) => {
        signal.addEventListener("abort", () => {
          left.resolve()
          reject(signal.reason)
        })
      })
    }
    const { server } = serve({ httpDoors: [httpDoor({ handle })] })
    const client = new AbortController()
    const asked = ask(server.url, "/test", { method: "POST", signal: client.signal })
    await begun.promise
    client.abort()
    await expect(asked).rejects.toThrow()
    await left.promise
  })

  test("a stream of events is given up when the client leaves in the middle of it", async () => {
    const left = Promise.withResolvers<void>()
    const handle = ({ signal }: HttpCall) => {
      signal.addEventListener("abort", () => left.resolve())
      const endless = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")) })
      return new Response(endless, { headers: { "content-type": "text/event-stream" } })
    }
    const { server, tap } = serve({ httpDoors: [httpDoor({ handle })] })
    const client = new AbortController()
    const { body } = await fetch(new URL("/test", server.url), { method: "POST", signal: client.signal })
    await body?.getReader().read()
    expect(await registry.metrics()).toContain('xrx_stt_requests_open{door="test"} 1')
    client.abort()
    await left.promise
    expect(await tap.seen("request")).toMatchObject({ door: "test", status: 200 })
    expect(await registry.metrics()).toContain('xrx_stt_requests_open{door="test"} 0')
  })

  test("a stream of events is given up when its client has not read for a minute", async () => {
    const clock = handClock()
    let sentAtMs = 0
    const handle = () => {
      const pull = async (controller: ReadableStreamDefaultController) => {
        controller.enqueue(new Uint8Array(1024 * 1024))
        sentAtMs = performance.now()
        await Bun.sleep(1)
      }
      return new Response(new ReadableStream({ pull }), { headers: { "content-type": "text/event-stream" } })
    }
    const { server, tap } = serve({ clock, httpDoors: [httpDoor({ handle })] })
    const deaf = createConnection({ host: server.url.hostname, port: Number(server.url.port) })
    deaf.pause()
    deaf.write("POST /test HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
    // It takes what lies between the two of them, and then nothing.
    while (sentAtMs === 0 || performance.now() - sentAtMs < 300) await Bun.sleep(20)
    await clock.advance(59_999)
    expect(await registry.metrics()).toContain('xrx_stt_requests_open{door="test"} 1')
    await clock.advance(1)
    expect(await tap.seen("request")).toMatchObject({ door: "test", status: 200 })
    expect(await registry.metrics()).toContain('xrx_stt_requests_open{door="test"} 0')
    deaf.destroy()
  })

  test("a page may ask and read only if its origin is allowed", async () => {
    const { server } = serve({ httpDoors: [httpDoor({ methods: ["GET", "POST"] })], allowedOrigins: ["https://good.example"] })
    const from = (origin: string, init: RequestInit = {}) => ask(server.url, "/test", { ...init, headers: { ...init.headers, origin } })
    const wanted = { "access-control-request-method": "POST", "access-control-request-headers": "authorization" }
    const preflight = await from("https://good.example", { method: "OPTIONS", headers: wanted })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get("access-control-allow-origin")).toBe("https://good.example")
    expect(preflight.headers.get("access-control-allow-methods")).toBe("GET, HEAD, POST")
    expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization")
    expect((await from("https://good.example", { method: "POST" })).headers.get("access-control-allow-origin")).toBe("https://good.example")
    for (const method of ["OPTIONS", "POST"]) {
      const refused = await from("https://bad.example", { method })
      expect(refused).toMatchObject({ status: 403, body: { by: "http", reason: "origin" } })
      expect(refused.headers.has("access-control-allow-origin")).toBe(false)
    }
    expect((await ask(server.url, "/test", { method: "POST" })).headers.has("access-control-allow-origin")).toBe(false)
  })
})

describe("a server that leaves", () => {
  const stream = (give: Promise<void>) =>
    new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("data: 1\n\n"))
        await give
        controller.enqueue(new TextEncoder().encode("data: 2\n\n"))
        controller.close()
      },
    })

  test("answers the requests in work, streams to their end, and refuses new ones", async () => {
    const more = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const plain = httpDoor({
      async handle() {
        begun.resolve()
        await more.promise
        return Response.json({ done: true })
      },
    })
    const events = httpDoor({
      paths: ["/events"],
      handle: () => new Response(stream(more.promise), { headers: { "content-type": "text/event-stream" } }),
    })
    const { server } = serve({ httpDoors: [plain, events] })
    const asked = ask(server.url, "/test", { method: "POST" })
    const streamed = await fetch(new URL("/events", server.url), { method: "POST" })
    await begun.promise
    const drained = server.drain(60_000)
    expect(await ask(server.url, "/test", { method: "POST" })).toMatchObject({ status: 503, body: { by: "http", reason: "draining" } })
    more.resolve()
    expect((await asked).body).toEqual({ done: true })
    expect(await streamed.text()).toBe("data: 1\n\ndata: 2\n\n")
    await drained
  })

  test("gives up at its deadline what is still in work", async () => {
    const clock = handClock()
    const aborted = Promise.withResolvers<unknown>()
    const begun = Promise.withResolvers<void>()
    const handle = ({ signal }: HttpCall) => {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason))
      begun.resolve()
      return new Promise<Response>(() => {})
    }
    const { server } = serve({ clock, httpDoors: [httpDoor({ handle })] })
    const asked = ask(server.url, "/test", { method: "POST" })
    asked.catch(() => {})
    await begun.promise
    const drained = server.drain(1000)
    await clock.advance(1000)
    expect(await aborted.promise).toBeInstanceOf(EngineError)
    await drained
  })
})

test("the doors of all dialects fit beside each other", () => {
  expect(() => createRoutes(SOCKET_DOORS, HTTP_DOORS)).not.toThrow()
  expect(() => createRoutes([socketDoor(), socketDoor()], [])).toThrow("two sockets at /test")
  expect(() => createRoutes([], [httpDoor(), httpDoor({ methods: ["POST", "GET"] })])).toThrow("two doors at /test")
})

test("a connection that idles after its answer is closed, whatever kind of answer it was", async () => {
  const streamed = () => new Response("data: 1\n\n", { headers: { "content-type": "text/event-stream" } })
  const refusing = () => {
    throw new Refused({ reason: "bad_request", status: 400, message: "no" })
  }
  const httpDoors = [
    httpDoor(),
    httpDoor({ name: "stream", paths: ["/stream"], handle: streamed }),
    httpDoor({ name: "refusing", paths: ["/refusing"], handle: refusing }),
  ]
  const { server } = serve({ httpDoors })
  // They only have to end: without that the test runs out of time.
  await Promise.all(["/test", "/stream", "/refusing", "/nowhere"].map((path) => closed(server.url, path)))
}, 30_000)
