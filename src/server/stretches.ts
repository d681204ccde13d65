/**
 * The samples of a recording on their way to the engines: read where no container holds them, and cut at pauses into stretches.
 * Knows no engine and no turn.
 */
import { type AudioFormat, bytesPerSecond, createAudioReader } from "../audio/input.ts"
import { joinSamples, samplesFromMs } from "../audio/pcm.ts"
import type { Clock } from "../clock.ts"
import { EngineError } from "../engines/engine.ts"
import { quietestPlace } from "../speech/pauses.ts"

export interface RecordingLimits {
  readonly bytesMax: number
  readonly secondsMax: number
}

/** A stretch that is heard as one: long enough to keep several engines busy with its pieces, short enough to show progress. */
const STRETCH_SAMPLES = samplesFromMs(120_000)

/** The pause before the next stretch is looked for in the end of this one. */
const SEARCH_SAMPLES = samplesFromMs(15_000)

/** A last stretch shorter than this gives an engine too little to go by. */
const TAIL_MIN_SAMPLES = samplesFromMs(2_000)

/** The same samples, each array but the last at most STRETCH_SAMPLES long and cut at a pause; at least one array. */
export async function* stretchesOf(pieces: AsyncIterable<Int16Array>): AsyncGenerator<Int16Array, void> {
  let held: Int16Array[] = []
  let heldSamples = 0
  for await (const piece of pieces) {
    held.push(piece)
    heldSamples += piece.length
    while (heldSamples >= STRETCH_SAMPLES + TAIL_MIN_SAMPLES) {
      const samples = joinSamples(held)
      const from = STRETCH_SAMPLES - SEARCH_SAMPLES
      const cut = from + quietestPlace(samples.subarray(from, STRETCH_SAMPLES))
      yield samples.slice(0, cut)
      held = [samples.slice(cut)]
      heldSamples -= cut
    }
  }
  yield joinSamples(held)
}

/** Sound that takes some ms to read. */
const PART_SECONDS = 2

/** Samples without a container; so much of them in a turn of the event loop, since to resample takes a few ms a second of sound. */
export async function* readRaw(
  source: AsyncIterable<Uint8Array>,
  format: AudioFormat,
  { bytesMax, secondsMax }: RecordingLimits,
  clock: Clock,
): AsyncGenerator<Int16Array, void> {
  const reader = createAudioReader(format)
  const partBytes = PART_SECONDS * bytesPerSecond(format)
  const most = Math.min(bytesMax, secondsMax * bytesPerSecond(format))
  let count = 0
  /** What lies in memory comes without a turn between. */
  let inTurn = 0
  try {
    for await (const chunk of source) {
      count += chunk.length
      if (count > most) throw new EngineError("bad_audio", `longer than ${secondsMax} seconds`)
      for (let at = 0; at < chunk.length; at += partBytes) {
        const part = chunk.subarray(at, at + partBytes)
        yield reader.read(part)
        inTurn += part.length
        if (inTurn < partBytes) continue
        inTurn = 0
        await new Promise<void>((resolve) => void clock.after(0, resolve))
      }
    }
    yield reader.end()
  } finally {
    reader.close()
  }
}
