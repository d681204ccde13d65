import { describe, expect, test } from "bun:test"
import { getEventListeners } from "node:events"
import { takeInHand } from "../../../src/engines/whisper/in-hand.ts"
import type { Result } from "../../../src/engines/whisper/ipc.ts"
import { handClock } from "../../support/clock.ts"

const result = (id: number): Result => ({ type: "result", id, language: "en", segments: [] })

/** Pieces 10, 11, … with a deadline of 1000 ms and a grace of 100. */
function take({ pieces = 2, graceMs = 100 } = {}) {
  const clock = handClock()
  const happened: string[] = []
  const stops = Array.from({ length: pieces }, () => new AbortController())
  const inHand = takeInHand(
    stops.map(({ signal }, index) => ({ id: 10 + index, signal })),
    {
      clock,
      deadlineMs: 1_000,
      graceMs,
      onAnswer: (index, { type }) => happened.push(`${type} ${index}`),
      onAbort: (id) => happened.push(`abort ${id}`),
      onStuck: (of) => happened.push(of),
    },
  )
  const abort = (index: number) => stops[index]?.abort()
  const listening = () => stops.reduce((sum, { signal }) => sum + getEventListeners(signal, "abort").length, 0)
  return { inHand, clock, happened, abort, listening }
}

describe("pieces in hand", () => {
  test("are over when all are answered, in any order, each once; then nothing is left behind", async () => {
    const { inHand, clock, happened, listening } = take()
    for (const id of [11, 11, 9, 10]) inHand.answer(result(id))
    expect(await inHand.over).toBe(true)
    expect(happened).toEqual(["result 1", "result 0"])
    expect([clock.waiting, listening()]).toEqual([0, 0])
  })

  test("are over when they are lost", async () => {
    const { inHand, clock, listening } = take()
    inHand.lose()
    expect(await inHand.over).toBe(false)
    expect([clock.waiting, listening()]).toEqual([0, 0])
  })

  test("are late at their deadline, whatever was answered", async () => {
    const { inHand, clock, happened } = take()
    await clock.advance(999)
    inHand.answer(result(10))
    expect(happened).toEqual(["result 0"])
    await clock.advance(1)
    expect(happened).toEqual(["result 0", "deadline"])
  })

  test("that are given up are told of once, and not after their answer", () => {
    const { inHand, happened, abort } = take()
    abort(0)
    inHand.answer(result(11))
    abort(1)
    expect(happened).toEqual(["abort 10", "result 1"])
  })

  test("have a grace from the moment at which nobody waits for any of them", async () => {
    const { clock, happened, abort } = take()
    abort(0)
    await clock.advance(500)
    abort(1)
    await clock.advance(99)
    expect(happened).toEqual(["abort 10", "abort 11"])
    await clock.advance(1)
    expect(happened).toEqual(["abort 10", "abort 11", "grace"])
  })

  test("have it once, though one of them is let go", async () => {
    const { inHand, clock, happened, abort } = take()
    abort(0)
    abort(1)
    await clock.advance(50)
    inHand.answer(result(10))
    await clock.advance(150)
    expect(happened).toEqual(["abort 10", "abort 11", "result 0", "grace"])
  })

  test("have it also when the last that somebody waited for is answered", async () => {
    const { inHand, clock, happened, abort } = take()
    abort(0)
    inHand.answer(result(11))
    await clock.advance(100)
    expect(happened).toEqual(["abort 10", "result 1", "grace"])
  })

  test("may be given up without a grace: then only the deadline counts", async () => {
    const { clock, happened, abort } = take({ pieces: 1, graceMs: Number.POSITIVE_INFINITY })
    abort(0)
    await clock.advance(1_000)
    expect(happened).toEqual(["abort 10", "deadline"])
  })
})
