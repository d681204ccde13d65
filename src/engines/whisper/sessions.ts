/**
 * The two halves of a Whisper as ONNX Runtime sessions: audio features to what is heard in them, and that to a text. Tells
 * our own export from the others; knows neither what a token means nor where the model came from.
 *
 * `run` of a session blocks this thread for its length, inside a setImmediate: between two runs the event loop turns.
 */
import { z } from "zod"
import { createLoopWriter, isLoopDecoder } from "./loop-writer.ts"
import { type OrtSession, required, run, type TensorMaker } from "./ort.ts"
import { createStepWriter } from "./step-writer.ts"
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
  num_mel_bins: z.number().int().positive(),
  max_target_positions: z.number().int().positive(),
  vocab_size: z.number().int().positive(),
})
export type WhisperConfig = z.infer<typeof whisperConfig>

export interface SessionsOptions {
  readonly encoder: OrtSession
  readonly decoder: OrtSession
  readonly config: WhisperConfig
  /** The token whose probability says that nobody spoke. */
  readonly noSpeech: number
  readonly newTensor: TensorMaker
}

/** Throws an Error if the sessions are not those of a Whisper with float32 tensors. */
export function wrapSessions({ encoder, decoder, config, noSpeech, newTensor }: SessionsOptions): WhisperSessions {
  const [features] = encoder.inputMetadata
  const [states] = encoder.outputMetadata
  if (features?.type !== "float32" || states?.type !== "float32") throw new Error("its encoder does not take and give float32")
  const bins = Number(features.shape?.[1]) || config.num_mel_bins
  const loops = isLoopDecoder(decoder)
  const outputs = encoder.outputMetadata.map(({ name }) => name)
  return {
    bins,
    // An export may also count silent positions by a weight in an extra channel, and write one token a step.
    shortContext: loops || states.shape?.[2] === config.d_model + 1,
    maxTokens: config.max_target_positions,
    batchMax: 1,
    alignment: null,
    async encode(batch) {
      const [utterance, ...others] = batch
      if (utterance === undefined || others.length > 0) throw new Error(`${batch.length} utterances at once`)
      const input = newTensor("float32", utterance.features, [1, bins, utterance.frames])
      const heard = await run(encoder, { [features.name]: input }, loops ? outputs : [states.name])
      if (loops) return createLoopWriter({ decoder, config, newTensor, heard })
      return createStepWriter({ decoder, config, noSpeech, newTensor, states: required(heard, states.name) })
    },
  }
}
