import { describe, expect, test } from "bun:test"
import { OWN_MESSAGE_MAX } from "../../src/dialects/own-door.ts"
import { EngineError } from "../../src/engines/engine.ts"
import { registry } from "../../src/metrics.ts"
import { connect, connectRaw, OPCODE, socketUrl } from "../support/client.ts"
import { readEventLine } from "../support/event-lines.ts"
import { dice, expectLawful, type Roll, talk } from "../support/invariants.ts"
import { answersOnDemand, audio, createScriptedStreams, type Heard, wordOf } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const LONG_MS = 60_000

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Runs of a few samples, every third of them silence. */
function chatter(roll: Roll, runs: number): Uint8Array {
  const samples = Array.from({ length: runs }, () => new Array(1 + roll(40)).fill(roll(3) === 0 ? 0 : 1 + roll(500)))
  return new Uint8Array(new Int16Array(samples.flat()).buffer)
}

/** Some words come at once, some later, some not at all but with a reason. */
function moody(roll: Roll) {
  return async (heard: Heard) => {
    const mood = roll(6)
    for (let turns = mood === 0 ? roll(20) : 0; turns > 0; turns--) await turn()
    if (mood === 1) throw new EngineError("unavailable", "the engine died")
    return wordOf(heard)
  }
}

async function sessionsOpen(): Promise<number> {
  const gauge = await registry.getSingleMetric("xrx_stt_sessions_open")!.get()
  return gauge.values.reduce((sum, { value }) => sum + value, 0)
}

describe("whatever a client does", () => {
  test.each(Array.from({ length: 12 }, (_, seed) => seed))(
    "the laws of the wire hold, and nothing stays behind (seed %d)",
    async (seed) => {
      const roll = dice(seed)
      const before = await sessionsOpen()
      const { server, engine } = serve({}, { answer: moody(roll) })
      const between = async () => {
        if (roll(4) === 0) await turn()
      }
      const talks = Array.from({ length: 5 }, () => {
        const sizes = { speech: chatter(roll, 60), sliceBytesMax: 1 + roll(200), controlPercent: roll(30) }
        return talk(socketUrl(server.url), { roll, between, ...sizes })
      })
      for (const held of await Promise.all(talks)) expectLawful(held)
      await server.drain(LONG_MS)
      expect([engine.openNow, engine.closes]).toEqual([0, engine.opened.length])
      expect(await sessionsOpen()).toBe(before)
    },
  )

  test.each([101, 102, 103, 104])("they hold too when the server leaves in the middle (seed %d)", async (seed) => {
    const roll = dice(seed)
    const { server, engine } = serve({}, { answer: moody(roll) })
    let slices = 0
    let drained: Promise<void> | undefined
    const between = async () => {
      await turn()
      if (++slices === 60) drained = server.drain(LONG_MS)
    }
    const talks = Array.from({ length: 3 }, () =>
      talk(socketUrl(server.url), { roll, between, speech: chatter(roll, 200), sliceBytesMax: 150, controlPercent: 20 }),
    )
    for (const held of await Promise.all(talks)) {
      expectLawful({ ...held, close: undefined })
      if (held.ending.code === 1001) expect(readEventLine(held.received.at(-1)!).type).toBe("done")
    }
    await drained
    expect(engine.openNow).toBe(0)
  })
})

describe("a conversation", () => {
  test("word by word: speech, partials, finals, an answer to each control, and done", async () => {
    const { server } = serve()
    const client = await connect(socketUrl(server.url, "mode=events&interim=1&words=1&language=de"))
    client.send(audio(7, 800))
    client.send(audio(9, 800))
    client.send(audio(0, 16))
    client.send('{"type":"commit","ref":"a"}')
    client.send(audio(5, 160))
    client.send('{"type":"clear"}')
    client.send('{"type":"close","ref":"z"}')
    expect(await client.closed).toEqual({ code: 1000, reason: "done" })
    const lines = client.received.map(readEventLine)
    expect(lines.map(({ type }) => type)).toEqual([
      "ready",
      "speech_start",
      "partial",
      "partial",
      "speech_end",
      "final",
      "final",
      "speech_start",
      "partial",
      "cleared",
      "done",
    ])
    expect(lines[3]).toMatchObject({ utt: 0, seg: 0, text: "word 7 9…", stable: 8, start_ms: 0, end_ms: 100, lag_ms: 0 })
    expect(lines[5]).toMatchObject({ utt: 0, text: "word 7 9", end: true, cause: "endpoint", language: "de", words: expect.any(Array) })
    expect(lines[6]).toMatchObject({ utt: 1, text: "", end: true, cause: "commit", ref: "a" })
    expect(lines[9]).toMatchObject({ utt: 2 })
    expect(lines[10]).toMatchObject({ audio_ms: 111, utterances: 2, ref: "z" })
  })

  test("the numbers of the URL and of a config reach the engine", async () => {
    const { server, engine } = serve()
    const client = await connect(socketUrl(server.url, "mode=events&silence_ms=300&prompt=Xanten"))
    client.send('{"type":"config","prefix_ms":100,"interim":true}')
    client.send(audio(1))
    client.send('{"type":"config","silence_ms":900}')
    client.send('{"type":"close"}')
    await client.closed
    const endpointing = { threshold: 0.5, prefixMs: 100, silenceMs: 300, maxMs: 30_000 }
    expect(engine.opened).toMatchObject([{ language: "en", prompt: "Xanten", endpointing, interims: true, words: false }])
    expect(engine.configured).toEqual([{ language: "en", prompt: "Xanten", endpointing: { ...endpointing, silenceMs: 900 } }])
  })

  test("a fast final is not held back", async () => {
    const { server } = serve({ minReplyMs: 3_600_000 })
    const client = await connect(socketUrl(server.url, "mode=events&vad=none"))
    client.send(audio(1))
    client.send('{"type":"commit"}')
    await client.next()
    expect(readEventLine(await client.next())).toMatchObject({ type: "final", text: "word 1" })
  })
})

