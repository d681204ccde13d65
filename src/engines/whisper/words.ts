/**
 * When the words of a text were said: from tokens, and where the decoder listened when it wrote them, to words with times. Knows
 * no model; refuses to know what a text is for.
 */
import { msFromSamples } from "../../audio/pcm.ts"
import type { Word } from "../../speech/transcript.ts"
import { type Alignment, alignTokens } from "./alignment.ts"
import { quietMoments } from "./quiet.ts"
import { type SpelledWord, splitWords } from "./split.ts"

/** What one position of the attention stands for: 20 ms. */
export const POSITION_SAMPLES = 320

export interface Heard {
  readonly tokens: readonly number[]
  /** Of each token; more of them are ignored. Null where it is not known. */
  readonly logprobs: readonly (number | null)[]
  /** As Decoded.attention. */
  readonly attention: readonly Float32Array[]
  /** In each row of `attention`. */
  readonly heads: number
  readonly samples: Int16Array
}

export interface TimedWord extends Word {
  /** Its tokens, behind the last one the next word's. */
  readonly from: number
  readonly to: number
}

/** Times count from the first sample, never overlap and never leave the samples. */
export function timeWords(
  { tokens, logprobs, attention, heads, samples }: Heard,
  textOf: (tokens: readonly number[]) => string,
): TimedWord[] {
  const words = splitWords(tokens, textOf)
  const positions = Math.ceil(samples.length / POSITION_SAMPLES)
  if (words.length === 0 || positions === 0) return []
  const alignment = alignTokens(attention, heads, positions)
  const spans = spansOf(words, alignment, quietMoments(samples, POSITION_SAMPLES))
  return words.map(({ text, from, to, spokenFrom, spokenTo }, i) => ({
    text,
    from,
    to,
    startMs: msFromSamples(Math.min(samples.length, (spans[i]?.start ?? 0) * POSITION_SAMPLES)),
    endMs: msFromSamples(Math.min(samples.length, (spans[i]?.end ?? 0) * POSITION_SAMPLES)),
    confidence: confidenceOf(logprobs.slice(spokenFrom, spokenTo)),
  }))
}

function confidenceOf(logprobs: readonly (number | null)[]): number | null {
  const known = logprobs.filter((logprob) => logprob !== null)
  return known.length === 0 ? null : Math.exp(known.reduce((sum, logprob) => sum + logprob, 0) / known.length)
}

/** In positions; `end` is behind the last one. */
interface Span {
  start: number
  end: number
}

/** A quiet moment within a word is shorter than this: 160 ms. */
const PAUSE_POSITIONS = 8
/** Not even a "t" is as short with so much silence around it: 60 ms. */
const CLICK_POSITIONS = 3
/** Part of a word's highest attention below which the heads no longer listen to it, and for how long they may look elsewhere. */
const LISTENS = 0.1
const GLANCE_POSITIONS = 5
/** How long a word may go on after the heads listened to it, 500 ms, and begin before, 100 ms: in a pause that is not quiet. */
const REACH_AFTER_POSITIONS = 25
const REACH_BEFORE_POSITIONS = 5

/**
 * The path gives each moment to some token, also those of pauses. So two words part where it is quiet between the places where they were
 * listened to most, else where the path parts them; and none goes far beyond where it was listened to.
 */
function spansOf(words: readonly SpelledWord[], alignment: Alignment, quiet: Uint8Array): Span[] {
  const { heard } = alignment
  const listened = words.map((word) => listenedTo(word, alignment))
  const spans = listened.map(({ peak }) => ({ start: peak, end: peak + 1 }))
  for (let i = 0; i <= words.length; i++) {
    const [before, after] = [listened[i - 1], listened[i]]
    const path = words[i] === undefined ? heard : before === undefined ? 0 : (alignment.bounds[words[i]?.spokenFrom ?? 0] ?? heard)
    const between = { start: before ? before.peak + 1 : 0, end: after?.peak ?? heard }
    const parted = pauseIn(quiet, between) ?? pauseAround(path, before, after)
    const [left, right] = [spans[i - 1], spans[i]]
    if (left) left.end = Math.max(left.end, parted.start)
    if (right) right.start = Math.max(left?.end ?? 0, Math.min(right.start, parted.end))
  }
  return spans
}

/** Where the heads listened to a word: most of all at `peak`, and without a break from `first` to `last`. */
interface Listened {
  readonly peak: number
  readonly first: number
  readonly last: number
}

function listenedTo({ spokenFrom, spokenTo }: SpelledWord, { bounds, heard, shares }: Alignment): Listened {
  const sums = new Float32Array(heard)
  for (let token = spokenFrom; token < spokenTo; token++) {
    for (let at = 0; at < heard; at++) sums[at] = (sums[at] as number) + (shares[token * heard + at] as number)
  }
  const from = Math.min(heard - 1, bounds[spokenFrom] ?? 0)
  const to = Math.max(from + 1, bounds[spokenTo] ?? heard)
  let peak = from
  for (let at = from; at < to; at++) if ((sums[at] as number) > (sums[peak] as number)) peak = at
  const listens = (at: number) => at >= 0 && at < heard && (sums[at] as number) >= LISTENS * (sums[peak] as number)
  const walk = (step: 1 | -1) => {
    let reached = peak
    for (let at = peak; Math.abs(at - reached) <= GLANCE_POSITIONS && at >= 0 && at < heard; at += step) if (listens(at)) reached = at
    return reached
  }
  return { peak, first: walk(-1), last: walk(1) }
}

/** Where neither word reaches, if that is long enough for a pause that is not quiet; else the place itself. */
function pauseAround(place: number, before: Listened | undefined, after: Listened | undefined): Span {
  const start = before ? Math.min(place, before.last + REACH_AFTER_POSITIONS) : place
  const end = after ? Math.max(place, after.first - REACH_BEFORE_POSITIONS) : place
  return end - start >= PAUSE_POSITIONS ? { start, end } : { start: place, end: place }
}

/** The longest quiet stretch, if it is a pause; at the ends of the audio a shorter one is one too. A click between two pauses parts none. */
function pauseIn(quiet: Uint8Array, { start, end }: Span): Span | null {
  let longest: Span | null = null
  let before: Span | null = null
  for (let at = start; at < end; at++) {
    const from = at
    while (at < end && quiet[at] === 1) at++
    const isLong: boolean = at - from >= PAUSE_POSITIONS
    if (!isLong && (at === from || (from !== 0 && at !== quiet.length))) continue
    const goesOn: boolean = isLong && before !== null && from - before.end <= CLICK_POSITIONS
    const pause: Span = { start: goesOn ? (before?.start ?? from) : from, end: at }
    if (longest === null || pause.end - pause.start > longest.end - longest.start) longest = pause
    before = isLong ? pause : null
  }
  return longest
}
