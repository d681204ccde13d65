/**
 * Speech that a long text leaves out: Whisper skips whole sentences now and then, and ends before the speech does, sure of every word that
 * it wrote. Where it listened tells. Decides where such a piece is parted to be heard again, and whether that was better. Pure; runs no model.
 */
import { samplesFromMs } from "../../audio/pcm.ts"
import { quietestPlace } from "../../speech/pauses.ts"
import { compressionRatio } from "./compression.ts"
import { meanLogprob } from "./decode.ts"
import { type Attempt, isDoubtful, NO_SPEECH_THRESHOLD } from "./fallback.ts"
import { quietMoments } from "./quiet.ts"
import { isDoubtful as mayBeSilence } from "./silence.ts"
import { POSITION_SAMPLES } from "./words.ts"

export interface Parting {
  /** The sample at which the second part begins, at the beginning of a position of the attention. */
  readonly cut: number
  /** Tokens that belong to the first part, if it is not the one that was skipped. */
  readonly tokensBefore: number
  /** Tokens that speech of that length has at least. */
  readonly tokensMissing: number
}

/** Shorter pieces were never seen to lose a sentence. */
const LONG_SAMPLES = samplesFromMs(10_000)
/** Speech between two tokens, in positions: 2.4 s. Of 64 clips of more than 5 s the one that reaches most has 2.0 s, sentences lost have 2.7 s and more. */
const SKIPPED_POSITIONS = 120
/** The last word before a gap goes on after it was listened to most; the pause behind it is not far: 100 ms to 2 s. */
const NEAREST_POSITIONS = 5
const FARTHEST_POSITIONS = 100
/** Slow speech: one token a second. */
const POSITIONS_PER_TOKEN = 50
/** Words less sure than this are no gain. */
const FILLED_AVG_LOGPROB_MIN = -0.7

/** Whether speech may be skipped at all, so that the attention is worth being asked for. */
export function isLong(samples: Int16Array): boolean {
  return samples.length >= LONG_SAMPLES
}

/** Where to part the samples so that what was skipped is heard; null if nothing was, or if what is heard may be no speech. */
export function partingOf(attempt: Attempt, samples: Int16Array, heads: number): Parting | null {
  const { tokens, attention } = attempt.decoded
  if (
    attention === null ||
    tokens.length === 0 ||
    !isLong(samples) ||
    mayBeSilence({ ...attempt, ...attempt.decoded }, NO_SPEECH_THRESHOLD)
  )
    return null
  const positions = Math.ceil(samples.length / POSITION_SAMPLES)
  const peaks = attention.slice(0, tokens.length).map((row) => peakOf(row, heads, positions))
  const quiet = quietMoments(samples, POSITION_SAMPLES)
  const places = [0, ...peaks.toSorted((a, b) => a - b), positions]
  let widest = { start: 0, end: 0, speech: 0 }
  for (const [i, start] of places.entries()) {
    const end = places[i + 1] ?? positions
    const speech = quiet.subarray(start, end).reduce((sum, moment) => sum + 1 - moment, 0)
    if (speech > widest.speech) widest = { start, end, speech }
  }
  const { start, end, speech } = widest
  if (speech < SKIPPED_POSITIONS) return null
  const isFirst = peaks.every((peak) => peak >= end)
  const nearest = isFirst ? end - FARTHEST_POSITIONS : start + NEAREST_POSITIONS
  const from = nearest * POSITION_SAMPLES
  const to = (isFirst ? end - NEAREST_POSITIONS : start + FARTHEST_POSITIONS) * POSITION_SAMPLES
  const cut = Math.round((from + quietestPlace(samples.subarray(from, to))) / POSITION_SAMPLES) * POSITION_SAMPLES
  const tokensBefore = isFirst ? 0 : peaks.filter((peak) => peak <= start).length
  return { cut, tokensBefore, tokensMissing: Math.ceil(speech / POSITIONS_PER_TOKEN) }
}

/** Where the heads together listened most. */
function peakOf(row: Float32Array, heads: number, positions: number): number {
  const each = row.length / heads
  let [peak, most] = [0, -1]
  for (let at = 0; at < Math.min(each, positions); at++) {
    let sum = 0
    for (let i = at; i < row.length; i += each) sum += row[i] as number
    if (sum > most) [peak, most] = [at, sum]
  }
  return peak
}

/** The text of both parts, if they hold the words that the whole lacks; else the whole. */
export function filled(
  whole: Attempt,
  [first, second]: readonly [Attempt, Attempt],
  { cut, tokensMissing }: Parting,
  { heads, textOf }: { heads: number; textOf(tokens: readonly number[]): string },
): Attempt {
  const tokens = [...first.decoded.tokens, ...second.decoded.tokens]
  if (tokens.length < whole.decoded.tokens.length + tokensMissing || isDoubtful(first) || isDoubtful(second)) return whole
  const count = first.decoded.tokens.length
  const logprobs = [...first.decoded.logprobs.slice(0, count), ...second.decoded.logprobs]
  const avgLogprob = meanLogprob(logprobs)
  if (avgLogprob < FILLED_AVG_LOGPROB_MIN) return whole
  const shape = { heads, before: cut / POSITION_SAMPLES }
  const before = first.decoded.attention?.slice(0, count).map((row) => rowOfWhole(row, null, second.decoded.attention?.[0], shape))
  const behind = second.decoded.attention?.map((row) => rowOfWhole(null, row, row, shape))
  const text = textOf(tokens)
  const decoded = { ...whole.decoded, tokens, logprobs, avgLogprob, attention: before && behind ? [...before, ...behind] : null }
  return { decoded, text, compressionRatio: compressionRatio(text), temperature: whole.temperature }
}

/** A row of one part over the positions of both; `second` tells the length of the second part. */
function rowOfWhole(
  inFirst: Float32Array | null,
  inSecond: Float32Array | null,
  second: Float32Array | undefined,
  { heads, before }: { heads: number; before: number },
): Float32Array {
  const each = before + (second?.length ?? 0) / heads
  const row = new Float32Array(heads * each)
  for (let head = 0; head < heads; head++) {
    if (inFirst) {
      const length = inFirst.length / heads
      row.set(inFirst.subarray(head * length, head * length + Math.min(length, before)), head * each)
    }
    if (inSecond) {
      const length = inSecond.length / heads
      row.set(inSecond.subarray(head * length, (head + 1) * length), head * each + before)
    }
  }
  return row
}
