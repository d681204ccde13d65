/**
 * The two halves of a Whisper as ONNX Runtime sessions: audio features to what is heard in them, and that to texts. Tells
 * our own export from the others; knows neither what a token means nor where the model came from.
 *
 * `run` of a session blocks this thread for its length, inside a setImmediate: between two runs the event loop turns.
 */
import { z } from "zod"
import type { Heard } from "./heard.ts"
import { alignmentHeadsOf, createLoopWriter, isLoopDecoder } from "./loop-writer.ts"
import { floats, type OrtSession, required, run, type TensorMaker } from "./ort.ts"
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

/** Throws an Error if the sessions are not those of a Whisper with float32 tensors. */
export function wrapSessions(options: SessionsOptions): WhisperSessions {
  const { encoder, decoder, config, alignmentHeads = [] } = options
  const [features] = encoder.inputMetadata
  const [states] = encoder.outputMetadata
  const loop = isLoopDecoder(decoder)
  if (features?.type !== "float32" || states?.type !== (loop ? "uint8" : "float32"))
    throw new Error("its encoder does not take and give float32")
  const bins = Number(features.shape?.[1]) || config.num_mel_bins
  const maxTokens = config.max_target_positions
  if (loop) {
    const heads = alignmentHeadsOf(decoder)
    const alignment = heads > 0 ? { heads } : null
    return { bins, shortContext: true, maxTokens, batchMax: BATCH_MAX, alignment, encode: createLoopEncode(options, bins) }
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

/** The encoder of our own export: hears one utterance after another. */
function createLoopEncode({ encoder, decoder, config, newTensor }: SessionsOptions, bins: number): WhisperSessions["encode"] {
  const { d_model: width, silence_stride: stride } = config
  if (stride === undefined) throw new Error("its config.json is not that of our export")
  return async (batch) => {
    const heard: Heard[] = []
    for (const { features, frames } of batch) {
      const output = await run(encoder, { input_features: newTensor("float32", features, [1, bins, frames]) }, ["heard", "scale"])
      const [scale = 0] = floats(required(output, "scale"))
      heard.push({ states: required(output, "heard").data as Uint8Array, scale, positions: positionsOf(frames) })
    }
    return createLoopWriter({ decoder, config, newTensor, heard, shape: { width, stride } })
  }
}

/** Of the audio, without the tail: two frames each, but the last two hear the end of the frames. */
const positionsOf = (frames: number) => frames / 2 - 2
