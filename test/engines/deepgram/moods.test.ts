import { describe, expect, test } from "bun:test"
import { realClock } from "../../../src/clock.ts"
import { silentLog } from "../../../src/log.ts"
import type { SpeechEvent } from "../../../src/speech/events.ts"
import { socketUrl } from "../../support/client.ts"
import { deepgram, ENDPOINTING, engineAt, open, useDeepgram } from "../../support/deepgram-bench.ts"
import { spokenNumbers, understandMoodily } from "../../support/deepgram-moods.ts"
import { dice, expectLawful, talk as talkToServer } from "../../support/invariants.ts"
import { randomFrom } from "../../support/random.ts"
import { serve } from "../../support/server.ts"

useDeepgram()

/** So that nobody waits for what never comes. */
const HASTY = { redialMs: 1, graceMs: 10, stallMs: 200, pauseMs: 20, closeMs: 200 }

/** Where the client said something, as the number of words spoken before it. */
interface Order {
  readonly type: "commit" | "clear"
  readonly at: number
}

const CHANGES = [{ language: "fr" }, { prompt: "Xanten" }, { endpointing: { silenceMs: 700 } }, { endpointing: { maxMs: 1000 } }]

const wordsOf = (event: SpeechEvent) => (event.type === "final" && event.text !== "" ? event.text.split(" ") : [])

describe.each([
  ["with endpointing", ENDPOINTING],
  ["without endpointing", null],
])("whatever Deepgram does, %s,", (_, endpointing) => {
  async function talk(seed: number, controls: boolean) {
    const random = randomFrom(seed)
    deepgram.answersCloseStream = false
    deepgram.onCall = (call) => understandMoodily(call, random)
    const stream = open(engineAt(deepgram.url, { clock: realClock, timings: HASTY }), {
      endpointing,
      interims: seed % 2 === 0,
      words: seed % 3 === 0,
    })
    const reading = stream.all()
    const orders: Order[] = []
    let spoken = 0
    for (let round = 0; round < 60; round++) {
      const count = Math.floor(random() * 12)
      const samples = spokenNumbers(spoken, spoken + count)
      for (let at = 0, size = 1; at < samples.length; at += size, size = Math.ceil(random() * 9_000))
        stream.accept(samples.slice(at, at + size))
      spoken += count
      if (random() < 0.4) {
        stream.commit()
        orders.push({ type: "commit", at: spoken })
      } else if (controls && random() < 0.2) {
        stream.clear()
        orders.push({ type: "clear", at: spoken })
      } else if (controls && random() < 0.25) {
        stream.configure(CHANGES[Math.floor(random() * CHANGES.length)]!)
      }
      // Only the rhythm of the talk: nothing is waited for here.
      if (random() < 0.3) await Bun.sleep(random() * 30)
    }
    stream.finish()
    const events = await reading
    for (const event of events) if (event.type === "failed") throw new Error(event.message)
    return { events, orders, spoken }
  }

  test.each([1, 2, 3])("every word comes once, in order, before the commit that it was spoken before (%i)", async (seed) => {
    const { events, orders, spoken } = await talk(seed, false)
    expect(events.flatMap(wordsOf)).toEqual(Array.from({ length: spoken }, (_, word) => `w${word}`))
    const heardAtCommit = events.flatMap((event, index) =>
      event.type === "final" && event.end && event.cause === "commit" ? [events.slice(0, index + 1).flatMap(wordsOf).length] : [],
    )
    expect(heardAtCommit).toEqual(orders.map(({ at }) => at))
  })

  test.each([5, 6, 7, 8])("a clear forgets only what was open, and a change loses nothing (%i)", async (seed) => {
    const { events, orders, spoken } = await talk(seed, true)
    const answers = events.filter((event) => event.type === "cleared" || (event.type === "final" && event.end && event.cause === "commit"))
    expect(answers.map(({ type }) => (type === "cleared" ? "clear" : "commit"))).toEqual(orders.map(({ type }) => type))
    const lost = new Set(Array.from({ length: spoken }, (_, word) => word))
    let last = -1
    for (const event of events) {
      const order = orders[answers.indexOf(event)]
      for (const word of wordsOf(event).map((text) => Number(text.slice(1)))) {
        expect(word).toBeGreaterThan(last)
        last = word
        lost.delete(word)
        // Never behind an answer to what was said after it, never before an answer to what was said before it.
        const answered = answers.filter((answer) => answer !== event && events.indexOf(answer) < events.indexOf(event)).length
        expect(word).toBeGreaterThanOrEqual(orders[answered - 1]?.at ?? 0)
        expect(word).toBeLessThan(orders[answered]?.at ?? spoken)
      }
      if (order) last = Math.max(last, order.at - 1)
    }
    for (const word of lost) expect(orders.find(({ at }) => at > word)?.type).toBe("clear")
    expect(events.flatMap(wordsOf).length).toBeGreaterThan(20)
  })
})

test.each([1, 2, 3, 4])("a client in mode events sees no law broken, whatever it and Deepgram do (%i)", async (seed) => {
  deepgram.answersCloseStream = false
  const random = randomFrom(seed)
  deepgram.onCall = (call) => understandMoodily(call, random)
  const engine = engineAt(deepgram.url, { clock: realClock, timings: HASTY, log: silentLog })
  const { server } = serve({ engine })
  const roll = dice(seed)
  const url = socketUrl(server.url)
  const speech = new Uint8Array(spokenNumbers(0, 300).buffer)
  const between = () => Bun.sleep(roll(3))
  const talks = Array.from({ length: 3 }, () => talkToServer(url, { roll, speech, sliceBytesMax: 30_000, controlPercent: 8, between }))
  for (const held of await Promise.all(talks)) expectLawful(held)
})
