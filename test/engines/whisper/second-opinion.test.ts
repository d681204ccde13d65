import { describe, expect, test } from "bun:test"
import { getEventListeners } from "node:events"
import { EngineError } from "../../../src/engines/engine.ts"
import { createListen } from "../../../src/engines/whisper/second-opinion.ts"
import { handClock } from "../../support/clock.ts"
import { energyVad } from "../../support/energy-vad.ts"
import { tapLog } from "../../support/log.ts"

const never = new AbortController().signal
const second = new Int16Array(16_000)

function open(groups?: () => number) {
  const vad = energyVad(groups)
  const clock = handClock()
  const tap = tapLog()
  return { vad, clock, tap, listen: createListen(vad, { clock, log: tap.log }) }
}

describe("a second opinion", () => {
  test("is a probability for each whole window, in order", async () => {
    const { vad, clock, listen } = open(() => 7)
    const louder = Int16Array.from({ length: 16_000 }, (_, sample) => 10 * Math.floor(sample / 512))
    expect(await listen(louder, never)).toEqual(Array.from({ length: 31 }, (_, n) => n / 100))
    expect([vad.openNow, clock.waiting]).toEqual([0, 0])
  })

  test("is not given before the last window was heard", async () => {
    const { vad, listen } = open(() => {
      vad.hold()
      return 20
    })
    let opinion: readonly number[] | null = null
    const given = listen(second, never).then((probabilities) => {
      opinion = probabilities
    })
    await new Promise(setImmediate)
    expect(opinion).toBeNull()
    vad.release()
    await given
    expect(opinion).toHaveLength(31)
  })

  test("is asked for nothing where there is no whole window", async () => {
    const { vad, listen } = open()
    expect(await listen(new Int16Array(511), never)).toEqual([])
    expect(vad.opened).toBe(0)
  })

  test("is none if the detector fails, and that is logged", async () => {
    const { vad, tap, clock, listen } = open()
    vad.hold()
    const opinion = listen(second, never)
    vad.fail(new EngineError("unavailable", "no detector"))
    expect(await opinion).toBeNull()
    expect(tap.lines).toEqual([expect.objectContaining({ level: "warn", why: "failed" })])
    expect([vad.openNow, clock.waiting]).toEqual([0, 0])
  })

  test("is none if the detector takes too long", async () => {
    const { vad, tap, clock, listen } = open()
    vad.hold()
    const opinion = listen(second, never)
    await clock.advance(3_000)
    expect(await opinion).toBeNull()
    expect(tap.lines).toEqual([expect.objectContaining({ level: "warn", why: "deadline" })])
    expect(vad.openNow).toBe(0)
  })

  test("is none once nobody waits for it, and that is nothing to log", async () => {
    const { vad, tap, clock, listen } = open()
    vad.hold()
    const stop = new AbortController()
    const opinion = listen(second, stop.signal)
    stop.abort()
    expect(await opinion).toBeNull()
    expect(await listen(second, stop.signal)).toBeNull()
    expect([vad.openNow, clock.waiting, tap.lines.length]).toEqual([0, 0, 0])
    expect(getEventListeners(stop.signal, "abort")).toEqual([])
  })
})
