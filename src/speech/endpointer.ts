/**
 * Where utterances begin and end: probabilities of speech in, boundaries out, in samples since the stream began. Pure: what
 * it decides depends on the place in the audio alone, never on when or in which slices that came. Knows no audio, no clock.
 */
import { SAMPLE_RATE_HZ, samplesFromMs } from "../audio/pcm.ts"
import type { Endpointing } from "../engines/engine.ts"
import type { EndCause } from "./events.ts"
import { lowestPlace } from "./lowest.ts"
import { WINDOW_SAMPLES } from "./vad/vad.ts"

export type Boundary =
  | Start
  /** Perhaps the end: if nothing more is said, the words are in the audio up to `endSample`. */
  | { readonly type: "pause"; readonly endSample: number }
  /** It was not. */
  | { readonly type: "resume" }
  | End

/** Somebody speaks. */
export interface Start {
  readonly type: "start"
  /** The audio of the utterance starts here, pre-roll included. */
  readonly startSample: number
  /** The first sound of speech. */
  readonly speechSample: number
  /** Words up to here will belong to the utterance, even if it has to be cut; later ones only if it has not. */
  readonly uncutSample: number
}

export interface End {
  readonly type: "end"
  readonly cause: EndCause
  /** Up to here the audio holds words; what follows may be the pre-roll of the next utterance. */
  readonly endSample: number
  /** Where that was decided. */
  readonly atSample: number
}

/**
 * Speech that ends needs less to go on: Silero's own distance between its two thresholds, so that the probability of a soft
 * syllable in mid-word does not end the word.
 */
const HYSTERESIS = 0.15

/** Silero gives noise about 0.05: a threshold below that would hear no end for ever. */
const END_THRESHOLD_MIN = 0.05

/** Three windows. A click fills one or two; the shortest words ("up", "a") fill three, as Silero lingers for a window or two. */
export const SPEECH_MIN_SAMPLES = 3 * WINDOW_SAMPLES

/**
 * 96 ms of silence after the speech, as Silero hears it, which is 80 ms behind the last sound. As `pause`: early enough to have the
 * words ready when the silence has become an end; 41 of 100 pauses become none of 300 ms, of those of 160 ms 30. As trail: fades out
 * the last sound; always the same, so that the words are, too. Of 100 dev words 7.4 were wrong with it, 7.7 with 64 ms, 7.5 with 160.
 */
export const PAUSE_SAMPLES = 3 * WINDOW_SAMPLES

/** How far back from its limit a long utterance is searched for a pause: few people speak longer without one. */
const SEARCH_WINDOWS = Math.floor(samplesFromMs(6_000) / WINDOW_SAMPLES)

/** A pause between words lasts at least 190 ms; the mean over so many windows is lowest in its middle. */
const STRETCH_WINDOWS = 6

/** Below this nothing is left to search for a pause. */
export const MAX_MS_MIN = 1_000

/** Above it a client that is not read from could owe us the end of its utterance, and we it the reading (server/session.ts). */
export const UTTERANCE_SAMPLES_MAX = 280 * SAMPLE_RATE_HZ

export interface Endpointer {
  /** What the next window of `WINDOW_SAMPLES` brings. */
  hear(probability: number): readonly Boundary[]
  /** Ends the open utterance at this sample of the next window; null if none is open. Speech that goes on is a new one. */
  end(cause: EndCause, atSample: number): End | null
  /** Forgets everything before this sample of the next window, an open utterance as well. */
  forget(atSample: number): void
  /** From the next window on. */
  configure(changes: Partial<Endpointing>): void
  /** No utterance, open or to come, reaches back beyond it. Never falls. */
  readonly keptFromSample: number
  /** The end of the last window. */
  readonly heardSamples: number
  /** Whether an utterance is open. */
  readonly open: boolean
}

