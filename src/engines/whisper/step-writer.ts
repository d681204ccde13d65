/**
 * Writes with a decoder as everyone exports it: one run a token, the keys and values of the text going in and out. The
 * choice of the token is made here.
 */
import { EngineError } from "../engine.ts"
import { likeliest, probabilityOf } from "./logits.ts"
import { type OrtSession, type OrtTensor, type OrtTensors, required, run, type TensorMaker } from "./ort.ts"
import type { WhisperConfig } from "./sessions.ts"
import type { TextWriter } from "./writer.ts"

export interface StepWriterOptions {
  readonly decoder: OrtSession
  readonly config: Pick<WhisperConfig, "d_model" | "decoder_attention_heads" | "vocab_size">
  readonly noSpeech: number
  readonly newTensor: TensorMaker
  /** Output of the encoder. The writer owns it. */
  readonly states: OrtTensor
}

/** Writes one token a call: so its caller may stop between any two. */
export function createStepWriter(options: StepWriterOptions): TextWriter {
  const steps = startSteps(options)
  let appended = 0
  let noSpeechProb = 0

  /** Logits of what follows the text. */
  async function read(text: readonly number[]): Promise<Float32Array> {
    if (appended === 0) {
      const rows = await steps.append(text)
      noSpeechProb = probabilityOf(rows[0] ?? noRow(), options.noSpeech)
      appended = text.length
      return rows.at(-1) ?? noRow()
    }
    let row: Float32Array | undefined
    for (const token of text.slice(appended)) {
      row = (await steps.append([token]))[0]
      appended++
    }
    return row ?? noRow()
  }

  return {
    size: 1,
    async write([text = []], { bannedFirst }) {
      const { token, logprob } = likeliest(await read(text), bannedFirst)
      return [{ tokens: [token], logprobs: [logprob], noSpeechProb, attention: null }]
    },
    close: () => steps.close(),
  }
}

function noRow(): never {
  throw new EngineError("unavailable", "the decoder gave no logits")
}

function startSteps({ decoder, config, newTensor, states }: StepWriterOptions) {
  const heads = config.decoder_attention_heads
  const nothing = () => newTensor("float32", new Float32Array(0), [1, heads, 0, config.d_model / heads])
  const feeds: OrtTensors = { encoder_hidden_states: states }
  for (const { name } of decoder.inputMetadata) if (name.startsWith("past_key_values.")) feeds[name] = nothing()
  // Not the attention weights that exports for word times give as well.
  const all = decoder.outputMetadata.map(({ name }) => name).filter((name) => name === "logits" || name.startsWith("present."))
  // The keys and values of the audio come out of the first step and never change.
  const changing = all.filter((name) => !name.includes(".encoder."))
  let first = true

  function keep(output: OrtTensors): void {
    for (const [name, tensor] of Object.entries(output)) {
      if (!name.startsWith("present.")) continue
      const past = name.replace("present.", "past_key_values.")
      feeds[past]?.dispose()
      feeds[past] = tensor
    }
  }

  return {
    /** Logits of what follows each of the tokens. Only the first step may append several. */
    async append(tokens: readonly number[]): Promise<Float32Array[]> {
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
        tensor.dispose()
        delete feeds[name]
      }
    },
  }
}
