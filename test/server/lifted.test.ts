/** The server over the real lift: the way from a socket to a transcriber that all batch engines share. */
import { expect, test } from "bun:test"
import { EngineError, type Transcriber } from "../../src/engines/engine.ts"
import { silentLog } from "../../src/log.ts"
import { createPermits } from "../../src/speech/permits.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import type { VoiceActivityDetector } from "../../src/speech/vad/vad.ts"
import { connect, socketUrl } from "../support/client.ts"
import { audio, wordOf } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

/** Later utterances are often understood earlier; each that begins with 13 fails. */
const transcriber: Transcriber = {
  name: "lifted",
  model: "samples",
  concurrency: 4,
  interims: false,
  async transcribe({ samples, language }) {
    for (let turns = samples[0]! % 5; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
    if (samples[0] === 13) throw new EngineError("unavailable", "died")
    return { text: wordOf({ samples }), language, segments: [] }
  },
  ready: async () => {},
  close: async () => {},
}

/** Whole utterances ask nobody for voices. */
const vad: VoiceActivityDetector = {
  open() {
    throw new Error("asked for")
  },
  ready: async () => {},
  close: async () => {},
}

test("many clients on few permits each get their own words, all of them, in order", async () => {
  const permits = createPermits({ atOnce: 4, waitingMax: 100 })
  const engine = liftTranscriber(transcriber, { permits, vad, log: silentLog })
  const { server } = serve({ engine })
  const clients = await Promise.all(Array.from({ length: 10 }, () => connect(socketUrl(server.url))))
  for (let nth = 0; nth < 20; nth++) {
    for (const [index, client] of clients.entries()) {
      client.send(audio(index * 100 + nth + 1))
      client.send(audio(nth % 2 === 0 ? 13 : 0))
    }
  }
  await Promise.all(
    clients.map(async (client, index) => {
      for (let nth = 0; nth < 20; nth++) {
        const value = index * 100 + nth + 1
        if (value !== 13) expect(await client.next()).toBe(`word ${value}`)
      }
    }),
  )
  await server.drain(10_000)
  expect([permits.taken, permits.waiting]).toEqual([0, 0])
  await engine.close()
})
