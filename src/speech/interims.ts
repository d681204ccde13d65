/**
 * What may be told of an utterance that is still being spoken: hypotheses in, the text so far and how much of it stands out
 * (LocalAgreement, Liu et al. 2020: words stand once a few hypotheses in a row agree on them). Pure. Knows no clock.
 */
import { SAMPLE_RATE_HZ, samplesFromMs } from "../audio/pcm.ts"
import type { Draft } from "../engines/engine.ts"
import type { Word } from "./transcript.ts"
import { commonCount, lettersOf, type Unit, unitsOf } from "./units.ts"

/** What the engine understood of a stretch of the utterance. */
export interface Hypothesis {
  readonly text: string
  readonly tokens: readonly number[]
  /** Times from `startSample` on. */
  readonly words: readonly Word[] | null
  readonly startSample: number
  readonly endSample: number
}

export interface Agreed {
  /** The whole utterance so far. */
  readonly text: string
  /** UTF-16 units at its beginning that stand. */
  readonly stable: number
}

/** Words that were told as standing, and how the engine can be made to begin with them. */
export interface Standing {
  readonly text: string
  /** Null if the engine cannot be told: it then has to be done to the text. */
  readonly draft: Draft | null
}

export interface Agreement {
  /** MUST begin at `startSample`. */
  hear(hypothesis: Hypothesis): Agreed
  /** What the whole utterance was understood as, with what stands at its beginning; it changes nothing. */
  read(text: string): Agreed
  /** Where the next hypothesis is to begin. */
  readonly startSample: number
  /** The words before it. */
  readonly context: string
  /** Of the last hypothesis, for the next one; null if that begins elsewhere. */
  readonly draft: Draft | null
  readonly standing: Standing
}

/**
 * A word stands once so many hypotheses in a row have it, written as it is, if the engine is so sure of it: the final of the same
 * speech without interims should begin with it of itself. Of 128 dev utterances heard every 400 ms 3 had finals that did not, each
 * by a comma or a hyphen, and 45 % of the words of those over 4 s stood before their final. With three that agree, whatever the
 * confidence, every fourth final did not, and 67 % stood. The last step keeps a doubtful word from holding up an endless talk.
 */
export const CERTAIN = [
  { agreeing: 4, confidence: 0.75 },
  { agreeing: 6, confidence: 0.5 },
  { agreeing: 12, confidence: 0 },
] as const

/** Once a window is longer than `WINDOW_MAX_SAMPLES` each hypothesis takes so long that half of the last step must do. */
const AGREEING_LONG = 6

const AGREEING_MAX = Math.max(...CERTAIN.map(({ agreeing }) => agreeing))

/** Of a word of which the engine does not say it. */
const UNKNOWN_CONFIDENCE = 0.5

/** A word so young may still change with what follows it: an engine hears the end of its audio badly. */
const YOUNG_SAMPLES = samplesFromMs(800)

/** Where the engine has no times: about as much. */
const YOUNG_UNITS = 4

/** From here on, what stands is not heard again. Whisper pays for a second of audio about what it pays for six tokens. */
export const WINDOW_MAX_SAMPLES = 10 * SAMPLE_RATE_HZ

/** So much of it is heard again all the same: the words after a cut need some before them. */
const WINDOW_KEPT_SAMPLES = 4 * SAMPLE_RATE_HZ

const PROVISIONAL_START = /^[\p{Ll}\p{N}]/u

