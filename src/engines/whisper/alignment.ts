/**
 * Where in the audio each token was heard, out of where the decoder's alignment heads listened when it wrote them: the best
 * path through tokens and time, as openai-whisper finds it. Pure numbers: no text, no sample.
 */

export interface Alignment {
  /** How many positions there are. */
  readonly heard: number
  /** Where each token begins on the path and, behind the last, `heard`. Never falls; two tokens may share a place. */
  readonly bounds: readonly number[]
  /** How much of its attention each token gave to each position: `tokens × heard`, each token's sum is 1. */
  readonly shares: Float32Array
}

/** A head's glance elsewhere for a moment is no place: longer than half of this, it is. */
const MEDIAN_POSITIONS = 7

/**
 * `attention`: for each token a row of `heads × positions`, head after head. Only the first `heard` positions (at least one) count:
 * behind them lies the silence that the model was given.
 */
export function alignTokens(attention: readonly Float32Array[], heads: number, heard: number): Alignment {
  const tokens = attention.length
  const shares = new Float32Array(tokens * heard)
  const gains = new Float32Array(tokens * heard)
  const ofHead = new Float32Array(tokens * heard)
  for (let head = 0; head < heads; head++) {
    for (const [token, row] of attention.entries()) {
      const from = (head * row.length) / heads
      writeShares(row.subarray(from, from + heard), ofHead.subarray(token * heard, (token + 1) * heard))
    }
    for (let i = 0; i < shares.length; i++) shares[i] = (shares[i] as number) + (ofHead[i] as number) / heads
    standardise(ofHead, tokens, heard)
    for (let token = 0; token < tokens; token++) addMedians(ofHead, token * heard, heard, gains)
  }
  return { heard, bounds: [...pathThrough(gains, tokens, heard), heard], shares }
}

/** The attention within the audio as parts of one. */
function writeShares(row: Float32Array, into: Float32Array): void {
  let sum = 0
  for (const value of row) sum += value
  for (let at = 0; at < into.length; at++) into[at] = (row[at] ?? 0) / (sum || 1)
}

/** Added to each deviation: where hardly any token listens, the differences are noise. */
const NOBODY_LISTENS = 1e-4

/** Each position over all tokens: mean 0, standard deviation 1. What every token listens to says nothing about any. */
function standardise(values: Float32Array, tokens: number, heard: number): void {
  for (let position = 0; position < heard; position++) {
    let sum = 0
    let squares = 0
    for (let i = position; i < values.length; i += heard) {
      sum += values[i] as number
      squares += (values[i] as number) ** 2
    }
    const mean = sum / tokens
    const deviation = Math.sqrt(Math.max(0, squares / tokens - mean ** 2)) + NOBODY_LISTENS
    for (let i = position; i < values.length; i += heard) values[i] = ((values[i] as number) - mean) / deviation
  }
}

/** The median around each value of a row, mirrored at the ends. */
function addMedians(values: Float32Array, from: number, count: number, onto: Float32Array): void {
  const reach = (MEDIAN_POSITIONS - 1) / 2
  const sorted = new Float32Array(MEDIAN_POSITIONS)
  const last = count - 1
  for (let at = 0; at < count; at++) {
    for (let i = 0; i < MEDIAN_POSITIONS; i++) {
      const mirrored = Math.abs(at + i - reach)
      const value = values[from + Math.max(0, mirrored > last ? 2 * last - mirrored : mirrored)] as number
      let place = i
      for (; place > 0 && (sorted[place - 1] as number) > value; place--) sorted[place] = sorted[place - 1] as number
      sorted[place] = value
    }
    onto[from + at] = (onto[from + at] as number) + (sorted[reach] as number)
  }
}

const [BOTH, TOKEN, POSITION] = [0, 1, 2]

/** Dynamic time warping: the first position of each token on the path of the highest sum from the first cell to the last. */
function pathThrough(gains: Float32Array, tokens: number, heard: number): number[] {
  const steps = new Uint8Array(tokens * heard)
  let above = new Float64Array(heard + 1).fill(Number.NEGATIVE_INFINITY)
  above[0] = 0
  for (let token = 0; token < tokens; token++) {
    const row = new Float64Array(heard + 1).fill(Number.NEGATIVE_INFINITY)
    for (let at = 0; at < heard; at++) {
      const [both, next, same] = [above[at] as number, above[at + 1] as number, row[at] as number]
      const best = Math.max(both, next, same)
      steps[token * heard + at] = best === both ? BOTH : best === next ? TOKEN : POSITION
      row[at + 1] = best + (gains[token * heard + at] as number)
    }
    above = row
  }
  const firsts = new Array<number>(tokens).fill(0)
  for (let token = tokens - 1, at = heard - 1; token >= 0 && at >= 0; ) {
    firsts[token] = at
    const step = steps[token * heard + at]
    if (step !== POSITION) token--
    if (step !== TOKEN) at--
  }
  return firsts
}
