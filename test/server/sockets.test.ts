import { describe, expect, test } from "bun:test"
import { EngineError } from "../../src/engines/engine.ts"
import { LOOK_EVERY_MS, PING_AFTER_MS, UNANSWERED_PINGS_MAX } from "../../src/server/liveness.ts"
import { MESSAGE_BYTES_MAX } from "../../src/server/sockets.ts"
import { type Client, connect, connectRaw, OPCODE, socketUrl } from "../support/client.ts"
import { type HandClock, handClock } from "../support/clock.ts"
import { answersOnDemand, audio, createScriptedStreams, type Heard, wordOf } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const MIB = 1024 * 1024

describe("utterances", () => {
  test("messages sent at once are answered in their order", async () => {
    const { server } = serve()
    const client = await connect(socketUrl(server.url))
    for (let value = 1; value <= 50; value++) client.send(audio(value))
    for (let value = 1; value <= 50; value++) expect(await client.next()).toBe(`word ${value}`)
  })

  test("odd bytes, empty messages, text and silence cost nothing on the wire", async () => {
    const { server } = serve()
    const client = await connect(socketUrl(server.url))
    client.send(new Uint8Array([...audio(1), 77]))
    client.send(new Uint8Array(0))
    client.send("status?")
    client.send(audio(0))
    client.send(new Uint8Array(1))
    client.send(audio(2))
    expect([await client.next(), await client.next()]).toEqual(["word 1", "word 2"])
    expect(client.received).toHaveLength(2)
  })

  test("a failed utterance is nothing on the wire, and the client goes on", async () => {
    const answer = (heard: Heard) => {
      if (wordOf(heard) === "word 2") throw new EngineError("unavailable", "the provider is down")
      return wordOf(heard)
    }
    const { server, tap } = serve({}, { answer })
    const client = await connect(socketUrl(server.url))
    for (const value of [1, 2, 3]) client.send(audio(value))
    expect([await client.next(), await client.next()]).toEqual(["word 1", "word 3"])
    client.close()
    expect(await tap.seen("disconnected")).toMatchObject({ code: 1005, utterances: 3, failed: 1, audioSeconds: 0.03 })
  })

  test("16 MiB are one utterance; more is refused with 1009", async () => {
    const { server, engine } = serve()
    const client = await connect(socketUrl(server.url))
    client.send(audio(5, MESSAGE_BYTES_MAX / 2))
    expect(await client.next()).toBe("word 5")
    expect((await engine.nextHeard()).samples).toHaveLength(MESSAGE_BYTES_MAX / 2)
    client.send(new Uint8Array(17 * MIB))
    expect(await client.closed).toEqual({ code: 1009, reason: "message over 16777216 bytes" })
  })

  test("a message over every limit is refused with 1009 too, and only its sender goes", async () => {
    const { server } = serve()
    const [big, other] = await Promise.all([connect(socketUrl(server.url)), connect(socketUrl(server.url))])
    big.send(new Uint8Array(19 * MIB))
    expect((await big.closed).code).toBe(1009)
    other.send(audio(1))
    expect(await other.next()).toBe("word 1")
  })

  test("a fast reply is not sent before the hold is over", async () => {
    const { server } = serve({ minReplyMs: 120 })
    const client = await connect(socketUrl(server.url))
    const sentAtMs = performance.now()
    client.send(audio(1))
    await client.next()
    expect(performance.now() - sentAtMs).toBeGreaterThanOrEqual(120)
  })
})

describe("frames", () => {
  test("each utterance that the engine hears is one text, without a hold", async () => {
    const { server } = serve({ minReplyMs: 3_600_000 })
    const client = await connect(socketUrl(server.url, "mode=frames"))
    const bytes = new Uint8Array(new Int16Array([0, 4, 4, 0, 0, 5, 0, 6, 0]).buffer)
    for (let at = 0; at < bytes.length; at += 5) client.send(bytes.subarray(at, at + 5))
    expect([await client.next(), await client.next(), await client.next()]).toEqual(["word 4", "word 5", "word 6"])
  })
})

