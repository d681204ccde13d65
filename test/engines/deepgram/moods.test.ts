import { describe, expect, test } from "bun:test"
import { realClock } from "../../../src/clock.ts"
import type { SpeechEvent } from "../../../src/speech/events.ts"
import { deepgram, ENDPOINTING, engineAt, open, useDeepgram } from "../../support/deepgram-bench.ts"
import type { Call } from "../../support/deepgram-upstream.ts"

useDeepgram()

const WORD_SAMPLES = 1_600

/** Audio in which every tenth of a second is the number of a word. */
function spokenNumbers(from: number, to: number): Int16Array {
  return Int16Array.from({ length: (to - from) * WORD_SAMPLES }, (_, i) => from + Math.floor(i / WORD_SAMPLES))
}

/** A Deepgram with moods: understands the numbers, cuts its finals anywhere, forgets Finalizes, and drops when it likes. */
function understandMoodily(call: Call, random: () => number) {
  let heard = 0
  function tell(to: number, options: { fromFinalize?: boolean; speechFinal?: boolean; final?: boolean }) {
    const numbers = call.audio().subarray(heard, to)
    const text = Array.from({ length: numbers.length / WORD_SAMPLES }, (_, i) => `w${numbers[i * WORD_SAMPLES]}`).join(" ")
    call.results(text, { start: heard / 16_000, end: to / 16_000, ...options })
    if (options.final !== false) heard = to
  }
  call.onWire = () => {
    const said = call.wire.at(-1)
    const whole = Math.floor(call.audio().length / WORD_SAMPLES) * WORD_SAMPLES
    if (random() < 0.1) call.speechStarted((heard + random() * (call.audio().length - heard)) / 16_000)
    if (random() < 0.05) call.utteranceEnd(random() < 0.3 ? -1 : (heard / 16_000) * random())
    if (random() < 0.05) call.drop()
    else if (said === "Finalize") random() < 0.9 && tell(whole, { fromFinalize: true, speechFinal: random() < 0.5 })
    else if (said === "CloseStream") {
      tell(whole, {})
      call.metadata()
      call.close(1000)
    } else if (random() < 0.3) tell(whole, { final: false })
    else if (random() < 0.5)
      tell(heard + Math.floor((random() * (whole - heard)) / WORD_SAMPLES) * WORD_SAMPLES, { speechFinal: random() < 0.3 })
    if (random() < 0.02) call.close(1011)
  }
}

/** The same numbers for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

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
    const random = createRandom(seed)
    deepgram.answersCloseStream = false
    deepgram.onCall = (call) => understandMoodily(call, random)
    const timings = { redialMs: 1, graceMs: 10, stallMs: 200, pauseMs: 20 }
    const stream = open(engineAt(deepgram.url, { clock: realClock, timings }), {
      endpointing,
      interims: seed % 2 === 0,
      words: seed % 3 === 0,
    })
    const events: SpeechEvent[] = []
    const reading = (async () => {
      for (;;) events.push(await stream.event())
    })().catch((error: Error) => {
      if (error.message !== "the events ended") throw error
    })
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
    await reading
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
