import { expect, test } from "bun:test"
import { createBreaker, FAILURES_TO_OPEN, OPEN_MS } from "../../src/engines/breaker.ts"
import { EngineError } from "../../src/engines/engine.ts"
import { handClock } from "../support/clock.ts"

const timeout = () => new EngineError("timeout", "no answer")

async function opened() {
  const clock = handClock()
  const changes: string[] = []
  const breaker = createBreaker({ clock, onChange: (state, _, openMs) => void changes.push(`${state} ${openMs}`) })
  for (let nth = 0; nth < FAILURES_TO_OPEN; nth++) breaker.failed(timeout())
  await clock.advance(OPEN_MS)
  return { breaker, changes }
}

test("what was asked before it opened, and fails while a probe is out, neither ends the probe nor opens it for longer", async () => {
  const { breaker, changes } = await opened()
  expect(breaker.probe()).toBe(true)
  breaker.failed(timeout())
  expect([breaker.probe(), breaker.state]).toEqual([false, "half_open"])
  breaker.failed(timeout(), true)
  breaker.probed()
  expect([breaker.probe(), breaker.state]).toEqual([false, "open"])
  expect(changes).toEqual([`open ${OPEN_MS}`, "half_open 0", `open ${2 * OPEN_MS}`])
})

test("a probe that says nothing of the engine leaves it to the next one", async () => {
  const { breaker } = await opened()
  expect(breaker.probe()).toBe(true)
  breaker.failed(new EngineError("overloaded", "no room"), true)
  breaker.probed()
  expect(breaker.probe()).toBe(true)
})
