import { describe, expect, test } from "bun:test"
import { createRandom, draw, gumbel, likeliest, probabilityOf } from "../../../src/engines/whisper/logits.ts"

const logs = (...probabilities: number[]) => Float32Array.from(probabilities, (p) => Math.log(p) + 3)

describe("a row of logits", () => {
  test("gives the likeliest token and its probability among all that are allowed", () => {
    const { token, logprob } = likeliest(logs(0.1, 0.6, 0.3), new Uint8Array(3))
    expect(token).toBe(1)
    expect(Math.exp(logprob)).toBeCloseTo(0.6, 5)
  })

  test("never gives a banned token, and does not count it", () => {
    const { token, logprob } = likeliest(logs(0.1, 0.6, 0.3), Uint8Array.of(0, 1, 0))
    expect(token).toBe(2)
    expect(Math.exp(logprob)).toBeCloseTo(0.75, 5)
  })

  test("never gives a token beyond the end of the bans: those steer the model", () => {
    const { token, logprob } = likeliest(logs(0.2, 0.1, 0.7), new Uint8Array(2))
    expect(token).toBe(0)
    expect(Math.exp(logprob)).toBeCloseTo(2 / 3, 5)
  })

  test("gives the probability of one token among all", () => {
    expect(probabilityOf(logs(0.1, 0.6, 0.3), 2)).toBeCloseTo(0.3, 5)
  })
})

describe("a draw from a row of logits", () => {
  const DRAWS = 4000
  /** How often each token was drawn. */
  function shares(temperature: number, banned = new Uint8Array(3)): number[] {
    const random = createRandom()
    const counts = [0, 0, 0]
    for (let i = 0; i < DRAWS; i++) {
      const { token } = draw(logs(0.1, 0.6, 0.3), banned, temperature, random)
      counts[token] = (counts[token] ?? 0) + 1
    }
    return counts.map((count) => count / DRAWS)
  }

  test("gives each token as often as its probability says, and the flatter the higher the temperature", () => {
    for (const [i, share] of shares(1).entries()) expect(Math.abs(share - ([0.1, 0.6, 0.3][i] ?? 0))).toBeLessThan(0.03)
    const [low = 1, , middle = 1] = shares(0.2)
    expect(low).toBeLessThan(0.01)
    expect(middle).toBeLessThan(0.06)
    for (const share of shares(100)) expect(Math.abs(share - 1 / 3)).toBeLessThan(0.03)
  })

  test("never gives a banned token, and tells the probability at temperature 0 among those that are allowed", () => {
    expect(shares(1, Uint8Array.of(0, 1, 0))[1]).toBe(0)
    const { token, logprob } = draw(logs(0.1, 0.6, 0.3), Uint8Array.of(0, 1, 0), 5, () => 0)
    expect(token).toBe(0)
    expect(Math.exp(logprob)).toBeCloseTo(0.25, 5)
  })

  test("is the same each time", () => {
    const [one, other] = [createRandom(), createRandom()]
    const numbers = Array.from({ length: 100 }, one)
    expect(numbers).toEqual(Array.from({ length: 100 }, other))
    expect(new Set(numbers).size).toBe(100)
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true)
  })

  test("is the highest of the logits with Gumbel noise as often", () => {
    const random = createRandom()
    const wins = Array.from({ length: DRAWS }, () => Math.log(0.3) + gumbel(random) > Math.log(0.7) + gumbel(random)).filter(Boolean)
    expect(Math.abs(wins.length / DRAWS - 0.3)).toBeLessThan(0.03)
    expect(gumbel(() => 0)).toBeFinite()
  })
})
