/**
 * The audio of one stream whose words are still owed, addressed by its place in the stream, so that it can be sent again to
 * another socket. Pure.
 */
import { joinSamples } from "../../audio/pcm.ts"

export interface HeldAudio {
  /** Appends at `end`. Keeps the array. */
  push(samples: Int16Array): void
  /** The next audio from `from` on, at most up to `to` and at most `maxSamples` of it; starts later if `from` was let go. Null if none is left. */
  read(from: number, to: number, maxSamples: number): { readonly at: number; readonly samples: Int16Array } | null
  /** Lets go of everything before `at`. */
  forget(at: number): void
  /** Where the stream ends so far, in samples since it began. */
  readonly end: number
}

export interface HeldAudioOptions {
  /** Beyond it the oldest pieces are let go; one piece alone may be larger. */
  readonly ceilingSamples: number
  readonly onDropped: (samples: number) => void
}

export function createHeldAudio({ ceilingSamples, onDropped }: HeldAudioOptions): HeldAudio {
  /** Contiguous, in order, none empty. */
  const pieces: { readonly at: number; readonly samples: Int16Array }[] = []
  let end = 0

  /** Index of the piece that holds `at`, or of the first after it. */
  function find(at: number): number {
    let low = 0
    let high = pieces.length
    while (low < high) {
      const middle = (low + high) >> 1
      const piece = pieces[middle]
      if (piece && piece.at + piece.samples.length <= at) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    push(samples) {
      if (samples.length === 0) return
      pieces.push({ at: end, samples })
      end += samples.length
      let over = 0
      while (pieces.length - over > 1 && end - (pieces[over]?.at ?? end) > ceilingSamples) over++
      const dropped = pieces.splice(0, over)
      if (over > 0) onDropped(dropped.reduce((sum, piece) => sum + piece.samples.length, 0))
    },
    read(from, to, maxSamples) {
      const first = find(from)
      const at = Math.max(from, pieces[first]?.at ?? end)
      const until = Math.min(to, at + maxSamples)
      if (until <= at) return null
      const parts: Int16Array[] = []
      for (let index = first; ; index++) {
        const piece = pieces[index]
        if (!piece || piece.at >= until) break
        parts.push(piece.samples.subarray(Math.max(0, at - piece.at), until - piece.at))
      }
      return { at, samples: parts.length === 1 && parts[0] ? parts[0] : joinSamples(parts) }
    },
    forget(at) {
      pieces.splice(0, find(at))
    },
    get end() {
      return end
    },
  }
}
