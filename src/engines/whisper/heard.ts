/**
 * What our encoder hears in one utterance, and several of them side by side as our decoder reads them. Knows the shapes of
 * weights/export_whisper.py and nothing else.
 */
import type { OrtTensors, TensorMaker } from "./ort.ts"

/** One utterance: `positions` of its audio, then those of its silent tail, each `width` bytes. */
export interface Heard {
  /** Around ZERO, in steps of `scale`. */
  readonly states: Uint8Array
  readonly scale: number
  readonly positions: number
}

/** The byte that stands for 0. */
const ZERO = 128

/**
 * Batches are lengthened to a multiple of so many positions, also that of one utterance alone: sums then go the same way
 * over each of them in any company, to the last bit, and so no text changes with its neighbours.
 */
const LENGTH_MULTIPLE = 16

export interface Shape {
  /** Bytes of a position. */
  readonly width: number
  /** Each position of the tail counts for so many. */
  readonly stride: number
}

/** What the decoder is fed with to listen to these; what is added to the shorter ones has no weight. */
export function sideBySide(utterances: readonly Heard[], { width, stride }: Shape, newTensor: TensorMaker): OrtTensors {
  const longest = Math.max(...utterances.map(({ states }) => states.length / width))
  const length = Math.ceil(longest / LENGTH_MULTIPLE) * LENGTH_MULTIPLE
  const states = new Uint8Array(utterances.length * length * width).fill(ZERO)
  const bias = new Float32Array(utterances.length * length).fill(Number.NEGATIVE_INFINITY)
  for (const [i, utterance] of utterances.entries()) {
    states.set(utterance.states, i * length * width)
    bias.fill(Math.log(stride), i * length, i * length + utterance.states.length / width)
    bias.fill(0, i * length, i * length + utterance.positions)
  }
  const scales = Float32Array.from(utterances, ({ scale }) => scale)
  return {
    heard: newTensor("uint8", states, [utterances.length, length, width]),
    scales: newTensor("float32", scales, [utterances.length, 1, 1]),
    bias: newTensor("float32", bias, [utterances.length, 1, 1, length]),
  }
}
