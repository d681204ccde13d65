/**
 * What was said before in a stream, for as long as it may help to understand what follows closely: an engine that hears a pause
 * as the end knows less of the words around it. Decides by places in the audio alone, so the same audio has the same context
 * however fast it came and was answered. Knows no boundary and no event.
 */
import { SAMPLE_RATE_HZ } from "../audio/pcm.ts"
import { type Context, EngineError, type Language } from "../engines/engine.ts"
import type { Outcome } from "./finals.ts"
import type { Tape } from "./tape.ts"

/**
 * So far back from its start reaches the context of an utterance, and no utterance is part of it that began before. Of 577 words
 * in dev clips with pauses of half a second 61 were wrong without, 47 with 5 s, 46 with 8, 12 or 20, and 41 without the cuts.
 */
export const CONTEXT_MAX_SAMPLES = 8 * SAMPLE_RATE_HZ

/** An utterance and its context together: a final takes no longer than one of an utterance of this length, and a long one has context in itself. */
export const HEARD_MAX_SAMPLES = 12 * SAMPLE_RATE_HZ

/**
 * Between the end of the one and the start of the next, with what is kept of the silence on both sides. With up to 2 s two words more
 * were right, but then most finals of a talk take a third longer.
 */
export const CONTEXT_PAUSE_MAX_SAMPLES = SAMPLE_RATE_HZ

export interface Said {
  readonly startSample: number
  readonly endSample: number
  readonly language: Language
  /** Its final. Never rejects. */
  readonly outcome: Promise<Outcome>
}

/**
 * The context of an utterance that ends at `endSample`: known as soon as what was said before is, and null if that has no words.
 * Null: there is none.
 */
export type Before = (endSample: number) => Promise<Context | null> | null

export interface Past {
  add(said: Said): void
  /** What comes before an utterance that starts now. */
  before(startSample: number, language: Language): Before
  /** The audio before this is no context of utterances from `sample` on, in which it never falls. */
  keptFromSample(sample: number): number
  /** Nothing that was said may be heard again. */
  forget(): void
}

export function createPast(tape: Pick<Tape, "read">): Past {
  /** In order, none that is of no use any more. */
  let said: Said[] = []

  function leave(sample: number) {
    const last = said.at(-1)
    if (last && sample - last.endSample > CONTEXT_PAUSE_MAX_SAMPLES) said = []
    else said = said.filter(({ startSample }) => sample - startSample <= CONTEXT_MAX_SAMPLES)
  }

  return {
    add(one) {
      said.push(one)
    },
    before(startSample, language) {
      leave(startSample)
      const heard = said.slice(said.length - countBefore(said, startSample, language))
      const fromSample = heard[0]?.startSample ?? startSample
      const samples = tape.read(fromSample, startSample)
      return (endSample) => {
        const fitting = heard.filter((one) => endSample - one.startSample <= HEARD_MAX_SAMPLES)
        return fitting.length > 0 ? contextOf(fitting, samples, fromSample) : null
      }
    },
    keptFromSample(sample) {
      leave(sample)
      return Math.min(sample, said[0]?.startSample ?? sample)
    },
    forget() {
      said = []
    },
  }
}

/** How many of the last ones follow closely on each other, in one language. */
function countBefore(said: readonly Said[], startSample: number, language: Language): number {
  let next = startSample
  const breakAt = said.findLastIndex((one) => {
    if (one.language !== language || next - one.endSample > CONTEXT_PAUSE_MAX_SAMPLES) return true
    next = one.startSample
    return false
  })
  return said.length - 1 - breakAt
}

/** Those behind the last one without words. */
async function contextOf(said: readonly Said[], samples: Int16Array, fromSample: number): Promise<Context | null> {
  const tokens = (await Promise.all(said.map(({ outcome }) => outcome))).map(tokensOf)
  const from = tokens.findLastIndex(({ length }) => length === 0) + 1
  const first = said[from]
  return first ? { samples: samples.subarray(first.startSample - fromSample), tokens: tokens.slice(from).flat() } : null
}

function tokensOf(outcome: Outcome): readonly number[] {
  return outcome instanceof EngineError ? [] : outcome.segments.flatMap(({ tokens }) => tokens)
}
