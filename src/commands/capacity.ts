/**
 * How many people this machine can follow while they speak: measured at the start, with the engine that will hear them. Knows no
 * limit and nobody who is refused.
 */
import { msFromSamples } from "../audio/pcm.ts"
import { type Clock, pause, realClock } from "../clock.ts"
import type { Transcriber } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import type { Permits } from "../speech/permits.ts"

/**
 * Of the speech that the engines can decode in a second, this much may be spoken in it. The rest is for voice activity, interims,
 * finals begun too early, and the waits of people who stop at once. Two cores decode 72 s a second in the bench and keep up with
 * 32 live streams.
 */
const SPOKEN_SHARE = 0.45

/** However slow it seemed: fewer can be told only by somebody who knows what else runs here. */
const SPEAKERS_MIN = 4

/** The best counts, since something else may run, as at the start of a machine. */
const ROUNDS = 3
const PAUSE_MS = 500

/** Utterances at once for each engine: one in work and one that waits, as under load. */
const PER_ENGINE = 2

export interface CapacityOptions {
  readonly transcriber: Transcriber
  /** Those of the utterances: clients who are here already do not wait for this alone. */
  readonly permits: Permits
  /** Speech, and its language. */
  readonly samples: Int16Array
  readonly language: string
  readonly signal: AbortSignal
  readonly clock?: Clock
  readonly log: Log
}

/** Tells how many speakers there may be after each round; never fewer than before. Never rejects: what cannot be measured is no limit. */
export async function measureCapacity(options: CapacityOptions, tell: (speakers: number) => void): Promise<void> {
  const { transcriber, signal, clock = realClock, log } = options
  let best = 0
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await pause(round === 0 ? 0 : PAUSE_MS, clock, signal)
      best = Math.max(best, await decodedPerSecond(options, clock))
      tell(speakersFor(best))
    }
  } catch (thrown) {
    if (!signal.aborted) log.warn("capacity not measured", { error: thrown instanceof Error ? thrown.name : typeof thrown })
  }
  if (best > 0) log.info("capacity", { engine: transcriber.name, realTimes: Math.round(best * 10) / 10, speakers: speakersFor(best) })
}

function speakersFor(realTimes: number): number {
  return Math.max(SPEAKERS_MIN, Math.floor(realTimes * SPOKEN_SHARE))
}

/** Seconds of speech in a second, with all engines at work. */
async function decodedPerSecond({ transcriber, permits, samples, language, signal }: CapacityOptions, clock: Clock): Promise<number> {
  const count = PER_ENGINE * transcriber.concurrency
  const startedAtMs = clock.now()
  await Promise.all(
    Array.from({ length: count }, async () => {
      const release = await permits.take(signal, { long: false, client: "capacity" })
      try {
        await transcriber.transcribe({ samples: samples.slice(), language }, signal)
      } finally {
        release()
      }
    }),
  )
  return (count * msFromSamples(samples.length)) / Math.max(1, clock.now() - startedAtMs)
}
