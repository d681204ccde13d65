import { describe, expect, test } from "bun:test"
import { createCompany } from "../../../src/engines/whisper/company.ts"
import { handClock } from "../../support/clock.ts"

function open() {
  const clock = handClock()
  let over = 0
  const company = createCompany(clock, () => over++)
  return { clock, company, over: () => over }
}

describe("who was answered", () => {
  test("is expected back for 5 ms", async () => {
    const { clock, company } = open()
    company.answered()
    await clock.advance(4)
    company.answered()
    expect(company.returning()).toBe(2)
    await clock.advance(1)
    expect(company.returning()).toBe(1)
    await clock.advance(4)
    expect(company.returning()).toBe(0)
  })

  test("is no longer expected once somebody came", () => {
    const { company } = open()
    company.answered()
    company.came()
    company.came()
    expect(company.returning()).toBe(0)
  })

  test("is waited for once, and no longer than that", async () => {
    const { clock, company, over } = open()
    company.waitForThem()
    expect(clock.waiting).toBe(0)
    company.answered()
    company.waitForThem()
    company.waitForThem()
    await clock.advance(4)
    expect(over()).toBe(0)
    await clock.advance(1)
    expect([over(), company.returning()]).toEqual([1, 0])
  })

  test("is forgotten when the engines close", async () => {
    const { clock, company, over } = open()
    company.answered()
    company.waitForThem()
    company.close()
    expect([clock.waiting, company.returning()]).toEqual([0, 0])
    await clock.advance(10)
    expect(over()).toBe(0)
  })
})
