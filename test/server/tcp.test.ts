import { expect, test } from "bun:test"
import { once } from "node:events"
import { createConnection } from "node:net"
import { registry } from "../../src/metrics.ts"
import { ENDING_MS_MAX } from "../../src/server/tcp.ts"
import { handClock } from "../support/clock.ts"
import { answersOnDemand, audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"
import { told } from "../support/told.ts"

const refused = async () =>
  Number(/^xrx_stt_refusals_total\{door="wyoming",reason="full"\} (\d+)$/m.exec(await registry.metrics())?.[1] ?? 0)

/** As a client of Wyoming says it. */
function utterance(): Buffer {
  const format = { rate: 16_000, width: 2, channels: 1 }
  const sound = audio(7)
  const line = (event: object) => Buffer.from(`${JSON.stringify(event)}\n`)
  const chunk = line({ type: "audio-chunk", data: format, payload_length: sound.length })
  return Buffer.concat([line({ type: "audio-start", data: format }), chunk, sound, line({ type: "audio-stop" })])
}

test("a client that has said all, and says so with its half of the end, gets its words and then the other half", async () => {
  const { answer, give } = answersOnDemand()
  const { server, engine, tap } = serve({ wyomingPort: 0 }, { answer })
  const socket = createConnection({ host: "127.0.0.1", port: server.wyomingPort ?? 0, allowHalfOpen: true })
  let told = ""
  socket.on("data", (bytes) => {
    told += bytes
  })
  socket.end(utterance())
  await engine.nextHeard()
  // That half comes with the utterance or right behind it.
  await Bun.sleep(100)
  give("word 7")
  await once(socket, "end")
  expect(told).toContain("word 7")
  expect(await tap.seen("disconnected")).toMatchObject({ code: 1000, unanswered: 0 })
})

test("whoever keeps its half open after the end is cut off: refused, or served", async () => {
  const clock = handClock()
  const { server, tap } = serve({ wyomingPort: 0, maxSessions: 1, clock })
  const connected = () => createConnection({ host: "127.0.0.1", port: server.wyomingPort ?? 0, allowHalfOpen: true })
  const served = connected()
  await tap.seen("connected")
  const turnedAway = connected()
  await tap.seen("refused")
  served.write("no event\n")
  for (const socket of [served, turnedAway]) {
    const gone = new Promise((resolve) => socket.resume().on("error", resolve).on("close", resolve))
    await once(socket, "end")
    await clock.advance(ENDING_MS_MAX)
    socket.write("still here")
    await gone
  }
  expect(await tap.seen("disconnected")).toMatchObject({ code: expect.any(Number) })
  expect(clock.waiting).toBe(0)
})

test("a connection that is refused counts as a refusal", async () => {
  const { server } = serve({ wyomingPort: 0, maxSessions: 0 })
  const before = await refused()
  const socket = createConnection({ host: "127.0.0.1", port: server.wyomingPort ?? 0 })
  socket.resume()
  await once(socket, "close")
  expect(await refused()).toBe(before + 1)
})

test("the utterances of a connection are told of, with a link to it", async () => {
  const spans = await told(async (tracer) => {
    const { server, tap } = serve({ wyomingPort: 0, tracer })
    const socket = createConnection({ host: "127.0.0.1", port: server.wyomingPort ?? 0 })
    socket.write(utterance())
    await once(socket, "data")
    socket.end()
    await tap.seen("disconnected")
  })
  const [connection] = spans.filter(({ name }) => name === "wyoming")
  expect(connection?.fields["xrx_stt.request"]).toMatch(/^[0-9a-f-]{36}$/)
  expect(spans.filter(({ name }) => name === "utterance")).toMatchObject([
    { links: [connection?.spanId], fields: { "xrx_stt.mode": "wyoming", "session.id": connection?.fields["xrx_stt.request"] } },
  ])
})

test("a connection that has ended is cut off if nobody takes what is left of it", async () => {
  const clock = handClock()
  const { server, tap } = serve({ wyomingPort: 0, clock })
  const ping = Buffer.from(`${JSON.stringify({ type: "ping", data: { text: "x".repeat(60_000) } })}\n`)
  // How much the system takes of what nobody reads is not known: some of these leave more than that, and less than is too much.
  const counts = Array.from({ length: 14 }, (_, at) => 60 + 8 * at)
  const sockets = await Promise.all(
    counts.map(async (count) => {
      const socket = createConnection({ host: "127.0.0.1", port: server.wyomingPort ?? 0 })
      socket.pause().on("error", () => {})
      await once(socket, "connect")
      socket.write(Buffer.concat([...new Array(count).fill(ping), Buffer.from("no event\n")]))
      return socket
    }),
  )
  const left = () => tap.lines.filter(({ event }) => event === "disconnected")
  while (left().length < counts.length) {
    await clock.advance(ENDING_MS_MAX)
    await new Promise(setImmediate)
  }
  expect(left().map(({ reason }) => reason)).toContain("client does not take its last words")
  for (const socket of sockets) socket.destroy()
}, 20_000)
