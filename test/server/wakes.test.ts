import { afterEach, describe, expect, test } from "bun:test"
import type { Command } from "../../src/dialects/dialect.ts"
import { createWakes, type Wakes } from "../../src/server/wakes.ts"
import { handClock } from "../support/clock.ts"

let opened: Wakes | undefined
afterEach(() => opened?.close())

/** A dialect that wants to be woken at times of its own, next one first, and says when it was. */
function start(...times: number[]) {
  const clock = handClock()
  const woken: number[] = []
  const dialect = {
    get wakeAtMs() {
      return times[0] ?? null
    },
    wake(nowMs: number): readonly Command[] {
      times.shift()
      return [{ type: "say", text: String(nowMs) }]
    },
  }
  const broken: unknown[] = []
  const wakes = createWakes({
    dialect,
    obey: (command) => void woken.push(Number(command.type === "say" && command.text)),
    onBroken: (thrown) => void broken.push(thrown),
    clock,
  })
  opened = wakes
  return { clock, wakes, woken, broken, times, dialect }
}

describe("wakes", () => {
  test("a dialect is woken at each of its deadlines, in the time of its session", async () => {
    const { clock, wakes, woken } = start(100, 250)
    wakes.after(null)
    await clock.advance(99)
    expect(woken).toEqual([])
    await clock.advance(201)
    expect(woken).toEqual([100, 250])
    expect(clock.waiting).toBe(0)
  })

  test("a deadline that moves away with each message is not missed, and not kept too early", async () => {
    const { clock, wakes, woken, times } = start(100)
    wakes.after(null)
    for (let message = 1; message <= 5; message++) {
      await clock.advance(50)
      times[0] = message * 50 + 100
      wakes.after(null)
      expect(clock.waiting).toBe(1)
    }
    await clock.advance(99)
    expect(woken).toEqual([])
    await clock.advance(1)
    expect(woken).toEqual([350])
  })

  test("a deadline that comes nearer, or is called off, counts from then on", async () => {
    const { clock, wakes, woken, times } = start(1000)
    wakes.after(null)
    times[0] = 20
    wakes.after(null)
    await clock.advance(20)
    expect(woken).toEqual([20])
    times.push(40)
    wakes.after(null)
    times.pop()
    wakes.after(null)
    expect(clock.waiting).toBe(0)
  })

  test("time stands still while the client is not read from", async () => {
    const { clock, wakes, woken } = start(100)
    wakes.after(null)
    await clock.advance(60)
    wakes.pause()
    await clock.advance(10_000)
    expect(wakes.nowMs()).toBe(60)
    wakes.resume()
    await clock.advance(39)
    expect(woken).toEqual([])
    await clock.advance(1)
    expect(woken).toEqual([100])
  })

  test("a dialect that breaks when it is woken breaks its session only", async () => {
    const { clock, wakes, broken, dialect } = start(10)
    const mistake = new Error("oops")
    dialect.wake = () => {
      throw mistake
    }
    wakes.after(null)
    await clock.advance(10)
    expect(broken).toEqual([mistake])
  })

  test("nobody is woken after the close", async () => {
    const { clock, wakes, woken } = start(10)
    wakes.after(null)
    wakes.close()
    wakes.after(null)
    await clock.advance(100)
    expect(woken).toEqual([])
    expect(clock.waiting).toBe(0)
  })
})
