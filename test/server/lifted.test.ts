/** The server over the real lift: the way from a socket to a transcriber that all batch engines share. */
import { expect, test } from "bun:test"
import { EngineError, type Transcriber } from "../../src/engines/engine.ts"
import { silentLog } from "../../src/log.ts"
import { createPermits } from "../../src/permits.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { WINDOW_SAMPLES } from "../../src/speech/vad/vad.ts"
import { connect, socketUrl } from "../support/client.ts"
import { energyVad, untouchedVad } from "../support/energy-vad.ts"
import { dice, expectLawful, type Roll, talk } from "../support/invariants.ts"
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

test("many clients on few permits each get their own words, all of them, in order", async () => {
  const permits = createPermits({ atOnce: 4, waitingMax: 100 })
  const engine = liftTranscriber(transcriber, { permits, vad: untouchedVad, log: silentLog })
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

/** Loud runs and silences, up to two seconds each. */
function talking(roll: Roll): Uint8Array {
  const runs = Array.from({ length: 20 + roll(20) }, () => {
    const level = roll(3) === 0 ? 0 : 2000 + roll(20_000)
    return new Int16Array((1 + roll(60)) * WINDOW_SAMPLES + roll(500)).fill(level)
  })
  return Buffer.concat(runs.map(({ buffer }) => new Uint8Array(buffer)))
}

/** Takes its time, changes its mind about the last words of what is still being spoken, and fails now and then. */
function fickle(roll: Roll): Transcriber {
  return {
    ...transcriber,
    concurrency: 2,
    interims: true,
    async transcribe({ samples, language, interim }, signal) {
      for (let turns = roll(8); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
      if (signal.aborted) throw new EngineError("aborted", "given up")
      if (roll(15) === 0) throw new EngineError("unavailable", "died")
      const text = wordOf({ samples }) + (interim ? " or so".slice(0, roll(7)) : "")
      return { text: text.trim(), language, segments: [] }
    },
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])("live streams keep every law of the wire, whatever the engine does (seed %d)", async (seed) => {
  const roll = dice(seed)
  const mayBreak = seed > 6
  const permits = createPermits({ atOnce: 2, waitingMax: 20 })
  const vad = energyVad(() => 1 + roll(4))
  const engine = liftTranscriber(fickle(roll), { permits, vad, log: silentLog })
  const { server } = serve({ engine })
  const between = async () => {
    if (roll(2) === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    if (mayBreak && roll(300) === 0) vad.fail(new EngineError("unavailable", "no ears"))
  }
  const talks = Array.from({ length: 4 }, () =>
    talk(socketUrl(server.url), { roll, between, speech: talking(roll), sliceBytesMax: 20_000, controlPercent: 6 }),
  )
  const held = await Promise.all(talks)
  for (const one of held) expectLawful(one, { mayBreak })
  await server.drain(10_000)
  expect([permits.taken, permits.waiting, vad.openNow]).toEqual([0, 0, 0])
  await engine.close()
})
