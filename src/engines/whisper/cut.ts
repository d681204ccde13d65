/**
 * Where a long utterance is cut, because Whisper hears at most 30 s at once. Pure: samples in, samples out. Knows no model,
 * no detector and no words.
 */
import { samplesFromMs } from "../../audio/pcm.ts"
import { longestRun, quietestPlace } from "../../speech/pauses.ts"
import { WINDOW_SAMPLES } from "../../speech/vad/vad.ts"

/** Whisper's window of 30 s, less room for the silence that our encoder wants after the speech. */
export const PIECE_MAX_SAMPLES = samplesFromMs(28_000)

/** People seldom speak longer than this without a pause, and the rest of the window keeps the pieces long. */
const SEARCH_SAMPLES = samplesFromMs(10_000)

/** A last piece shorter than this gives Whisper too little to go by. */
const TAIL_MIN_SAMPLES = samplesFromMs(2_000)

/** Below this probability of speech a window of the detector belongs to a pause. */
const PAUSE_PROBABILITY = 0.3

/** So many windows are a pause: 128 ms. What is shorter lies within a word. */
const PAUSE_WINDOWS_MIN = 4

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
