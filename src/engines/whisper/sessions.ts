/**
 * The two halves of a Whisper as ONNX Runtime sessions: audio features to states, tokens to logits. Holds the tensors of
 * running work; knows neither what a token means nor where the model came from.
 *
 * `run` of a session blocks this thread for its length, inside a setImmediate: between two steps the event loop turns.
 */
import type { Tensor } from "@huggingface/transformers"
import { z } from "zod"
import { EngineError } from "../engine.ts"

export type OrtTensor = Tensor["ort_tensor"]

interface ValueMetadata {
  readonly name: string
  readonly type?: string
  readonly shape?: readonly (number | string)[]
}

/** The part of onnxruntime's InferenceSession that is used here. */
export interface OrtSession {
  readonly inputMetadata: readonly ValueMetadata[]
  readonly outputMetadata: readonly ValueMetadata[]
  run(feeds: Record<string, OrtTensor>, outputs: readonly string[]): Promise<Record<string, OrtTensor>>
}

/** Makes a tensor over the array, without a copy. */
export type TensorMaker = (type: "float32" | "int64" | "bool", data: Float32Array | BigInt64Array | Uint8Array, dims: number[]) => OrtTensor

export interface WhisperSessions {
  /** Log-mel bins that the encoder expects. */
  readonly bins: number
  /** True if the encoder takes fewer than the 3000 frames of 30 s: only our own export does (weights/export_whisper.py). */
  readonly shortContext: boolean
  /** Positions of the decoder: the most tokens of prompt and text together. */
  readonly maxTokens: number
  encode(features: Float32Array, frames: number): Promise<OrtTensor>
  /** Starts a text over what `encode` gave. Several may be open; each must be closed. */
  startText(states: OrtTensor): TokenSteps
}

export interface TokenSteps {
  /**
   * Appends tokens and gives the logits of what follows each of them, one row per token. The first step may append
   * several, later ones one.
   */
  append(tokens: readonly number[]): Promise<readonly Float32Array[]>
  /** Idempotent; releases the tensors of this text. */
  close(): void
}

/** What is read of a model's `config.json`. */
export const whisperConfig = z.object({
  d_model: z.number().int().positive(),
  decoder_attention_heads: z.number().int().positive(),
  num_mel_bins: z.number().int().positive(),
  max_target_positions: z.number().int().positive(),
  vocab_size: z.number().int().positive(),
})
type WhisperConfig = z.infer<typeof whisperConfig>

export interface SessionsOptions {
  readonly encoder: OrtSession
  readonly decoder: OrtSession
  readonly config: WhisperConfig
  readonly newTensor: TensorMaker
}

/** Throws an Error if the sessions are not those of a Whisper with float32 tensors. */
export function wrapSessions({ encoder, decoder, config, newTensor }: SessionsOptions): WhisperSessions {
  const [features] = encoder.inputMetadata
  const [states] = encoder.outputMetadata
  if (features?.type !== "float32" || states?.type !== "float32") throw new Error("its encoder does not take and give float32")
  const bins = Number(features.shape?.[1]) || config.num_mel_bins
  return {
    bins,
    // Our export carries the weight of each position in one extra channel, and only a decoder exported with it reads that.
    shortContext: states.shape?.[2] === config.d_model + 1,
    maxTokens: config.max_target_positions,
    async encode(values, frames) {
      const output = await run(encoder, { [features.name]: newTensor("float32", values, [1, bins, frames]) }, [states.name])
      return required(output, states.name)
    },
    startText: (encoded) => startText({ decoder, config, newTensor, encoded }),
  }
}

function startText({
  decoder,
  config,
  newTensor,
  encoded,
}: Omit<SessionsOptions, "encoder"> & { readonly encoded: OrtTensor }): TokenSteps {
  const heads = config.decoder_attention_heads
  const nothing = () => newTensor("float32", new Float32Array(0), [1, heads, 0, config.d_model / heads])
  const feeds: Record<string, OrtTensor> = { encoder_hidden_states: encoded }
  for (const { name } of decoder.inputMetadata) if (name.startsWith("past_key_values.")) feeds[name] = nothing()
  // Not the attention weights that exports for word times give as well.
  const all = decoder.outputMetadata.map(({ name }) => name).filter((name) => name === "logits" || name.startsWith("present."))
  // The keys and values of the audio come out of the first step and never change.
  const changing = all.filter((name) => !name.includes(".encoder."))
  let first = true

  function keep(output: Record<string, OrtTensor>): void {
    for (const [name, tensor] of Object.entries(output)) {
      if (!name.startsWith("present.")) continue
      const past = name.replace("present.", "past_key_values.")
      feeds[past]?.dispose()
      feeds[past] = tensor
    }
  }

  return {
    async append(tokens) {
      feeds.input_ids = newTensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length])
      feeds.use_cache_branch = newTensor("bool", Uint8Array.of(first ? 0 : 1), [1])
      const output = await run(decoder, feeds, first ? all : changing)
      first = false
      keep(output)
      const rows = required(output, "logits").data as Float32Array
      return tokens.map((_, i) => rows.subarray(i * config.vocab_size, (i + 1) * config.vocab_size))
    },
    close() {
      for (const [name, tensor] of Object.entries(feeds)) {
        if (name.startsWith("past_key_values.")) tensor.dispose()
        delete feeds[name]
      }
    },
  }
}

async function run(session: OrtSession, feeds: Record<string, OrtTensor>, outputs: readonly string[]): Promise<Record<string, OrtTensor>> {
  try {
    return await session.run(feeds, outputs)
  } catch (cause) {
    throw new EngineError("unavailable", "ONNX Runtime failed to run the model", { cause })
  }
}

function required(output: Record<string, OrtTensor>, name: string): OrtTensor {
  const tensor = output[name]
  if (tensor === undefined) throw new EngineError("unavailable", `the model gave no ${name}`)
  return tensor
}
