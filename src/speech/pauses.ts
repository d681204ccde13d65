/**
 * Where speech that is too long is cut so that it hurts least, by its loudness alone. Pure. Knows no model and no detector.
 */
import { samplesFromMs } from "../audio/pcm.ts"

const FRAME_SAMPLES = samplesFromMs(10)

/** Energy is averaged over 200 ms: a pause between words is longer, the closure of a "p" or "t" is shorter. */
const SMOOTHING_FRAMES = 20

/** What is within 3 dB of the quietest place belongs to the same kind of silence. */
const SAME_SILENCE = 2

/** Mean square of samples of ±1: below it, quiet and quieter mean nothing. */
const DIGITAL_SILENCE = 1

/** The sample in the middle of the longest quietest stretch. */
export function quietestPlace(samples: Int16Array): number {
  const energies = smooth(frameEnergies(samples))
  const quiet = Math.max(DIGITAL_SILENCE, Math.min(...energies) * SAME_SILENCE)
  const best = longestRun(energies, (energy) => energy <= quiet)
  const middleFrame = best.start + (best.length - 1 + SMOOTHING_FRAMES) / 2
  return Math.round(middleFrame * FRAME_SAMPLES)
}

/** Of two of the same length, the later one; of length 0 if there is none. */
export function longestRun(values: readonly number[], belongs: (value: number) => boolean): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (const [at, value] of values.entries()) {
    if (!belongs(value)) start = at + 1
    else if (at + 1 - start >= best.length) best = { start, length: at + 1 - start }
  }
  return best
}

/** Mean square of each whole frame. */
function frameEnergies(samples: Int16Array): number[] {
  return Array.from({ length: Math.floor(samples.length / FRAME_SAMPLES) }, (_, frame) => {
    let sum = 0
    for (let i = frame * FRAME_SAMPLES; i < (frame + 1) * FRAME_SAMPLES; i++) sum += (samples[i] as number) ** 2
    return sum / FRAME_SAMPLES
  })
}

/** Mean of each run of `SMOOTHING_FRAMES` frames: entry n covers the frames n to n + SMOOTHING_FRAMES - 1. */
function smooth(energies: readonly number[]): number[] {
  return Array.from({ length: energies.length - SMOOTHING_FRAMES + 1 }, (_, first) => {
    let sum = 0
    for (let frame = first; frame < first + SMOOTHING_FRAMES; frame++) sum += energies[frame] as number
    return sum / SMOOTHING_FRAMES
  })
}