describe("clients beside each other", () => {
  test("the words of one never reach another, nor in another order", async () => {
    /** Later utterances may be understood earlier. */
    const answer = async (heard: Heard) => {
      for (let turns = heard.samples[0]! % 7; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
      return wordOf(heard)
    }
    const { server } = serve({}, { answer })
    const clients = await Promise.all([connect(socketUrl(server.url)), connect(socketUrl(server.url)), connect(socketUrl(server.url))])
    const values = (index: number) => Array.from({ length: 100 }, (_, nth) => (index + 1) * 1000 + nth)
    for (let nth = 0; nth < 100; nth++) {
      for (const [index, client] of clients.entries()) client.send(audio(values(index)[nth]!))
    }
    for (const [index, client] of clients.entries()) {
      for (const value of values(index)) expect(await client.next()).toBe(`word ${value}`)
    }
  })

  test("one client's leaving does not end another's stream", async () => {
    const { answer, give } = answersOnDemand()
    const { server, engine, tap } = serve({}, { answer })
    const [first, second] = await Promise.all([connect(socketUrl(server.url)), connect(socketUrl(server.url))])
    first.send(audio(1))
    await engine.nextHeard()
    second.send(audio(2))
    await engine.nextHeard()
    second.terminate()
    await tap.seen("disconnected")
    expect(engine.openNow).toBe(1)
    give("word 1")
    expect(await first.next()).toBe("word 1")
  })

  test("a mistake of ours costs the one client whose message met it", async () => {
    const engine = createScriptedStreams()
    let mistakes = 1
    const open: typeof engine.open = (options) => {
      if (mistakes-- > 0) throw new TypeError("a secret is not a function")
      return engine.open(options)
    }
    const { server, tap } = serve({ engine: { ...engine, open } })
    const [unlucky, other] = await Promise.all([connect(socketUrl(server.url)), connect(socketUrl(server.url))])
    unlucky.send(audio(1))
    expect(await unlucky.closed).toEqual({ code: 1011, reason: "internal error" })
    other.send(audio(2))
    expect(await other.next()).toBe("word 2")
    expect(await tap.seen("session broke")).toMatchObject({ level: "error", error: "TypeError" })
    expect(JSON.stringify(tap.lines)).not.toContain("secret")
  })

  test("while one waits for its words others are served", async () => {
    const { answer } = answersOnDemand()
    const { server, engine } = serve({}, { answer: (heard) => (wordOf(heard) === "word 1" ? answer(heard) : wordOf(heard)) })
    const [waiting, other] = await Promise.all([connect(socketUrl(server.url)), connect(socketUrl(server.url))])
    waiting.send(audio(1))
    await engine.nextHeard()
    for (let value = 2; value < 10; value++) {
      other.send(audio(value))
      expect(await other.next()).toBe(`word ${value}`)
    }
    expect((await fetch(new URL("/healthz", server.url))).status).toBe(200)
    expect(waiting.received).toEqual([])
  })

  test("a client that does not read is cut off, and another is served meanwhile", async () => {
    const { server, tap } = serve({}, { answer: (heard) => (heard.samples[0] === 1 ? "long ".repeat(100_000) : wordOf(heard)) })
    const slow = await connectRaw(socketUrl(server.url))
    const other = await connect(socketUrl(server.url))
    slow.pause()
    for (let i = 0; i < 60; i++) slow.sendFrame(OPCODE.binary, audio(1))
    for (let value = 2; value < 20; value++) {
      other.send(audio(value))
      expect(await other.next()).toBe(`word ${value}`)
    }
    expect(await tap.seen("disconnected")).toMatchObject({ code: 1006, reason: "client does not read" })
    slow.destroy()
  })

  test("sockets that never speak open no stream", async () => {
    const { server, engine } = serve()
    const idle = await Promise.all(Array.from({ length: 200 }, () => connect(socketUrl(server.url))))
    const talker = await connect(socketUrl(server.url))
    talker.send(audio(1))
    expect(await talker.next()).toBe("word 1")
    expect(engine.opened).toHaveLength(1)
    for (const client of idle) client.terminate()
  })
})

describe("clients that leave", () => {
  const ways: [string, (client: Client) => void, Record<string, unknown>][] = [
    ["without a code", (client) => client.close(), { code: 1005, reason: "" }],
    ["with 1000", (client) => client.close(1000, "OK"), { code: 1000, reason: "OK" }],
    ["with a code and words of its own", (client) => client.close(4321, "a\n\u0000\u202eb"), { code: 4321, reason: "a   b" }],
    ["without a word", (client) => client.terminate(), { code: 1006, reason: "" }],
  ]
  test.each(ways)("%s: logged once, the stream closed once", async (_, leave, ending) => {
    const { server, engine, tap } = serve({}, { answer: () => new Promise(() => {}) })
    const client = await connect(socketUrl(server.url))
    client.send(audio(1, 16_000))
    await engine.nextHeard()
    leave(client)
    expect(await tap.seen("disconnected")).toMatchObject({ ...ending, audioSeconds: 1, utterances: 0, failed: 0, unanswered: 1 })
    await server.stop()
    expect(engine.closes).toBe(1)
    expect(tap.lines.map((line) => line.event)).toEqual(["connected", "disconnected"])
    expect(tap.lines[0]).toMatchObject({ mode: "utterance", address: "127.0.0.1", session: tap.lines[1]!.session })
  })

  test("no word of anybody is in the log", async () => {
    const { server, tap } = serve({}, { answer: () => "the secret of the house" })
    const client = await connect(socketUrl(server.url))
    client.send("a secret text")
    client.send(audio(1))
    await client.next()
    client.close()
    await tap.seen("disconnected")
    expect(JSON.stringify(tap.lines)).not.toContain("secret")
  })
})

describe("clients that are gone without leaving", () => {
  test("a deaf one is cut off although we keep sending to it", async () => {
    const clock = handClock()
    const { answer, give } = answersOnDemand()
    const { server, engine, tap } = serve({ clock }, { answer })
    const deaf = await connectRaw(socketUrl(server.url))
    const words = [1, 2, 3, 4]
    for (const value of words) deaf.sendFrame(OPCODE.binary, audio(value))
    for (const _ of words) await engine.nextHeard()
    await clock.advance(PING_AFTER_MS - LOOK_EVERY_MS)
    for (const value of words.slice(0, UNANSWERED_PINGS_MAX)) {
      give(`word ${value}`)
      expect(await deaf.nextFrame()).toEqual({ opcode: OPCODE.text, payload: Buffer.from(`word ${value}`) })
      await clock.advance(LOOK_EVERY_MS)
      expect((await deaf.nextFrame()).opcode).toBe(OPCODE.ping)
    }
    expect(engine.openNow).toBe(1)
    await clock.advance(LOOK_EVERY_MS)
    await deaf.closed
    expect(await tap.seen("disconnected")).toMatchObject({ code: 1006, reason: "no answer to pings", durationMs: 75_000 })
    expect(engine.openNow).toBe(0)
    expect(clock.waiting).toBe(0)
  })

  test("an idle one that answers pings stays, however long", async () => {
    const { clock, asked } = watchedClock()
    const { server, tap } = serve({ clock })
    const idle = await connect(socketUrl(server.url))
    await clock.advance(PING_AFTER_MS - LOOK_EVERY_MS)
    for (let pings = 0; pings < 10; pings++) {
      await clock.advance(LOOK_EVERY_MS)
      // The pong was heard: nobody else asks for the time now.
      await asked()
      await clock.advance(PING_AFTER_MS - LOOK_EVERY_MS)
    }
    idle.send(audio(1))
    expect(await idle.next()).toBe("word 1")
    expect(tap.lines.map((line) => line.event)).toEqual(["connected"])
  })

  /** A hand clock that tells when it is next asked for the time. */
  function watchedClock(): { clock: HandClock; asked: () => Promise<void> } {
    const hand = handClock()
    let wake = () => {}
    const clock: HandClock = {
      ...hand,
      get waiting() {
        return hand.waiting
      },
      now() {
        wake()
        return hand.now()
      },
    }
    return { clock, asked: () => new Promise((resolve) => (wake = resolve)) }
  }
})
