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
  let sum = 0
  // All of them: the tail is flat, and each of its tokens counts.
  for (let i = 0; i < banned.length; i++) if (banned[i] === 0) sum += Math.exp((row[i] as number) - best)
  return { token, logprob: -Math.log(sum) }
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
