import { expect, test } from "bun:test"
import { lowestPlace } from "../../src/speech/lowest.ts"

const row = (...runs: [value: number, count: number][]) => runs.flatMap(([value, count]) => Array<number>(count).fill(value))

test("the lowest place is the middle of the lowest stretch", () => {
  expect(lowestPlace(row([5, 20], [1, 2], [5, 20]), 2)).toBe(21)
  expect(lowestPlace(row([5, 20], [1, 6], [5, 20]), 6)).toBe(23)
  expect(lowestPlace(row([5, 20], [1, 20], [5, 20]), 6)).toBe(30)
})

test("a short dip is not taken for a pause if there is a longer one", () => {
  const place = lowestPlace(row([5, 20], [0, 1], [5, 20], [1, 6], [5, 20]), 6)
  expect(place).toBeGreaterThan(41)
  expect(place).toBeLessThan(47)
})

test("a pause shorter than the stretch is found all the same", () => {
  expect(lowestPlace(row([5, 20], [0, 2], [5, 20]), 6)).toBe(21)
})

test("of equal places the later one is taken", () => {
  expect(lowestPlace(row([5, 20], [0, 2], [5, 20], [0, 2], [5, 20]), 2)).toBe(43)
})

test("a row that is shorter than the stretch has a lowest place too", () => {
  expect(lowestPlace([3, 0, 0, 3], 9)).toBe(2)
  expect(lowestPlace([1], 6)).toBe(0.5)
  expect(lowestPlace([], 6)).toBe(0)
})
