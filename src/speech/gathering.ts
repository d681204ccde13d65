/**
 * The audio of one open utterance, gathered from chunks of any size. Twice as many chunks cost one piece more and not
 * twice the memory, so a client who sends one sample a message holds no more than its samples.
 */
import { joinSamples } from "../audio/pcm.ts"

export interface Gathering {
  readonly sampleCount: number
  /** Keeps the array itself. */
  add(samples: Int16Array): void
  /** Everything so far as one array of its own; the gathering is empty again. */
  take(): Int16Array
}

export function createGathering(): Gathering {
  /** Each longer than the next. */
  let pieces: Int16Array[] = []
  let sampleCount = 0

  return {
    get sampleCount() {
      return sampleCount
    },
    add(samples) {
      if (samples.length === 0) return
      sampleCount += samples.length
      let last = samples
      for (let before = pieces.at(-1); before && before.length <= last.length; before = pieces.at(-1)) {
        pieces.pop()
        last = joinSamples([before, last])
      }
      pieces.push(last)
    },
    take() {
      const [only] = pieces
      const samples = pieces.length === 1 && only ? only : joinSamples(pieces)
      pieces = []
      sampleCount = 0
      return samples
    },
  }
}
