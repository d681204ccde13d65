import { expect, test } from "bun:test"
import { createConnection } from "node:net"
import type { HttpCall } from "../../src/dialects/door.ts"
import { registry } from "../../src/metrics.ts"
import { UPLOAD_LIMITS } from "../../src/server/uploads.ts"
import { handClock } from "../support/clock.ts"
import { httpDoor } from "../support/doors.ts"
import { serve } from "../support/server.ts"

const LIMITS = { ...UPLOAD_LIMITS, bytesMax: 1000, heldBytesMax: 2000 }

const lengthOf = httpDoor({ handle: async ({ readAll }) => Response.json({ bytes: (await readAll()).length }) })

/** A body that tells no length: `send` gives the next bytes, `end` the end. */
function openBody() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  return { readable, send: (bytes: number) => writer.write(new Uint8Array(bytes)), end: () => writer.close() }
}

async function post(url: URL, body: RequestInit["body"], address = "10.0.0.1") {
  const headers = { "x-forwarded-for": address }
  const response = await fetch(new URL("/test", url), { method: "POST", headers, body: body ?? null })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** A door that has read `bytes` of its request. */
function readingDoor(bytes: number) {
  const read = Promise.withResolvers<void>()
  const handle = async (call: HttpCall) => {
    let count = 0
    for await (const chunk of call.bytes()) {
      count += chunk.length
      if (count >= bytes) read.resolve()
    }
    return Response.json({ bytes: count })
  }
  return { door: httpDoor({ handle }), read: read.promise }
}

test("a body comes whole, with a length told or without", async () => {
  const { server } = serve({ httpDoors: [lengthOf], uploads: LIMITS })
  expect((await post(server.url, new Uint8Array(1000))).body).toEqual({ bytes: 1000 })
  expect((await post(server.url, null)).body).toEqual({ bytes: 0 })
  const { readable, send, end } = openBody()
  const answer = post(server.url, readable)
  await send(600)
  await send(400)
  await end()
  expect((await answer).body).toEqual({ bytes: 1000 })
})

test("a body that is too large is refused as soon as that shows", async () => {
  const { server } = serve({ httpDoors: [lengthOf], uploads: LIMITS })
  const refusal = { status: 413, body: { by: "http", reason: "too_large", message: "more than 1000 bytes" } }
  expect(await post(server.url, new Uint8Array(1001))).toMatchObject(refusal)
  const { readable, send } = openBody()
  const answer = post(server.url, readable)
  send(1001).catch(() => {})
  expect(await answer).toMatchObject(refusal)
})

test("all bodies together are held only up to a limit, and counted out when they are answered", async () => {
  const waiting = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const handle = async ({ readAll, query }: HttpCall) => {
    const bytes = await readAll()
    held.resolve()
    if (query.has("wait")) await waiting.promise
    return Response.json({ bytes: bytes.length })
  }
  const { server } = serve({ httpDoors: [httpDoor({ handle })], uploads: LIMITS })
  const first = fetch(new URL("/test?wait", server.url), { method: "POST", body: new Uint8Array(1000) })
  await held.promise
  expect(await registry.metrics()).toContain("\nxrx_stt_upload_bytes_held 1000\n")
  expect(await post(server.url, new Uint8Array(501))).toMatchObject({ status: 429, body: { reason: "busy" } })
  expect(await post(server.url, new Uint8Array(500))).toMatchObject({ status: 200 })
  waiting.resolve()
  expect((await first).status).toBe(200)
  expect(await registry.metrics()).toContain("\nxrx_stt_upload_bytes_held 0\n")
})

test("one client holds three quarters of that at most, so that others have room", async () => {
  const { server } = serve({ httpDoors: [lengthOf], uploads: LIMITS, proxyHops: 1 })
  const first = openBody()
  const answer = post(server.url, first.readable)
  await first.send(1000)
  while (!(await registry.metrics()).includes("\nxrx_stt_upload_bytes_held 1000\n")) await new Promise((resolve) => setImmediate(resolve))
  expect(await post(server.url, new Uint8Array(501))).toMatchObject({ status: 429, body: { reason: "busy" } })
  expect(await post(server.url, new Uint8Array(1000), "10.0.0.2")).toMatchObject({ status: 200 })
  await first.end()
  expect((await answer).body).toEqual({ bytes: 1000 })
  const { server: small } = serve({ httpDoors: [lengthOf], uploads: { heldBytesMax: 1000 } })
  expect(await post(small.url, new Uint8Array(751))).toMatchObject({ status: 413, body: { message: "more than 750 bytes" } })
})

test("a body that stalls is given up", async () => {
  const clock = handClock()
  const { door, read } = readingDoor(10)
  const { server } = serve({ httpDoors: [door], uploads: { ...LIMITS, stallMs: 60_000 }, clock })
  const { readable, send } = openBody()
  const answer = post(server.url, readable)
  await send(10)
  await read
  await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(60_000)
  expect(await answer).toMatchObject({ status: 408, body: { reason: "timeout", message: "the body stalled" } })
})

test("a body that its reader keeps while it comes counts as held, until the answer is out", async () => {
  const handle = async ({ keep }: HttpCall) => {
    let count = 0
    for await (const chunk of keep()) count += chunk.length
    return Response.json({ bytes: count })
  }
  const { server } = serve({ httpDoors: [httpDoor({ handle })], uploads: LIMITS })
  const { readable, send, end } = openBody()
  const first = post(server.url, readable)
  await send(1000)
  while (!(await registry.metrics()).includes("\nxrx_stt_upload_bytes_held 1000\n")) await new Promise((resolve) => setImmediate(resolve))
  expect(await post(server.url, new Uint8Array(501))).toMatchObject({ status: 429, body: { reason: "busy" } })
  await end()
  expect((await first).body).toEqual({ bytes: 1000 })
  expect(await registry.metrics()).toContain("\nxrx_stt_upload_bytes_held 0\n")
})

test("a body that only trickles is given up, even if it never stalls", async () => {
  const clock = handClock()
  let heard = Promise.withResolvers<void>()
  const handle = async (call: HttpCall) => {
    for await (const _ of call.bytes()) heard.resolve()
    return Response.json({})
  }
  const { server } = serve({ httpDoors: [httpDoor({ handle })], uploads: { ...LIMITS, stallMs: 60_000, bytesPerSecondMin: 2 }, clock })
  const { readable, send } = openBody()
  const answer = post(server.url, readable)
  for (const bytes of [1, 80]) {
    heard = Promise.withResolvers<void>()
    await send(bytes)
    await heard.promise
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(40_000)
  }
  // 81 bytes in 80 s are half of what is asked for.
  await send(1)
  expect(await answer).toMatchObject({ status: 408, body: { reason: "timeout", message: "the body stalled" } })
})

test("a body that came fast at first and then trickles is given up all the same", async () => {
  const clock = handClock()
  let heard = Promise.withResolvers<void>()
  const handle = async (call: HttpCall) => {
    for await (const _ of call.bytes()) heard.resolve()
    return Response.json({})
  }
  const { server } = serve({ httpDoors: [httpDoor({ handle })], uploads: { ...LIMITS, stallMs: 60_000, bytesPerSecondMin: 2 }, clock })
  const { readable, send } = openBody()
  const answer = post(server.url, readable)
  for (const bytes of [900, 1, 1, 1, 1]) {
    heard = Promise.withResolvers<void>()
    await send(bytes)
    const over = await Promise.race([answer.then(() => true), heard.promise.then(() => false)])
    if (over) break
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(40_000)
  }
  expect(await answer).toMatchObject({ status: 408, body: { reason: "timeout", message: "the body stalled" } })
})

test("a body in chunks of a byte is kept in blocks, whole and in order", async () => {
  const kept: Uint8Array[] = []
  const handle = async ({ keep }: HttpCall) => {
    for await (const chunk of keep()) kept.push(chunk)
    return Response.json({})
  }
  const { server } = serve({ httpDoors: [httpDoor({ handle })] })
  const body = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251))
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = createConnection({ host: server.url.hostname, port: Number(server.url.port) }, () => {
    socket.write("POST /test HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n")
    for (const byte of body) socket.write(Buffer.concat([Buffer.from("1\r\n"), Buffer.of(byte), Buffer.from("\r\n")]))
    socket.write("0\r\n\r\n")
  })
  socket.on("data", () => resolve())
  socket.on("error", reject)
  await promise
  socket.destroy()
  expect(Buffer.concat(kept).equals(body)).toBe(true)
  expect(kept.length).toBeLessThan(5)
})
