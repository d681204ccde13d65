/**
 * Where a long utterance is cut, because Whisper hears at most 30 s at once. Pure: samples in, samples out. Knows no model
 * and no words.
 */
import { samplesFromMs } from "../../audio/pcm.ts"

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

/** Mean square of samples of ±1: below it, quiet and quieter mean nothing. */
const DIGITAL_SILENCE = 1

/**
 * The samples in pieces of at most `PIECE_MAX_SAMPLES`; joined they are the input again. Each cut lies in the middle of the
 * longest of the quietest stretches in the ten seconds before the piece would grow too long. The pieces are views.
 */
export function cutAtPauses(samples: Int16Array): Int16Array[] {
  const pieces: Int16Array[] = []
  let start = 0
  while (samples.length - start > PIECE_MAX_SAMPLES) {
    const latest = Math.min(start + PIECE_MAX_SAMPLES, samples.length - TAIL_MIN_SAMPLES)
    const earliest = latest - SEARCH_SAMPLES
    const cut = earliest + quietestPlace(samples.subarray(earliest, latest))
    pieces.push(samples.subarray(start, cut))
    start = cut
  }
  pieces.push(samples.subarray(start))
  return pieces
}

/** The index of the sample in the middle of the longest quietest stretch; of two of the same length, the later one. */
function quietestPlace(samples: Int16Array): number {
  const energies = smooth(frameEnergies(samples))
  const quiet = Math.max(DIGITAL_SILENCE, Math.min(...energies) * SAME_SILENCE)
  let best = { start: 0, length: 0 }
  for (let at = 0; at < energies.length; ) {
    const start = at
    while (at < energies.length && (energies[at] as number) <= quiet) at++
    if (at > start && at - start >= best.length) best = { start, length: at - start }
    if (at === start) at++
  }
  const middleFrame = best.start + (best.length - 1 + SMOOTHING_FRAMES) / 2
  return Math.round(middleFrame * FRAME_SAMPLES)
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