export function createEndpointer(options: Endpointing): Endpointer {
  let settings = limitsOf(options)
  let asked = options
  let heardSamples = 0
  let keptFromSample = 0
  /** Of the latest windows, enough to search for a pause. */
  const recent: number[] = []
  /** Start of the first window of what may become an utterance. */
  let candidateSample: number | null = null
  let open: { readonly startSample: number; speechEndSample: number; paused: boolean } | null = null

  const keepFrom = (sample: number) => {
    keptFromSample = Math.max(keptFromSample, sample)
  }

  function listen(probability: number): Boundary[] {
    const enough = candidateSample === null ? settings.threshold : settings.endThreshold
    if (probability >= enough) candidateSample ??= heardSamples - WINDOW_SAMPLES
    else candidateSample = null
    keepFrom((candidateSample ?? heardSamples) - settings.prefixSamples)
    if (candidateSample === null || heardSamples - candidateSample < SPEECH_MIN_SAMPLES) return []
    return [begin(keptFromSample, candidateSample)]
  }

  function begin(startSample: number, speechSample: number): Start {
    candidateSample = null
    open = { startSample, speechEndSample: heardSamples, paused: false }
    const searchSamples = Math.min(SEARCH_WINDOWS * WINDOW_SAMPLES, settings.maxSamples / 2)
    return { type: "start", startSample, speechSample, uncutSample: startSample + settings.maxSamples - searchSamples }
  }

  function follow(current: NonNullable<typeof open>, probability: number): Boundary[] {
    const boundaries: Boundary[] = []
    if (probability >= settings.endThreshold) {
      current.speechEndSample = heardSamples
      if (current.paused) boundaries.push({ type: "resume" })
      current.paused = false
    }
    const silenceSamples = heardSamples - current.speechEndSample
    if (silenceSamples > 0 && silenceSamples >= settings.silenceSamples) return [finish(current, "endpoint", heardSamples)]
    if (heardSamples - current.startSample >= settings.maxSamples) return [...boundaries, ...cutLong(current)]
    if (!current.paused && silenceSamples >= PAUSE_SAMPLES) {
      current.paused = true
      boundaries.push({ type: "pause", endSample: wordsEndSample(current, heardSamples) })
    }
    return boundaries
  }

  /** In a silence it ends there; in speech at the best pause, and what was said since then begins the next one. */
  function cutLong(current: NonNullable<typeof open>): Boundary[] {
    if (heardSamples > current.speechEndSample) return [finish(current, "max", heardSamples)]
    const windows = Math.min(SEARCH_WINDOWS, Math.floor((heardSamples - current.startSample) / WINDOW_SAMPLES / 2))
    const middle = lowestPlace(recent.slice(-windows), STRETCH_WINDOWS)
    const cutSample = heardSamples - Math.round((windows - middle) * WINDOW_SAMPLES)
    keepFrom(cutSample)
    return [{ type: "end", cause: "max", endSample: cutSample, atSample: cutSample }, begin(cutSample, cutSample)]
  }

  function finish(current: NonNullable<typeof open>, cause: EndCause, atSample: number): End {
    const endSample = wordsEndSample(current, atSample)
    open = null
    keepFrom(endSample)
    return { type: "end", cause, endSample, atSample }
  }

  return {
    hear(probability) {
      heardSamples += WINDOW_SAMPLES
      recent.push(probability)
      if (recent.length > SEARCH_WINDOWS) recent.shift()
      return open ? follow(open, probability) : listen(probability)
    },
    end(cause, atSample) {
      if (!open) return null
      return finish(open, cause, atSample)
    },
    forget(atSample) {
      open = null
      candidateSample = null
      keepFrom(atSample)
    },
    configure(changes) {
      asked = { ...asked, ...changes }
      settings = limitsOf(asked)
    },
    get keptFromSample() {
      return keptFromSample
    },
    get heardSamples() {
      return heardSamples
    },
    get open() {
      return open !== null
    },
  }
}

/** Speech that goes on ends where it is cut. */
function wordsEndSample({ speechEndSample }: { speechEndSample: number }, atSample: number): number {
  return Math.min(speechEndSample + PAUSE_SAMPLES, atSample)
}

function limitsOf({ threshold, prefixMs, silenceMs, maxMs }: Endpointing) {
  return {
    threshold,
    endThreshold: Math.max(threshold - HYSTERESIS, Math.min(END_THRESHOLD_MIN, threshold)),
    prefixSamples: samplesFromMs(prefixMs),
    silenceSamples: samplesFromMs(silenceMs),
    maxSamples: Math.min(samplesFromMs(Math.max(maxMs, MAX_MS_MIN)), UTTERANCE_SAMPLES_MAX),
  }
}
