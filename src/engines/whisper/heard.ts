/**
 * Memory for what our encoder heard in a batch: the keys and values that the decoder attends to lie in it once, utterance after
 * utterance, and ONNX Runtime writes and reads them in place. Copies of them, and fresh memory each time, took a tenth of a
 * recognition. Knows the names and shapes of weights/export_whisper.py and nothing else.
 */
import type { OrtTensors, TensorMaker } from "./ort.ts"

export interface HeardMemory {
  /** Memory for `batch` utterances of `heard` positions. It MUST be given back by `release`, unless nobody has it any more. */
  take(batch: number, heard: number): Heard
}

export interface Heard {
  /** What the encoder writes to for one utterance. */
  utterance(index: number): OrtTensors
  /** What the decoder reads: all of them. */
  readonly all: OrtTensors
  release(): void
}

interface Shape {
  readonly layers: number
  readonly heads: number
  readonly width: number
}

/** Memory is taken in steps of 16 MiB, so that a slightly longer batch finds room as well; what is never written costs nothing. */
const ROOM_FLOATS = 4 * 1024 * 1024
/** How long memory waits for the next batch: under load each finds that of the one before, and an idle engine collects it as garbage. */
const KEEP_MS = 40

export function createHeardMemory({ layers, heads, width }: Shape, newTensor: TensorMaker): HeardMemory {
  let spare: Float32Array | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  return {
    take(batch, heard) {
      const size = width / heads
      const parts = [{ name: "cross.bias", dims: [1, 1, heard] }]
      for (let i = 0; i < layers; i++) {
        parts.push({ name: `cross.${i}.key`, dims: [heads, size, heard] }, { name: `cross.${i}.value`, dims: [heads, heard, size] })
      }
      const floats = batch * heard * (1 + 2 * layers * width)
      const memory = spare !== undefined && spare.length >= floats ? spare : new Float32Array(Math.ceil(floats / ROOM_FLOATS) * ROOM_FLOATS)
      spare = undefined
      clearTimeout(timer)

      /** Tensors over `count` utterances from `first` on. */
      function tensors(first: number, count: number): OrtTensors {
        const result: OrtTensors = {}
        let at = 0
        for (const { name, dims } of parts) {
          const length = dims.reduce((product, dim) => product * dim, 1)
          const from = at + first * length
          result[name] = newTensor("float32", memory.subarray(from, from + count * length), [count, ...dims])
          at += batch * length
        }
        return result
      }

      return {
        utterance: (index) => tensors(index, 1),
        all: tensors(0, batch),
        release() {
          spare = memory
          clearTimeout(timer)
          timer = setTimeout(() => {
            spare = undefined
          }, KEEP_MS)
          timer.unref()
        },
      }
    },
  }
}
