/**
 * Writes with the decoder of our own export (weights/export_whisper.py), which picks token after token within one run.
 * Knows no other decoder.
 */
import { type OrtSession, type OrtTensor, type OrtTensors, required, run, type TensorMaker } from "./ort.ts"
import type { WhisperConfig } from "./sessions.ts"
import type { Bans, TextWriter } from "./writer.ts"

/** Only our own decoder is told how many tokens to write. */
export const isLoopDecoder = (decoder: OrtSession): boolean => decoder.inputMetadata.some(({ name }) => name === "steps")

export interface LoopWriterOptions {
  readonly decoder: OrtSession
  readonly config: Pick<WhisperConfig, "vocab_size">
  readonly newTensor: TensorMaker
  /** Outputs of the encoder, by the names that the decoder knows them by. The writer owns them. */
  readonly heard: OrtTensors
}

export function createLoopWriter({ decoder, config, newTensor, heard }: LoopWriterOptions): TextWriter {
  const biases = biasesFor(config.vocab_size)
  const tensor = (rows: number, bias: Float32Array) => newTensor("float32", bias, [rows, config.vocab_size])

  return {
    size: 1,
    async write(texts, { bannedFirst, banned, most }) {
      const [text = []] = texts
      const feeds: OrtTensors = {
        ...heard,
        tokens: newTensor("int64", BigInt64Array.from(text, BigInt), [1, text.length]),
        steps: newTensor("int64", BigInt64Array.of(BigInt(most)), []),
        first_bias: tensor(2, biases.first(bannedFirst)),
        bias: tensor(1, biases.later(banned)),
      }
      const output = await run(decoder, feeds, ["written", "logprobs", "no_speech"])
      const [noSpeechLogprob = Number.NEGATIVE_INFINITY] = floats(required(output, "no_speech"))
      const tokens = Array.from(required(output, "written").data as BigInt64Array, Number)
      return [{ tokens, logprobs: [...floats(required(output, "logprobs"))], noSpeechProb: Math.exp(noSpeechLogprob), attention: null }]
    },
    close() {
      for (const [name, tensor] of Object.entries(heard)) {
        tensor.dispose()
        delete heard[name]
      }
    },
  }
}

const floats = (tensor: OrtTensor): Float32Array => tensor.data as Float32Array

interface Biases {
  /** One row without any bias, for the no-speech probability, and one for the first token. */
  first(bans: Bans): Float32Array
  later(bans: Bans): Float32Array
}

const biasesBySize = new Map<number, Biases>()

/** What is added to the logits so that no banned token is picked: 400 kB, hence made once. */
function biasesFor(size: number): Biases {
  const known = biasesBySize.get(size)
  if (known) return known
  const firsts = new WeakMap<Bans, Float32Array>()
  const laters = new WeakMap<Bans, Float32Array>()
  const fill = (bias: Float32Array, bans: Bans, at: number) => {
    for (let token = 0; token < size; token++) if (bans[token] !== 0) bias[at + token] = Number.NEGATIVE_INFINITY
    return bias
  }
  const once = (made: WeakMap<Bans, Float32Array>, bans: Bans, rows: number) => {
    const bias = made.get(bans) ?? fill(new Float32Array(rows * size), bans, (rows - 1) * size)
    made.set(bans, bias)
    return bias
  }
  const biases = { first: (bans: Bans) => once(firsts, bans, 2), later: (bans: Bans) => once(laters, bans, 1) }
  biasesBySize.set(size, biases)
  return biases
}
