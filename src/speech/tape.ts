/**
 * The audio of one stream that somebody may still ask for, by its place in the stream. Twice as many chunks cost one piece
 * more and not twice the memory, so a client who sends one sample a message holds no more than its samples. Knows no
 * utterance.
 */
import { joinSamples } from "../audio/pcm.ts"

export interface Tape {
  /** Samples ever added: the place of the next one. */
  readonly endSample: number
  /** Samples held now. */
  readonly heldSamples: number
  /** Keeps the array itself. */
  add(samples: Int16Array): void
  /** From `start` up to `end`, without what was dropped or is not there yet: an array of its own, or the very one added. */
  read(start: number, end: number): Int16Array
  /** Nobody will ask for what lies before. */
  drop(before: number): void
}

export function createTape(): Tape {
  /** Without gaps, up to `endSample`; each longer than the next, but for the first, which may be the rest of a longer one. */
  const pieces: Int16Array[] = []
  let startSample = 0
  let endSample = 0

  /** The first piece without so many samples. What is left never holds on to more than twice its own memory. */
  function shorten(piece: Int16Array, count: number) {
    const rest = piece.subarray(count)
    pieces[0] = rest.byteLength * 2 < rest.buffer.byteLength ? rest.slice() : rest
  }

  return {
    get endSample() {
      return endSample
    },
    get heldSamples() {
      return endSample - startSample
    },
    add(samples) {
      if (samples.length === 0) return
      endSample += samples.length
      let last = samples
      for (let before = pieces.at(-1); before && before.length <= last.length; before = pieces.at(-1)) {
        pieces.pop()
        last = joinSamples([before, last])
      }
      pieces.push(last)
    },
    read(start, end) {
      const wanted: Int16Array[] = []
      let at = startSample
      for (const piece of pieces) {
        const part = piece.subarray(Math.max(0, start - at), Math.max(0, end - at))
        if (part.length > 0) wanted.push(part.length === piece.length ? piece : part)
        at += piece.length
      }
      const [only] = wanted
      return wanted.length === 1 && only && only.byteLength === only.buffer.byteLength ? only : joinSamples(wanted)
    },
    drop(before) {
      for (let first = pieces[0]; first && startSample < before; first = pieces[0]) {
        const count = Math.min(first.length, before - startSample)
        if (count === first.length) pieces.shift()
        else shorten(first, count)
        startSample += count
      }
    },
  }
}
