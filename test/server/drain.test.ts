import { describe, expect, test } from "bun:test"
import { PATIENCE } from "../../src/server/drain.ts"
import { PENDING_SAMPLES_MAX } from "../../src/server/session.ts"
import { connect, connectRaw, OPCODE, socketUrl } from "../support/client.ts"
import { handClock } from "../support/clock.ts"
import { answersOnDemand, audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const GOING_AWAY = { code: 1001, reason: "server shutting down" }
const LONG_MS = 60_000
const frames = (...samples: number[]) => new Uint8Array(new Int16Array(samples).buffer)

describe("drain", () => {
  test("utterances in flight are answered, then the socket is closed with 1001; idle ones at once", async () => {
    const { answer, give } = answersOnDemand()
    const { server, engine } = serve({}, { answer })
    const [busy, idle] = await Promise.all([connect(socketUrl(server.url)), connect(socketUrl(server.url))])
    for (const value of [1, 2, 3]) busy.send(audio(value))
    for (let heard = 0; heard < 3; heard++) await engine.nextHeard()
    const drained = server.drain(LONG_MS)
    expect(await idle.closed).toEqual(GOING_AWAY)
    for (const value of [3, 2, 1]) give(`word ${value}`)
    expect(await busy.closed).toEqual(GOING_AWAY)
    expect(busy.received).toEqual(["word 1", "word 2", "word 3"])
    await drained
    expect(engine.openNow).toBe(0)
  })

  test("newcomers are refused and probes are answered until the last word is out", async () => {
    const { answer, give } = answersOnDemand()
    const { server, engine } = serve({}, { answer })
    const client = await connect(socketUrl(server.url))
    client.send(audio(1))
    await engine.nextHeard()
    const drained = server.drain(LONG_MS)
    const refused = await connectRaw(socketUrl(server.url))
    expect(refused).toMatchObject({ status: 503, body: "shutting down\n" })
    expect(refused.headers.get("retry-after")).toBe("1")
    expect((await fetch(new URL("/healthz", server.url))).status).toBe(200)
    const ready = await fetch(new URL("/readyz", server.url))
    expect([ready.status, await ready.text()]).toEqual([503, "not ready: shutting down\n"])
    give("word 1")
    await drained
    await client.closed
    expect(client.received).toEqual(["word 1"])
    await expect(fetch(new URL("/healthz", server.url))).rejects.toThrow()
  })

  test("a reply keeps its hold, so that the client acts on it", async () => {
    const clock = handClock()
    const { server, engine } = serve({ minReplyMs: 120, clock })
    const client = await connect(socketUrl(server.url))
    client.send(audio(1))
    await engine.nextHeard()
    const drained = server.drain(LONG_MS)
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(119)
    expect(engine.openNow).toBe(1)
    await clock.advance(1)
    expect(await client.closed).toEqual(GOING_AWAY)
    expect(client.received).toEqual(["word 1"])
    await drained
    expect(clock.waiting).toBe(0)
  })

  test("who speaks may come to the end of the utterance, and is closed there", async () => {
    const { server, tap } = serve({ mode: "frames" })
    const client = await connect(socketUrl(server.url))
    client.send(frames(4, 0, 5, 5))
    expect(await client.next()).toBe("word 4")
    const drained = server.drain(LONG_MS)
    client.send(frames(6, 6))
    client.send(frames(7, 0))
    expect(await client.closed).toEqual(GOING_AWAY)
    await drained
    expect(client.received).toEqual(["word 4", "word 5 6 7"])
    expect(await tap.seen("disconnected")).toMatchObject({ ...GOING_AWAY, utterances: 2 })
  })

  test("who holds a key down may come to its commit", async () => {
    const { server } = serve()
    const client = await connect(socketUrl(server.url, "mode=events&vad=none"))
    client.send(frames(1))
    const refused = async () => (await connectRaw(socketUrl(server.url))).status === 503
    // A commit of nothing is answered: so the sound before it was taken.
    client.send(JSON.stringify({ type: "commit" }))
    client.send(frames(2))
    while (!client.received.some((text) => text.includes("word 1"))) await client.next()
    client.send(JSON.stringify({ type: "config", language: "de" }))
    while (!client.received.at(-1)?.includes('"de"')) await client.next()
    const drained = server.drain(LONG_MS)
    expect(await refused()).toBe(true)
    client.send(frames(3))
    client.send(JSON.stringify({ type: "commit" }))
    expect(await client.closed).toEqual(GOING_AWAY)
    await drained
    const finals = client.received.map((text) => JSON.parse(text)).filter(({ type }) => type === "final")
    expect(finals.map(({ text, cause }) => [text, cause])).toEqual([
      ["word 1", "commit"],
      ["word 2 3", "commit"],
    ])
  })

  test("who speaks for longer than half of the deadline gets the words so far", async () => {
    const clock = handClock()
    const { server } = serve({ mode: "frames", clock })
    const client = await connect(socketUrl(server.url))
    client.send(frames(4, 0, 5, 5))
    expect(await client.next()).toBe("word 4")
    const drained = server.drain(LONG_MS)
    await clock.advance(LONG_MS * PATIENCE - 1)
    expect(client.received).toEqual(["word 4"])
    await clock.advance(1)
    expect(await client.closed).toEqual(GOING_AWAY)
    await drained
    expect(client.received).toEqual(["word 4", "word 5"])
    expect(clock.waiting).toBe(0)
  })

  test("at the deadline held replies go out and everybody is closed, answered or not", async () => {
    const clock = handClock()
    const { answer, give } = answersOnDemand()
    const { server, engine, tap } = serve({ minReplyMs: LONG_MS, clock }, { answer })
    const [held, unanswered] = await Promise.all([connect(socketUrl(server.url)), connect(socketUrl(server.url))])
    held.send(audio(1))
    await engine.nextHeard()
    unanswered.send(audio(2))
    await engine.nextHeard()
    const drained = server.drain(5_000)
    give("word 1")
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(4_999)
    expect(engine.openNow).toBe(2)
    await clock.advance(1)
    await drained
    expect([await held.closed, await unanswered.closed]).toEqual([GOING_AWAY, GOING_AWAY])
    expect([held.received, unanswered.received]).toEqual([["word 1"], []])
    const told = tap.lines.filter(({ event }) => event === "disconnected")
    expect(told.map(({ level, unanswered }) => [level, unanswered]).sort()).toEqual([
      ["info", 0],
      ["warn", 1],
    ])
    expect(engine.openNow).toBe(0)
    expect(clock.waiting).toBe(0)
  })

  test("a client that reads slowly still gets the end of its words, and the close after them", async () => {
    const moreThanKernelsBuffer = "word ".repeat(3_200_000).trimEnd()
    const { server, engine } = serve({}, { answer: () => moreThanKernelsBuffer })
    const slow = await connectRaw(socketUrl(server.url))
    slow.pause()
    slow.sendFrame(OPCODE.binary, audio(1))
    await engine.nextHeard()
    const drained = server.drain(LONG_MS)
    // Had the drain not waited for the client, nobody would answer any more.
    expect((await fetch(new URL("/healthz", server.url))).status).toBe(200)
    slow.resume()
    expect((await slow.nextFrame()).payload.length).toBe(moreThanKernelsBuffer.length)
    expect((await slow.nextFrame()).payload.readUInt16BE(0)).toBe(GOING_AWAY.code)
    await drained
  })

  test("a client that leaves during the drain is not waited for", async () => {
    const { server, engine } = serve({}, { answer: () => new Promise(() => {}) })
    const client = await connect(socketUrl(server.url))
    client.send(audio(1))
    await engine.nextHeard()
    const drained = server.drain(LONG_MS)
    client.terminate()
    await drained
  })

  test("a second drain may shorten the first", async () => {
    const clock = handClock()
    const { server, engine } = serve({ clock }, { answer: () => new Promise(() => {}) })
    const client = await connect(socketUrl(server.url))
    client.send(audio(1))
    await engine.nextHeard()
    const both = Promise.all([server.drain(LONG_MS), server.drain(1_000)])
    await clock.advance(1_000)
    await both
    expect(await client.closed).toEqual(GOING_AWAY)
    expect(clock.waiting).toBe(0)
  })

  test("a stop ends a drain", async () => {
    const clock = handClock()
    const { server, engine } = serve({ clock }, { answer: () => new Promise(() => {}) })
    const client = await connect(socketUrl(server.url))
    client.send(audio(1))
    await engine.nextHeard()
    const drained = server.drain(LONG_MS)
    await server.stop()
    await drained
    expect((await client.closed).code).toBe(1001)
    expect(engine.openNow).toBe(0)
    expect(clock.waiting).toBe(0)
  })
})

describe("stop", () => {
  test("cuts everybody off at once, paused clients too, and may be called again", async () => {
    const { server, engine, tap } = serve({}, { answer: () => new Promise(() => {}) })
    const clients = await Promise.all(Array.from({ length: 10 }, () => connect(socketUrl(server.url))))
    for (const client of clients) client.send(audio(1))
    for (const _ of clients) await engine.nextHeard()
    clients[0]!.send(audio(1, PENDING_SAMPLES_MAX))
    await tap.seen("client paused")
    await server.stop()
    await server.stop()
    for (const client of clients) await client.closed
    expect(engine.closes).toBe(10)
  })
})
