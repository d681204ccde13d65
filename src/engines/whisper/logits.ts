/** Reads a row of logits without allocating: the vocabulary has 51,865 tokens or so and a row comes with each token. */
import type { Bans } from "./writer.ts"

export interface Choice {
  readonly token: number
  /** Natural log of its probability among the tokens that were allowed. */
  readonly logprob: number
}

/** The likeliest token of the row that is not banned; tokens beyond the end of `banned` are. */
export function likeliest(row: Float32Array, banned: Bans): Choice {
  let token = -1
  let best = Number.NEGATIVE_INFINITY
  for (let i = 0; i < banned.length; i++) {
    const logit = row[i] as number
    if (logit > best && banned[i] === 0) {
      best = logit
      token = i
    }
  }
  return { token, logprob: -Math.log(weightOf(row, banned, best, 1)) }
}

/** One of the tokens that are not banned, as often as its probability at this temperature (above 0) says. */
export function draw(row: Float32Array, banned: Bans, temperature: number, random: () => number): Choice {
  const { token: likeliestToken, logprob: highest } = likeliest(row, banned)
  const best = row[likeliestToken] as number
  let left = random() * weightOf(row, banned, best, temperature)
  let token = likeliestToken
  for (let i = 0; i < banned.length && left >= 0; i++) {
    if (banned[i] !== 0) continue
    left -= Math.exp(((row[i] as number) - best) / temperature)
    if (left < 0) token = i
  }
  return { token, logprob: highest + (row[token] as number) - best }
}

/** Of all tokens that are allowed, where that of the best is 1: the tail is flat, and each of its tokens counts. */
function weightOf(row: Float32Array, banned: Bans, best: number, temperature: number): number {
  let sum = 0
  for (let i = 0; i < banned.length; i++) if (banned[i] === 0) sum += Math.exp(((row[i] as number) - best) / temperature)
  return sum
}

/** Probability of one token among all of the row. */
export function probabilityOf(row: Float32Array, token: number): number {
  const best = maximum(row)
  let sum = 0
  for (const logit of row) sum += Math.exp(logit - best)
  return Math.exp((row[token] as number) - best) / sum
}

function maximum(row: Float32Array): number {
  let best = Number.NEGATIVE_INFINITY
  for (const logit of row) if (logit > best) best = logit
  return best
}

/** Numbers from 0 to below 1 that look random, the same ones each time: so the same audio gives the same text. */
export function createRandom(): () => number {
  let state = 0x9e3779b9
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Added to the logits (times the temperature), it makes the highest of them a draw from their distribution. */
export const gumbel = (random: () => number): number => -Math.log(-Math.log(random() + Number.MIN_VALUE))
