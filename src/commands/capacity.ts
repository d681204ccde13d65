/**
 * How many people this machine can follow while they speak: measured at the start, with the engine that will hear them. Knows no
 * limit and nobody who is refused.
 */
import { msFromSamples } from "../audio/pcm.ts"
import { type Clock, pause, realClock } from "../clock.ts"
import { EngineError, type Transcriber } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import type { Permits } from "../permits.ts"

/**
 * Of the speech that the engines can decode in a second, this much may be spoken in it. The rest is for voice activity, interims,
 * finals begun too early, and the waits of people who stop at once. Two cores decode 72 s a second in the bench and keep up with
 * 32 live streams.
 */
const SPOKEN_SHARE = 0.45

/** However slow it seemed: fewer can be told only by somebody who knows what else runs here. */
const SPEAKERS_MIN = 4

/** Waits before the rounds. The best counts, since something else may run, as at the start of a machine. */
const ROUNDS_AFTER_MS = [0, 500, 60_000, 600_000]

/** Later rounds are left out while clients are served: they would take from them, and measure what is left. */
const ROUNDS_ANYWAY = 2

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

/** Tells how many speakers there may be, whenever it is more than before. Never rejects: what cannot be measured is no limit. */
export async function measureCapacity(options: CapacityOptions, tell: (speakers: number) => void): Promise<void> {
  const { transcriber, permits, signal, clock = realClock, log } = options
  const engine = transcriber.name
  let best = 0
  for (const [round, afterMs] of ROUNDS_AFTER_MS.entries()) {
    try {
      await pause(afterMs, clock, signal)
      if (round >= ROUNDS_ANYWAY && permits.taken > 0) continue
      const realTimes = await decodedPerSecond(options, clock)
      if (realTimes <= best) continue
      best = realTimes
      tell(speakersFor(best))
      log.info("capacity", { engine, realTimes: Math.round(best * 10) / 10, speakers: speakersFor(best) })
    } catch (thrown) {
      if (signal.aborted) return
      log.warn("capacity not measured", { engine, error: thrown instanceof EngineError ? thrown.code : "internal" })
    }
  }
}

function speakersFor(realTimes: number): number {
  return Math.max(SPEAKERS_MIN, Math.floor(realTimes * SPOKEN_SHARE))
}

/** Seconds of speech in a second, with as much at once as the engines take. */
async function decodedPerSecond({ transcriber, permits, samples, language, signal }: CapacityOptions, clock: Clock): Promise<number> {
  const count = transcriber.concurrency
  const startedAtMs = clock.now()
  await Promise.all(
    Array.from({ length: count }, async () => {
      const release = await permits.take(signal)
      try {
        await transcriber.transcribe({ samples: samples.slice(), language }, signal)
      } finally {
        release()
      }
    }),
  )
  return (count * msFromSamples(samples.length)) / Math.max(1, clock.now() - startedAtMs)
}
