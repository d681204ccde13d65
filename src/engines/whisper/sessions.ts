/**
 * The two halves of a Whisper as ONNX Runtime sessions: audio features to what is heard in them, and that to texts. Tells
 * our own export from the others; knows neither what a token means nor where the model came from.
 *
 * `run` of a session blocks this thread for its length, inside a setImmediate: between two runs the event loop turns.
 */
import { z } from "zod"
import { createHeardMemory } from "./heard.ts"
import { alignmentHeadsOf, createLoopWriter, isLoopDecoder } from "./loop-writer.ts"
import { type OrtSession, required, run, runInto, type TensorMaker } from "./ort.ts"
import { type AlignmentHeads, createStepWriter, givesAttention } from "./step-writer.ts"
import type { TextWriter } from "./writer.ts"

export interface WhisperSessions {
  /** Log-mel bins that the encoder expects. */
  readonly bins: number
  /** True if the encoder takes fewer than the 3000 frames of 30 s: only exports that count silent positions by weights do (weights/export_whisper.py). */
  readonly shortContext: boolean
  /** Positions of the decoder: the most tokens of prompt and text together. */
  readonly maxTokens: number
  /** The most utterances that one writer may write for. */
  readonly batchMax: number
  /** How many heads of the decoder tell where it listens (`Written.attention`); null if none does. */
  readonly alignment: { readonly heads: number } | null
  /** Hears 1 to `batchMax` utterances and gives who writes their texts: it must be closed. */
  encode(batch: readonly AudioFeatures[]): Promise<TextWriter>
}

/** Log-mel features of one utterance: `bins × frames`, bin after bin. */
export interface AudioFeatures {
  readonly features: Float32Array
  readonly frames: number
}

/** What is read of a model's `config.json`. */
export const whisperConfig = z.object({
  d_model: z.number().int().positive(),
  decoder_attention_heads: z.number().int().positive(),
  decoder_layers: z.number().int().positive().optional(),
  num_mel_bins: z.number().int().positive(),
  max_source_positions: z.number().int().positive().optional(),
  max_target_positions: z.number().int().positive(),
  /** Our own: of so many positions of the silence after the speech one is heard, in their middle. */
  silence_stride: z.number().int().positive().optional(),
  vocab_size: z.number().int().positive(),
})
export type WhisperConfig = z.infer<typeof whisperConfig>

export interface SessionsOptions {
  readonly encoder: OrtSession
  readonly decoder: OrtSession
  readonly config: WhisperConfig
  /** The token whose probability says that nobody spoke. */
  readonly noSpeech: number
  /** Of `generation_config.json`: which heads tell the times of words, in exports that give all of them. */
  readonly alignmentHeads?: AlignmentHeads | undefined
  readonly newTensor: TensorMaker
}

/** What one writer of our own decoder may write for: a fifth is less gain than the fourth by far, and each weighs 20 MB for 10 s. */
const BATCH_MAX = 4

/**
 * What is heard is lengthened to a multiple of so many positions, also that of one utterance alone: sums then go the same way
 * over each of them in any company, to the last bit, and so no text changes with its neighbours.
 */
const HEARD_MULTIPLE = 16

/** Throws an Error if the sessions are not those of a Whisper with float32 tensors. */
export function wrapSessions(options: SessionsOptions): WhisperSessions {
  const { encoder, decoder, config, alignmentHeads = [] } = options
  const [features] = encoder.inputMetadata
  const [states] = encoder.outputMetadata
  if (features?.type !== "float32" || states?.type !== "float32") throw new Error("its encoder does not take and give float32")
  const bins = Number(features.shape?.[1]) || config.num_mel_bins
  const maxTokens = config.max_target_positions
  if (isLoopDecoder(decoder)) {
    const heads = alignmentHeadsOf(decoder)
    const alignment = heads > 0 ? { heads } : null
    return { bins, shortContext: true, maxTokens, batchMax: BATCH_MAX, alignment, encode: createLoopEncode(options, features.name, bins) }
  }
  return {
    bins,
    // An export may also count silent positions by a weight in an extra channel, and write one token a step.
    shortContext: states.shape?.[2] === config.d_model + 1,
    maxTokens,
    batchMax: 1,
    alignment: givesAttention(decoder, alignmentHeads) ? { heads: alignmentHeads.length } : null,
    async encode(batch) {
      const [utterance, ...others] = batch
      if (utterance === undefined || others.length > 0) throw new Error(`${batch.length} utterances at once`)
      const input = options.newTensor("float32", utterance.features, [1, bins, utterance.frames])
      const heard = await run(encoder, { [features.name]: input }, [states.name])
      return createStepWriter({ ...options, states: required(heard, states.name) })
    },
  }
}

/** The encoder of our own export: hears one utterance after another, each as long as the longest. */
function createLoopEncode(options: SessionsOptions, featuresName: string, bins: number): WhisperSessions["encode"] {
  const { encoder, config, newTensor } = options
  const { decoder_layers: layers, max_source_positions: positionsMax, silence_stride: stride } = config
  if (layers === undefined || positionsMax === undefined || stride === undefined)
    throw new Error("its config.json is not that of our export")
  const memory = createHeardMemory({ layers, heads: config.decoder_attention_heads, width: config.d_model }, newTensor)

  /** Positions of the audio: two frames each, but the last two hear the end of the frames. */
  const positionsOf = (frames: number) => frames / 2 - 2
  const tailOf = (positions: number) => Math.max(0, Math.ceil((positionsMax - positions - Math.floor(stride / 2)) / stride))

  return async (batch) => {
    const positions = batch.map(({ frames }) => positionsOf(frames))
    const longest = Math.max(...positions.map((count) => count + tailOf(count)))
    const length = Math.ceil(longest / HEARD_MULTIPLE) * HEARD_MULTIPLE
    const heard = memory.take(batch.length, length)
    for (const [i, { features, frames }] of batch.entries()) {
      const feeds = {
        [featuresName]: newTensor("float32", features, [1, bins, frames]),
        heard: newTensor("int64", BigInt64Array.of(BigInt(length)), [1]),
      }
      await runInto(encoder, feeds, heard.utterance(i))
    }
    return createLoopWriter({ ...options, heard: heard.all, positions, onClose: heard.release })
  }
}
