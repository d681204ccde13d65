/**
 * Where a long utterance is cut, because Whisper hears at most 30 s at once. Pure: samples in, samples out. Knows no model,
 * no detector and no words.
 */
import { samplesFromMs } from "../../audio/pcm.ts"
import { WINDOW_SAMPLES } from "../../speech/vad/vad.ts"

/** Whisper's window of 30 s, less room for the silence that our encoder wants after the speech. */
export const PIECE_MAX_SAMPLES = samplesFromMs(28_000)

/** People seldom speak longer than this without a pause, and the rest of the window keeps the pieces long. */
const SEARCH_SAMPLES = samplesFromMs(10_000)

/** A last piece shorter than this gives Whisper too little to go by. */
const TAIL_MIN_SAMPLES = samplesFromMs(2_000)

const FRAME_SAMPLES = samplesFromMs(10)

/** Energy is averaged over 200 ms: a pause between words is longer, the closure of a "p" or "t" is shorter. */
const SMOOTHING_FRAMES = 20

/** What is within 3 dB of the quietest place belongs to the same kind of silence. */
const SAME_SILENCE = 2

/** Below this probability of speech a window of the detector belongs to a pause. */
const PAUSE_PROBABILITY = 0.3

/** So many windows are a pause: 128 ms. What is shorter lies within a word. */
const PAUSE_WINDOWS_MIN = 4

/** Mean square of samples of ±1: below it, quiet and quieter mean nothing. */
const DIGITAL_SILENCE = 1

export interface CutPiece {
  /** A view. */
  readonly samples: Int16Array
  readonly startSample: number
}

/** The sample within the stretch at which a cut hurts least; null if it cannot be told. */
export type FindPause = (stretch: Int16Array) => Promise<number | null>

/**
 * The samples in pieces of at most `PIECE_MAX_SAMPLES`; joined they are the input again. Each cut lies in the ten seconds before the
 * piece would grow too long: where `findPause` says, else in the middle of the longest of their quietest stretches.
 */
export async function* cutAtPauses(samples: Int16Array, findPause: FindPause): AsyncGenerator<CutPiece, void> {
  let start = 0
  while (samples.length - start > PIECE_MAX_SAMPLES) {
    const latest = Math.min(start + PIECE_MAX_SAMPLES, samples.length - TAIL_MIN_SAMPLES)
    const earliest = latest - SEARCH_SAMPLES
    const stretch = samples.subarray(earliest, latest)
    const cut = earliest + ((await findPause(stretch)) ?? quietestPlace(stretch))
    yield { samples: samples.subarray(start, cut), startSample: start }
    start = cut
  }
  yield { samples: samples.subarray(start), startSample: start }
}

/** The sample in the middle of the longest pause, by the probabilities of speech of all windows; null if there is none. */
export function longestPause(probabilities: readonly number[]): number | null {
  const pause = longestRun(probabilities, (probability) => probability < PAUSE_PROBABILITY)
  return pause.length < PAUSE_WINDOWS_MIN ? null : Math.round((pause.start + pause.length / 2) * WINDOW_SAMPLES)
}

/** The sample in the middle of the longest quietest stretch. */
export function quietestPlace(samples: Int16Array): number {
  const energies = smooth(frameEnergies(samples))
  const quiet = Math.max(DIGITAL_SILENCE, Math.min(...energies) * SAME_SILENCE)
  const best = longestRun(energies, (energy) => energy <= quiet)
  const middleFrame = best.start + (best.length - 1 + SMOOTHING_FRAMES) / 2
  return Math.round(middleFrame * FRAME_SAMPLES)
}

/** Of two of the same length, the later one; of length 0 if there is none. */
function longestRun(values: readonly number[], belongs: (value: number) => boolean): { start: number; length: number } {
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
