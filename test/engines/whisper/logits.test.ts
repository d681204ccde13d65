import { describe, expect, test } from "bun:test"
import { likeliest, probabilityOf } from "../../../src/engines/whisper/logits.ts"

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
