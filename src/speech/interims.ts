/**
 * What may be told of an utterance that is still being spoken: hypotheses in, the text so far and how much of it stands out
 * (LocalAgreement-2, Macháček et al. 2023: words stand once two hypotheses in a row agree on them). Pure. Knows no clock.
 */
import { SAMPLE_RATE_HZ, samplesFromMs } from "../audio/pcm.ts"
import type { Draft } from "../engines/engine.ts"
import type { Word } from "./transcript.ts"
import { commonCount, type Unit, unitsOf } from "./units.ts"

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
  /** Where the next hypothesis is to begin. */
  readonly startSample: number
  /** The words before it. */
  readonly context: string
  /** Of the last hypothesis, for the next one; null if that begins elsewhere. */
  readonly draft: Draft | null
  readonly standing: Standing
}

/** A word so young may still change with what follows it: an engine hears the end of its audio badly. */
const YOUNG_SAMPLES = samplesFromMs(600)

/** Where the engine has no times: the word that may be broken off, and the one before it. */
const YOUNG_UNITS = 2

/** From here on, what stands is not heard again. Whisper pays for a second of audio about what it pays for six tokens. */
export const WINDOW_MAX_SAMPLES = 10 * SAMPLE_RATE_HZ

/** So much of it is heard again all the same: the words after a cut need some before them. */
const WINDOW_KEPT_SAMPLES = 4 * SAMPLE_RATE_HZ

/** `standsUntilSample`: the utterance may yet be cut behind it, so no word beyond it stands. */
export function createAgreement(utteranceSample: number, standsUntilSample: number): Agreement {
  let startSample = utteranceSample
  /** The text before `startSample`, with the space after it, if the script has one. */
  let context = ""
  /** Of the words behind that, those that stand, as they were told. */
  let standingText = ""
  let standingUnits: readonly string[] = []
  let previousUnits: readonly string[] = []
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

  function grow(hypothesis: Hypothesis, units: readonly Unit[], ends: readonly number[] | null) {
    const texts = units.map(({ text }) => text)
    const count = Math.min(commonCount(previousUnits, texts), oldCount(hypothesis, units, ends))
    if (count <= standingUnits.length) return
    standingUnits = texts.slice(0, count)
    standingText = hypothesis.text.slice(0, units[count - 1]?.end ?? 0)
    forced = moved ? null : { tokens: hypothesis.tokens, fixed: commonCount(previousTokens, hypothesis.tokens) }
  }

  /** The text with what stands instead of what the engine now thinks of it. */
  function mended(text: string, units: readonly Unit[]): string {
    if (units.length <= standingUnits.length) return standingText
    return standingText + text.slice(units[standingUnits.length - 1]?.end ?? 0)
  }

  /** Leaves words that stand to the past, at the longest of the pauses between them. */
  function move({ text, words, endSample }: Hypothesis, units: readonly Unit[]) {
    if (endSample - startSample <= WINDOW_MAX_SAMPLES) return
    if (text === "" && standingUnits.length === 0) return moveTo(endSample - WINDOW_KEPT_SAMPLES)
    if (words === null) return
    const places = words.slice(0, standingUnits.length).flatMap(({ endMs }, index) => {
      const next = words[index + 1]
      const cutSample = startSample + samplesFromMs((endMs + (next?.startMs ?? endMs)) / 2)
      return next && cutSample <= endSample - WINDOW_KEPT_SAMPLES ? [{ count: index + 1, cutSample, gapMs: next.startMs - endMs }] : []
    })
    const late = places.slice(Math.floor(places.length / 2))
    const [first, ...others] = late
    if (!first) return
    const best = others.reduce((best, place) => (place.gapMs >= best.gapMs ? place : best), first)
    const cut = units[best.count]?.start ?? text.length
    context += text.slice(0, cut)
    standingText = standingText.slice(cut)
    standingUnits = standingUnits.slice(best.count)
    previousUnits = previousUnits.slice(best.count)
    moveTo(best.cutSample)
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
      const texts = units.map(({ text }) => text)
      const { words } = hypothesis
      const ends = words && words.length === units.length ? words.map(({ endMs }) => startSample + samplesFromMs(endMs)) : null
      const fits = commonCount(standingUnits, texts) === standingUnits.length
      if (fits) grow(hypothesis, units, ends)
      const told = context + (fits ? hypothesis.text : mended(hypothesis.text, units))
      const stable = (context + standingText).trimEnd().length
      previousUnits = texts
      previousTokens = hypothesis.tokens
      if (fits && (ends !== null || hypothesis.text === "")) move(hypothesis, units)
      return { text: told.trim(), stable }
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
