/** Clients that mean no good, at a real server: what each of them costs the others. */
import { expect, test } from "bun:test"
import type { Transcriber } from "../../src/engines/engine.ts"
import { silentLog } from "../../src/log.ts"
import { createPermits } from "../../src/permits.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { connect, connectRaw, socketUrl } from "../support/client.ts"
import { untouchedVad } from "../support/energy-vad.ts"
import { audio, wordOf } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

/** Tells one utterance at each `step`. */
function steppedTranscriber() {
  const waiting: (() => void)[] = []
  const started: (() => void)[] = []
  const transcriber: Transcriber = {
    name: "stepped",
    model: "samples",
    concurrency: 1,
    interims: false,
    async transcribe({ samples, language }) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve)
        started.shift()?.()
      })
      return { text: wordOf({ samples }), language, segments: [] }
    },
    ready: async () => {},
    close: async () => {},
  }
  return {
    transcriber,
    /** Lets the utterance in work end, as soon as there is one. */
    async step() {
      if (waiting.length === 0) await new Promise<void>((resolve) => started.push(resolve))
      waiting.shift()?.()
    },
  }
}

test("a flood from one address delays a client of another by one utterance, and takes no room in the queue from it", async () => {
  const { transcriber, step } = steppedTranscriber()
  const permits = createPermits({ atOnce: 1, waitingMax: 20 })
  const engine = liftTranscriber(transcriber, { permits, vad: untouchedVad, log: silentLog })
  const { server } = serve({ engine, mode: "events", proxyHops: 1 })
  const from = (address: string) => ({ headers: { "x-forwarded-for": address } })
  const flood = await Promise.all(Array.from({ length: 30 }, () => connect(socketUrl(server.url, "vad=none"), from("10.0.0.1"))))
  for (const client of flood) {
    client.send(audio(1))
    client.send('{"type":"commit"}')
  }
  while (permits.waiting < 20) await new Promise((resolve) => setImmediate(resolve))
  const good = await connect(socketUrl(server.url, "vad=none"), from("10.0.0.2"))
  expect(JSON.parse(await good.next()).type).toBe("ready")
  good.send(audio(7))
  good.send('{"type":"commit"}')
  good.send('{"type":"config","prompt":"now it was read"}')
  expect(JSON.parse(await good.next()).type).toBe("ready")
  // One in work, and at most one that was granted its turn before we came.
  const answer = good.next()
  let answered = false
  void answer.then(() => {
    answered = true
  })
  let steps = 0
  while (!answered && steps < 10) {
    await step()
    steps++
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(JSON.parse(await answer)).toMatchObject({ type: "final", text: "word 7" })
  expect(steps).toBeLessThanOrEqual(3)
  for (const client of [...flood, good]) client.terminate()
  await engine.close()
})

/** Bun's own, from the first byte on, however many come. */
const HEADERS_LIMIT_MS = 12_000

/** Bytes on a plain connection, and more of them each second; resolves with the answer when the server closes. */
async function trickle(url: URL, first: string, more: string): Promise<string> {
  let answer = ""
  const closed = Promise.withResolvers<void>()
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      data(_, bytes) {
        answer += bytes.toString()
      },
      close: () => closed.resolve(),
      error: () => closed.resolve(),
    },
  })
  socket.write(first)
  const timer = setInterval(() => socket.write(more), 1000)
  await closed.promise
  clearInterval(timer)
  return answer
}

test("whoever never gets to the end of its headers is cut off, and a client beside it does not notice", async () => {
  const { server } = serve()
  const startedAtMs = performance.now()
  const loris = Array.from({ length: 50 }, (_, nth) =>
    trickle(server.url, "GET /api/v1/ws HTTP/1.1\r\nhost: x\r\n", nth % 2 === 0 ? "x" : ""),
  )
  const good = await connect(socketUrl(server.url))
  good.send(audio(7))
  expect(await good.next()).toBe("word 7")
  expect(await Promise.all(loris)).toEqual(loris.map(() => ""))
  expect(performance.now() - startedAtMs).toBeLessThan(HEADERS_LIMIT_MS + 6_000)
  good.send(audio(8))
  expect(await good.next()).toBe("word 8")
  good.close()
}, 30_000)

test.each([
  ["headers of more than 16 KB", `x: ${"a".repeat(20_000)}\r\n`],
  ["an address of more than 16 KB", ""],
  ["hundreds of headers", Array.from({ length: 300 }, (_, nth) => `x${nth}: 1\r\n`).join("")],
])("%s are refused with 431", async (name, headers) => {
  const { server } = serve()
  const path = name.startsWith("an address") ? `/${"a".repeat(20_000)}` : "/"
  expect(await trickle(server.url, `GET ${path} HTTP/1.1\r\nhost: x\r\n${headers}\r\n`, "")).toStartWith("HTTP/1.1 431 ")
})

test("a compressed body is not inflated, and compression of a socket is declined", async () => {
  const { server } = serve()
  const client = await connectRaw(socketUrl(server.url), { "sec-websocket-extensions": "permessage-deflate" })
  expect([client.status, client.headers.get("sec-websocket-extensions")]).toEqual([101, null])
  client.destroy()
})