describe("the end of a connection", () => {
  test("by a drain, though the speaker never pauses: what was begun is answered, done, 1001", async () => {
    const { answer, give } = answersOnDemand()
    const { server, engine } = serve({ mode: "events" }, { answer })
    const client = await connect(socketUrl(server.url))
    client.send(audio(4))
    client.send('{"type":"keepalive"}')
    client.send('{"type":"config"}')
    await client.next()
    expect(readEventLine(await client.next()).type).toBe("speech_start")
    const drained = server.drain(1_000)
    await engine.nextHeard()
    give("word 4")
    await drained
    expect(await client.closed).toEqual({ code: 1001, reason: "server shutting down" })
    expect(client.received.map(readEventLine).slice(-2)).toMatchObject([
      { type: "final", text: "word 4", cause: "close" },
      { type: "done" },
    ])
  })

  test("by a close that meets a drain: done once, and one close", async () => {
    const { answer, give } = answersOnDemand()
    const { server, engine } = serve({ mode: "events" }, { answer })
    const client = await connect(socketUrl(server.url))
    client.send(audio(4))
    client.send('{"type":"close"}')
    await engine.nextHeard()
    const drained = server.drain(LONG_MS)
    give("word 4")
    await drained
    expect((await client.closed).code).toBe(1000)
    expect(client.received.map((text) => readEventLine(text).type)).toEqual(["ready", "speech_start", "final", "done"])
  })

  test("by an engine that is gone: a fatal error, then 1011", async () => {
    const { server, engine } = serve({ mode: "events" })
    const client = await connect(socketUrl(server.url))
    client.send(audio(4))
    await client.next()
    await client.next()
    engine.breakStreams()
    expect(await client.closed).toEqual({ code: 1011, reason: "speech engine gone" })
    expect(readEventLine(client.received.at(-1)!)).toMatchObject({ type: "error", code: "engine_gone", fatal: true })
  })

  test("by a message over 16 MiB: a fatal error, then 1009", async () => {
    const { server } = serve({ mode: "events" })
    const client = await connect(socketUrl(server.url))
    client.send(new Uint8Array(OWN_MESSAGE_MAX + 1))
    expect((await client.closed).code).toBe(1009)
    expect(readEventLine(client.received.at(-1)!)).toMatchObject({ type: "error", code: "message_too_big", fatal: true })
  })

  test("by a mistake of ours: a fatal error, then 1011", async () => {
    const engine = createScriptedStreams()
    const open = () => {
      throw new TypeError("a secret is not a function")
    }
    const { server } = serve({ mode: "events", engine: { ...engine, open } })
    const client = await connect(socketUrl(server.url))
    client.send(audio(1))
    expect((await client.closed).code).toBe(1011)
    expect(readEventLine(client.received.at(-1)!)).toMatchObject({ type: "error", code: "internal_error", message: "internal error" })
  })

  test("by a client that does not read its events", async () => {
    const { server, tap } = serve({ mode: "events" }, { answer: () => "long ".repeat(100_000) })
    const slow = await connectRaw(socketUrl(server.url))
    slow.pause()
    for (let i = 0; i < 60; i++) {
      slow.sendFrame(OPCODE.binary, audio(1))
      slow.sendFrame(OPCODE.text, Buffer.from('{"type":"commit"}'))
    }
    expect(await tap.seen("disconnected")).toMatchObject({ code: 1006, reason: "client does not read" })
    slow.destroy()
  })
})

test("sessions and audio are counted and logged by their mode", async () => {
  const { server, tap } = serve()
  const before = await sample('xrx_stt_audio_seconds_total{mode="events"}')
  const client = await connect(socketUrl(server.url, "mode=events&sample_rate=8000&encoding=mulaw"))
  const open = await sample('xrx_stt_sessions_open{mode="events"}')
  client.send(new Uint8Array(8000))
  client.send('{"type":"close"}')
  await client.closed
  expect(await tap.seen("disconnected")).toMatchObject({ code: 1000, reason: "done", audioSeconds: 1 })
  expect(tap.lines[0]).toMatchObject({ event: "connected", mode: "events", encoding: "mulaw", sampleRateHz: 8000 })
  expect(await sample('xrx_stt_sessions_open{mode="events"}')).toBe(open - 1)
  expect(await sample('xrx_stt_audio_seconds_total{mode="events"}')).toBeCloseTo(before + 1, 3)

  async function sample(name: string): Promise<number> {
    const page = await (await fetch(new URL("/metrics", server.url))).text()
    const line = page.split("\n").find((line) => line.startsWith(`${name} `))
    return Number(line?.slice(name.length) ?? 0)
  }
})
