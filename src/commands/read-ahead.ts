/**
 * Sound that is decoded ahead of who hears it, so that its length is known early: only then a bar says how much is left. Knows no
 * file and no engine.
 */
import { SAMPLE_RATE_HZ } from "../audio/pcm.ts"

/** An hour, 115 MB. Of longer recordings the length is known once they were heard up to an hour before their end. */
const AHEAD_SAMPLES_MAX = 3600 * SAMPLE_RATE_HZ

export interface Ahead {
  /** To be read once. Throws what the pieces threw, behind those that came before. */
  readonly pieces: AsyncIterable<Int16Array>
  /** Decoded so far. */
  readonly samples: number
  /** Whether `samples` is all there is. */
  readonly whole: boolean
  /** Resolves once so many samples are there, or no more come. Throws what the pieces threw if there is none before it. */
  reached(samples: number): Promise<void>
}

/** Begins at once. Who gives up aborts the source of the pieces. */
export function readAhead(source: AsyncIterable<Int16Array>, aheadMax = AHEAD_SAMPLES_MAX): Ahead {
  const held: Int16Array[] = []
  let heldSamples = 0
  let samples = 0
  let ended = false
  let failure: { readonly thrown: unknown } | undefined
  const waiters: (() => void)[] = []

  const change = () => new Promise<void>((resolve) => void waiters.push(resolve))
  function changed() {
    for (const wake of waiters.splice(0)) wake()
  }

  async function pump() {
    try {
      for await (const piece of source) {
        held.push(piece)
        heldSamples += piece.length
        samples += piece.length
        changed()
        while (heldSamples >= aheadMax) await change()
      }
    } catch (thrown) {
      failure = { thrown }
    }
    ended = true
    changed()
  }
  void pump()

  async function* take(): AsyncGenerator<Int16Array, void> {
    for (;;) {
      const piece = held.shift()
      if (piece) {
        heldSamples -= piece.length
        changed()
        yield piece
      } else if (failure) throw failure.thrown
      else if (ended) return
      else await change()
    }
  }

  return {
    pieces: take(),
    get samples() {
      return samples
    },
    get whole() {
      return ended && !failure
    },
    async reached(wanted) {
      while (samples < wanted && !ended) await change()
      if (failure && held.length === 0) throw failure.thrown
    },
  }
}
