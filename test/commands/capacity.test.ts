import { expect, test } from "bun:test"
import { measureCapacity } from "../../src/commands/capacity.ts"
import { EngineError, type Transcriber } from "../../src/engines/engine.ts"
import { createPermits } from "../../src/permits.ts"
import { handClock } from "../support/clock.ts"
import { tapLog } from "../support/log.ts"

/** Fine enough for the numbers below to be whole, and small enough that no timer waits for one that is set later. */
const STEP_MS = 100

/** An engine for two at once that takes `tookMs` of a clock turned by hand. */
function measured(tookMs: () => number, signal = new AbortController().signal) {
  const clock = handClock()
  const tap = tapLog()
  const permits = createPermits({ atOnce: 2, waitingMax: 2 })
  const transcriber: Transcriber = {
    name: "slow",
    model: "samples",
    concurrency: 2,
    interims: true,
    async transcribe({ language }) {
      const ms = tookMs()
      if (ms < 0) throw new EngineError("unavailable", "died")
      await new Promise<void>((resolve) => void clock.after(ms, resolve))
      return { text: "", language, segments: [] }
    },
    ready: async () => {},
    close: async () => {},
  }
  const told: number[] = []
  const options = { transcriber, permits, samples: new Int16Array(10 * 16_000), language: "en", signal, clock, log: tap.log }
  const done = measureCapacity(options, (speakers) => told.push(speakers))
  const steps = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += STEP_MS) await clock.advance(STEP_MS)
  }
  return { clock, steps, tap, told, done, permits }
}

test("as many may speak as can be followed with all engines at work, by the best of its rounds", async () => {
  const took = [400, 400, 200, 200, 800, 800, 100, 100]
  const { clock, steps, tap, told, done, permits } = measured(() => took.shift() ?? 0)
  await steps(10_000)
  // 20 s of speech in 0.4 s, and in 0.2 s.
  expect(told).toEqual([22, 45])
  expect(await tap.seen("capacity", 2)).toMatchObject({ engine: "slow", realTimes: 100, speakers: 45 })
  await steps(670_000)
  await done
  expect(told).toEqual([22, 45, 90])
  expect([permits.taken, permits.waiting, clock.waiting]).toEqual([0, 0, 0])
})

test("a few may speak however slow it seems", async () => {
  const { steps, told } = measured(() => 20_000)
  await steps(50_000)
  expect(told).toEqual([4])
})

test("nobody who is served later waits for it", async () => {
  const { steps, told, done, permits } = measured(() => 400)
  await steps(2_000)
  const leave = await permits.take(new AbortController().signal)
  await steps(700_000)
  await done
  expect(told).toEqual([22])
  leave()
})

test("an engine that fails sets no limit, and the log says so", async () => {
  const { steps, tap, told, done, permits } = measured(() => -1)
  await steps(700_000)
  await done
  expect([told, permits.taken]).toEqual([[], 0])
  expect(await tap.seen("capacity not measured")).toMatchObject({ level: "warn", engine: "slow", error: "unavailable" })
})

test("stops without a word when the server does", async () => {
  const over = new AbortController()
  const { steps, tap, done } = measured(() => 100, over.signal)
  await steps(250)
  over.abort()
  await steps(10_000)
  await done
  expect(tap.lines.map(({ event }) => event)).toEqual(["capacity"])
})

test("it is nobody's work: a client who is alone afterwards crowds nobody", async () => {
  const { steps, permits } = measured(() => 400)
  await steps(2_000)
  const { signal } = new AbortController()
  const alone = { long: false, client: "alone" }
  const held = [await permits.take(signal, alone), await permits.take(signal, alone)]
  const waiting = permits.take(signal, alone)
  expect(permits.crowds("alone")).toBe(false)
  for (const release of held) release()
  const last = await waiting
  last()
})
