import { describe, expect, test } from "bun:test"
import { IDLE_MS_MAX } from "../../src/dialects/wyoming/wyoming.ts"
import { handClock } from "../support/clock.ts"
import { answersOnDemand, audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

type Told = { type: string; data: Record<string, unknown> }

const FORMAT = { rate: 16_000, width: 2, channels: 1 }

/** As the Python package writes it: the data beside the line, then the payload. */
function event(type: string, data: object = {}, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const beside = Buffer.from(JSON.stringify(data))
  const line = { type, version: "1.8.0", data_length: beside.length, ...(payload.length > 0 && { payload_length: payload.length }) }
  return Buffer.concat([Buffer.from(`${JSON.stringify(line)}\n`), beside, payload])
}

const turn = (value: number, more: object = {}) =>
  Buffer.concat([
    event("transcribe", { language: "de" }),
    event("audio-start", { ...FORMAT, ...more }),
    event("audio-chunk", { ...FORMAT, ...more, timestamp: 0 }, audio(value)),
    event("audio-stop", { timestamp: 10 }),
  ])

async function dial(port: number | null) {
  const told: Told[] = []
  const closed = Promise.withResolvers<void>()
  const waiters: (() => void)[] = []
  let rest = ""
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: port ?? 0,
    socket: {
      data(_, bytes) {
        const lines = (rest + bytes.toString()).split("\n")
        rest = lines.pop() ?? ""
        told.push(...lines.map((line) => JSON.parse(line)))
        for (const wake of waiters.splice(0)) wake()
      },
      close: () => closed.resolve(),
    },
  })
  let asked = 0
  return {
    told,
    closed: closed.promise,
    send: (bytes: Uint8Array) => void socket.write(bytes),
    leave: () => socket.terminate(),
    async next(): Promise<Told | undefined> {
      const index = asked++
      while (told.length <= index) await new Promise<void>((resolve) => waiters.push(resolve))
      return told[index]
    },
  }
}

describe("Home Assistant's client", () => {
  test("gets one transcript for each stop, in order, on one connection", async () => {
    const { server, engine } = serve({ wyomingPort: 0 })
    const client = await dial(server.wyomingPort)
    client.send(Buffer.concat([turn(7), turn(9), event("audio-stop")]))
    expect(await client.next()).toEqual({ type: "transcript", data: { text: "word 7", language: "de" } })
    expect(await client.next()).toMatchObject({ type: "transcript", data: { text: "word 9" } })
    expect(await client.next()).toMatchObject({ type: "transcript", data: { text: "" } })
    expect(engine.opened).toMatchObject([{ language: "de", endpointing: null, interims: false }])
  })

  test("is heard in the language of each turn, not in that of the turn before", async () => {
    const { server, engine } = serve({ wyomingPort: 0, language: "fr" })
    const client = await dial(server.wyomingPort)
    const unnamed = Buffer.concat([event("transcribe", {}), event("audio-chunk", FORMAT, audio(9)), event("audio-stop")])
    const unknown = Buffer.concat([event("transcribe", { language: "?" }), event("audio-chunk", FORMAT, audio(8)), event("audio-stop")])
    client.send(Buffer.concat([turn(7), unnamed, turn(6), unknown]))
    const languages: string[] = []
    for (let turn = 0; turn < 4; turn++) languages.push((await engine.nextHeard()).language)
    expect(languages).toEqual(["de", "fr", "de", "fr"])
  })

  test("is understood in any slices", async () => {
    const { server } = serve({ wyomingPort: 0 })
    const client = await dial(server.wyomingPort)
    const bytes = turn(7)
    for (let at = 0; at < bytes.length; at += 37) {
      client.send(bytes.subarray(at, at + 37))
      await Bun.sleep(0)
    }
    expect(await client.next()).toMatchObject({ type: "transcript", data: { text: "word 7" } })
  })

  test("is told what there is, and that we are there", async () => {
    const { server } = serve({ wyomingPort: 0 })
    const client = await dial(server.wyomingPort)
    client.send(Buffer.concat([event("describe"), event("ping", { text: "x" }), event("something-else")]))
    const info = await client.next()
    expect(info).toMatchObject({ type: "info", data: { asr: [{ name: "xrx-stt", installed: true, models: [{ installed: true }] }] } })
    expect(JSON.stringify(info)).toContain('"de"')
    expect(await client.next()).toEqual({ type: "pong", data: { text: "x" } })
  })

  test("gets an empty transcript behind the reason where the engine failed", async () => {
    const { answer, fail } = answersOnDemand()
    const { server, engine } = serve({ wyomingPort: 0 }, { answer })
    const client = await dial(server.wyomingPort)
    client.send(turn(7))
    await engine.nextHeard()
    fail("word 7")
    expect(await client.next()).toMatchObject({ type: "error", data: { code: "timeout" } })
    expect(await client.next()).toMatchObject({ type: "transcript", data: { text: "" } })
  })
})

