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

/** What was said before a longer silence helps no more. */
export const CONTEXT_PAUSE_MAX_SAMPLES = 2 * SAMPLE_RATE_HZ

export interface Said {
  readonly startSample: number
  readonly endSample: number
  readonly language: Language
  /** Its final. Never rejects. */
  readonly outcome: Promise<Outcome>
}

export interface Past {
  add(said: Said): void
  /** Of an utterance that starts now: known as soon as what was said before is, and null if that has no words. Null: there is none. */
  before(startSample: number, language: Language): Promise<Context | null> | null
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
      const [first] = heard
      return first ? contextOf(heard, tape.read(first.startSample, startSample)) : null
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
async function contextOf(said: readonly Said[], samples: Int16Array): Promise<Context | null> {
  const tokens = (await Promise.all(said.map(({ outcome }) => outcome))).map(tokensOf)
  const from = tokens.findLastIndex(({ length }) => length === 0) + 1
  const [first, start] = [said[0], said[from]]
  if (first === undefined || start === undefined) return null
  return { samples: samples.subarray(start.startSample - first.startSample), tokens: tokens.slice(from).flat() }
}

function tokensOf(outcome: Outcome): readonly number[] {
  return outcome instanceof EngineError ? [] : outcome.segments.flatMap(({ tokens }) => tokens)
}