/** `standsUntilSample`: the utterance may yet be cut behind it, so no word beyond it stands. */
export function createAgreement(utteranceSample: number, standsUntilSample: number): Agreement {
  let startSample = utteranceSample
  /** The text before `startSample`, with the space after it, if the script has one. */
  let context = ""
  /** Of the words behind that, those that stand, as they were told. */
  let standingText = ""
  let standingCount = 0
  /** The words of the latest hypotheses, the last one first; of those that began where the next one will. */
  let earlier: (readonly string[])[] = []
  let previousTokens: readonly number[] = []
  let forced: Draft | null = null
  let moved = false

  /** How many words are old enough to stand. */
  function oldCount({ endSample }: Hypothesis, units: readonly Unit[], ends: readonly number[] | null): number {
    if (ends === null) return endSample > standsUntilSample ? 0 : Math.max(0, units.length - YOUNG_UNITS)
    const latest = Math.min(endSample - YOUNG_SAMPLES, standsUntilSample)
    const young = ends.findIndex((end) => end > latest)
    return Math.min(young === -1 ? ends.length : young, Math.max(0, units.length - 1))
  }

  /** How many of the first words are certain. */
  function certainCount({ words, endSample }: Hypothesis, units: readonly Unit[], mostCount: number): number {
    const texts = units.map(({ text }) => text)
    const common = earlier.map((other) => commonCount(other, texts))
    const isShort = endSample - utteranceSample <= WINDOW_MAX_SAMPLES
    const isLongWindow = endSample - startSample > WINDOW_MAX_SAMPLES
    const isCertain = (index: number) => {
      const other = common.findIndex((count) => count <= index)
      const agreed = 1 + (other === -1 ? common.length : other)
      // The model often begins so, and writes numbers so, as long as it has heard little of the sentence.
      if (index === 0 && isShort && PROVISIONAL_START.test(texts[0] ?? "")) return false
      if (isLongWindow && agreed >= AGREEING_LONG) return true
      const sure = (words?.length === units.length ? words[index]?.confidence : null) ?? UNKNOWN_CONFIDENCE
      return CERTAIN.some(({ agreeing, confidence }) => agreed >= agreeing && sure >= confidence)
    }
    let count = 0
    while (count < mostCount && isCertain(count)) count++
    return count
  }

  function grow(hypothesis: Hypothesis, units: readonly Unit[], ends: readonly number[] | null) {
    const count = certainCount(hypothesis, units, oldCount(hypothesis, units, ends))
    if (count <= standingCount) return
    standingText += hypothesis.text.slice(units[standingCount - 1]?.wordEnd ?? 0, units[count - 1]?.wordEnd ?? 0)
    standingCount = count
    forced = moved ? null : { tokens: hypothesis.tokens, fixed: commonCount(previousTokens, hypothesis.tokens) }
  }

  /** The text of the last so many words gives way to what stands. */
  function mended(text: string, units: readonly Unit[]): string {
    return units.length < standingCount ? standingText : standingText + text.slice(units[standingCount - 1]?.wordEnd ?? 0)
  }

  /** Leaves words that stand to the past, at the longest of the pauses between them. */
  function move({ text, words, endSample }: Hypothesis, units: readonly Unit[]) {
    if (endSample - startSample <= WINDOW_MAX_SAMPLES) return
    if (text === "" && standingCount === 0) return moveTo(endSample - WINDOW_KEPT_SAMPLES)
    if (words === null) return
    const places = words.slice(0, standingCount).flatMap(({ endMs }, index) => {
      const next = words[index + 1]
      const cutSample = startSample + samplesFromMs((endMs + (next?.startMs ?? endMs)) / 2)
      return next && cutSample <= endSample - WINDOW_KEPT_SAMPLES ? [{ count: index + 1, cutSample, gapMs: next.startMs - endMs }] : []
    })
    const late = places.slice(Math.floor(places.length / 2))
    const [first, ...others] = late
    if (!first) return
    const best = others.reduce((best, place) => (place.gapMs >= best.gapMs ? place : best), first)
    leave(best.count, text, units)
    standingCount -= best.count
    earlier = earlier.map((other) => other.slice(best.count))
    moveTo(best.cutSample)
  }

  /** So many words are context from now on. Of the last that stands the punctuation and the space behind it begin to stand as well. */
  function leave(count: number, text: string, units: readonly Unit[]) {
    const whole = count < standingCount ? standingText : standingText + text.slice(units[count - 1]?.wordEnd ?? 0, units[count]?.start)
    const cut = unitsOf(whole)[count]?.start ?? whole.length
    context += whole.slice(0, cut)
    standingText = whole.slice(cut)
  }

  function moveTo(sample: number) {
    startSample = sample
    previousTokens = []
    forced = null
    moved = true
  }

  return {
    hear(hypothesis) {
      const units = unitsOf(hypothesis.text)
      const { words } = hypothesis
      const ends = words && words.length === units.length ? words.map(({ endMs }) => startSample + samplesFromMs(endMs)) : null
      const standing = lettersOf(standingText)
      const fits = lettersOf(hypothesis.text.slice(0, units[standingCount - 1]?.wordEnd ?? 0)) === standing
      if (fits) grow(hypothesis, units, ends)
      const told = context + mended(hypothesis.text, units)
      const stable = (context + standingText).trimEnd().length
      earlier = [units.map(({ text }) => text), ...earlier].slice(0, AGREEING_MAX - 1)
      previousTokens = hypothesis.tokens
      if (fits && (ends !== null || hypothesis.text === "")) move(hypothesis, units)
      return { text: told.trim(), stable }
    },
    read(text) {
      return { text: (context + mended(text, unitsOf(text))).trim(), stable: (context + standingText).trimEnd().length }
    },
    get startSample() {
      return startSample
    },
    get context() {
      return context
    },
    get draft() {
      return previousTokens.length > 0 ? { tokens: previousTokens, fixed: 0 } : null
    },
    get standing() {
      return { text: (context + standingText).trimEnd(), draft: forced }
    },
  }
}