describe("a client", () => {
  const long = Buffer.from(`{"type":"${"x".repeat(70_000)}`)
  test.each([
    ["speaks no Wyoming", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["never ends its line", long],
    ["promises too much", Buffer.from('{"type":"audio-chunk","payload_length":9000000}\n')],
    ["sends data that is no object", Buffer.from('{"type":"audio-stop","data_length":1}\n7')],
    ["sends samples of another width", event("audio-start", { ...FORMAT, width: 4 })],
    ["sends a rate that cannot be read", event("audio-chunk", { ...FORMAT, rate: 12_345 }, audio(7))],
  ])("that %s is told so and left, and nobody else", async (_, bytes) => {
    const { server } = serve({ wyomingPort: 0 })
    const other = await dial(server.wyomingPort)
    const client = await dial(server.wyomingPort)
    client.send(bytes)
    expect(await client.next()).toMatchObject({ type: "error", data: { code: "bad_request" } })
    await client.closed
    other.send(turn(7))
    expect(await other.next()).toMatchObject({ type: "transcript" })
  })

  test("that finds no place is told so and left; one that leaves makes room", async () => {
    const { server, tap } = serve({ wyomingPort: 0, maxSessions: 1 })
    const first = await dial(server.wyomingPort)
    first.send(event("ping"))
    await first.next()
    const second = await dial(server.wyomingPort)
    expect(await second.next()).toMatchObject({ type: "error", data: { code: "busy" } })
    await second.closed
    first.leave()
    await tap.seen("disconnected")
    const third = await dial(server.wyomingPort)
    third.send(turn(7))
    expect(await third.next()).toMatchObject({ type: "transcript", data: { text: "word 7" } })
  })

  test("on whose connection nothing comes is left after a while, but not while its words are owed", async () => {
    const clock = handClock()
    const { answer, give } = answersOnDemand()
    const { server, engine } = serve({ wyomingPort: 0, clock }, { answer })
    const client = await dial(server.wyomingPort)
    client.send(turn(7))
    await engine.nextHeard()
    await clock.advance(IDLE_MS_MAX + 1)
    give("word 7")
    expect(await client.next()).toMatchObject({ type: "transcript", data: { text: "word 7" } })
    await clock.advance(IDLE_MS_MAX + 1)
    await client.closed
  })

  test("gets what it is owed when the server leaves", async () => {
    const { answer, give } = answersOnDemand()
    const { server, engine } = serve({ wyomingPort: 0 }, { answer })
    const client = await dial(server.wyomingPort)
    client.send(turn(7))
    await engine.nextHeard()
    const drained = server.drain(10_000)
    give("word 7")
    expect(await client.next()).toMatchObject({ type: "transcript", data: { text: "word 7" } })
    await Promise.all([drained, client.closed])
  })
})

test("there is no such port unless it is wished for", () => {
  expect(serve().server.wyomingPort).toBeNull()
})
