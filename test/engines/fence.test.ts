import { describe, expect, test } from "bun:test"
import { getEventListeners } from "node:events"
import { openFence } from "../../src/engines/fence.ts"
import { handClock } from "../support/clock.ts"

const forever = new Promise<never>(() => {})

function fenced({ deadlineMs = 1000 } = {}) {
  const clock = handClock()
  const caller = new AbortController()
  const house = new AbortController()
  const fence = openFence({ signals: [caller.signal, house.signal], deadlineMs, clock, name: "work" })
  return { clock, caller, house, fence }
}

describe("a fence", () => {
  test("lets through what the work gives and throws", async () => {
    const { fence } = fenced()
    expect(await fence.within(Promise.resolve(7))).toBe(7)
    await expect(fence.within(Promise.reject(new RangeError("its own")))).rejects.toThrow(RangeError)
    expect(fence.signal.aborted).toBeFalse()
    fence.close()
  })

  test("falls at the deadline, though the work does not listen", async () => {
    const { fence, clock } = fenced()
    const work = fence.within(forever)
    await clock.advance(400)
    expect(fence.remainingMs).toBe(600)
    await clock.advance(600)
    await expect(work).rejects.toMatchObject({ code: "timeout", retryable: true, message: "work: no answer within 1000 ms" })
    expect(fence.signal.aborted).toBeTrue()
    fence.close()
  })

  test("falls when any of the signals aborts", async () => {
    for (const who of ["caller", "house"] as const) {
      const { fence, ...signals } = fenced()
      const work = fence.within(forever)
      signals[who].abort()
      await expect(work).rejects.toMatchObject({ code: "aborted", retryable: false })
      expect(fence.signal.aborted).toBeTrue()
      fence.close()
    }
  })

  test("around somebody who gave up before is down from the start", async () => {
    const clock = handClock()
    const fence = openFence({ signals: [AbortSignal.abort()], deadlineMs: 1000, clock, name: "work" })
    expect(fence.signal.aborted).toBeTrue()
    await expect(fence.within(forever)).rejects.toMatchObject({ code: "aborted" })
    fence.close()
  })

  test("ends a pause on time, or when it falls, and leaves no timer", async () => {
    const { fence, clock, caller } = fenced()
    const pause = fence.pause(300)
    await clock.advance(300)
    await pause
    const broken = fence.pause(300)
    caller.abort()
    await expect(broken).rejects.toMatchObject({ code: "aborted" })
    fence.close()
    expect(clock.waiting).toBe(0)
  })

  test("that falls around nobody troubles nobody", async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on("unhandledRejection", note)
    const { fence, clock } = fenced()
    await clock.advance(1000)
    fence.close()
    await Bun.sleep(0)
    process.off("unhandledRejection", note)
    expect(unhandled).toEqual([])
  })

  test("when closed leaves no timer and no listener", () => {
    const { fence, clock, caller, house } = fenced()
    fence.close()
    expect(clock.waiting).toBe(0)
    expect(getEventListeners(caller.signal, "abort")).toEqual([])
    expect(getEventListeners(house.signal, "abort")).toEqual([])
  })
})
