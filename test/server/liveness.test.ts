import { expect, test } from "bun:test"
import { createLiveness, LOOK_EVERY_MS, PING_AFTER_MS, UNANSWERED_PINGS_MAX } from "../../src/server/liveness.ts"
import { handClock } from "../support/clock.ts"

const LONG_MS = PING_AFTER_MS + (UNANSWERED_PINGS_MAX + 2) * LOOK_EVERY_MS

function watchOne({ paused = false, answers = false } = {}) {
  const clock = handClock()
  const liveness = createLiveness<string>(clock)
  const seen = { pings: 0, givenUp: 0 }
  const watched = {
    paused,
    ping() {
      seen.pings++
      if (answers) liveness.heard("client")
    },
    giveUp() {
      seen.givenUp++
      liveness.forget("client")
    },
  }
  liveness.watch("client", watched)
  return { clock, liveness, seen, watched }
}

test("a client that answers pings stays for hours", async () => {
  const { clock, seen } = watchOne({ answers: true })
  await clock.advance(4 * 3600 * 1000)
  expect(seen.givenUp).toBe(0)
  expect(seen.pings).toBeGreaterThan(200)
})

test("a client that answers nothing is given up once, after every ping had its time", async () => {
  const { clock, seen } = watchOne()
  await clock.advance(PING_AFTER_MS + UNANSWERED_PINGS_MAX * LOOK_EVERY_MS - 1)
  expect(seen).toEqual({ pings: UNANSWERED_PINGS_MAX, givenUp: 0 })
  await clock.advance(LONG_MS)
  expect(seen).toEqual({ pings: UNANSWERED_PINGS_MAX, givenUp: 1 })
})

test("a client that talks is not pinged", async () => {
  const { clock, liveness, seen } = watchOne()
  for (let i = 0; i < 100; i++) {
    await clock.advance(LOOK_EVERY_MS - 1)
    liveness.heard("client")
  }
  expect(seen).toEqual({ pings: 0, givenUp: 0 })
})

test("a client that we do not read from is not blamed for its silence", async () => {
  const { clock, seen, watched } = watchOne({ paused: true })
  await clock.advance(10 * LONG_MS)
  expect(seen).toEqual({ pings: 0, givenUp: 0 })
  watched.paused = false
  await clock.advance(LONG_MS)
  expect(seen.givenUp).toBe(1)
})

test("after a machine slept for an hour a client is asked before it is given up", async () => {
  const hand = handClock()
  let sleptMs = 0
  const liveness = createLiveness<string>({ ...hand, now: () => hand.now() + sleptMs })
  const seen = { pings: 0, givenUp: 0 }
  liveness.watch("client", { paused: false, ping: () => seen.pings++, giveUp: () => seen.givenUp++ })
  sleptMs = 3600 * 1000
  await hand.advance(LOOK_EVERY_MS)
  expect(seen).toEqual({ pings: 1, givenUp: 0 })
})

test("no timer is left when nobody is watched", async () => {
  const { clock, liveness } = watchOne()
  expect(clock.waiting).toBe(1)
  liveness.forget("client")
  expect(clock.waiting).toBe(0)
})
