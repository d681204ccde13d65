/**
 * Writes with a decoder as everyone exports it: one utterance, one run a token, the keys and values of the text going in and
 * out. The choice of the token is made here.
 */
import { EngineError } from "../engine.ts"
import { createRandom, draw, likeliest, probabilityOf } from "./logits.ts"
import { type OrtSession, type OrtTensor, type OrtTensors, required, run, type TensorMaker } from "./ort.ts"
import type { WhisperConfig } from "./sessions.ts"
import type { TextWriter, WriteOptions } from "./writer.ts"

/** Layer and number of each head of the decoder that listens to what it writes. */
export type AlignmentHeads = readonly (readonly [layer: number, head: number])[]

export interface StepWriterOptions {
  readonly decoder: OrtSession
  readonly config: Pick<WhisperConfig, "d_model" | "decoder_attention_heads" | "vocab_size">
  readonly noSpeech: number
  readonly alignmentHeads?: AlignmentHeads | undefined
  readonly newTensor: TensorMaker
  /** Output of the encoder. The writer owns it. */
  readonly states: OrtTensor
}

/** What the decoder says after one token. */
interface Read {
  readonly logits: Float32Array
  readonly attention: Float32Array | null
}

/** Writes one token a call: so its caller may stop between any two. */
export function createStepWriter(options: StepWriterOptions): TextWriter {
  const { noSpeech } = options
  const steps = startSteps(options)
  const random = createRandom()
  let appended: readonly number[] = []
  let noSpeechProb: number | undefined

  /** What follows the text: from where it goes on from the one before, or else from its start. */
  async function read(text: readonly number[], { start = 0, attention = false }: WriteOptions): Promise<Read> {
    const goesOn = appended.length > 0 && appended.length < text.length && appended.every((token, i) => token === text[i])
    if (!goesOn) steps.restart()
    // Only the first step may append several.
    const parts = goesOn ? text.slice(appended.length).map((token) => [token]) : [text]
    // A copy: the caller's text grows.
    appended = [...text]
    let last: Read | undefined
    for (const part of parts) {
      const rows = await steps.append(part, attention)
      noSpeechProb ??= probabilityOf((rows[start] ?? noRow()).logits, noSpeech)
      last = rows.at(-1)
    }
    return last ?? noRow()
  }

  return {
    size: 1,
    async write([given], options) {
      const text = given ?? []
      const { bannedFirst, temperature = 0 } = options
      const row = await read(text, options)
      const { token, logprob } = temperature > 0 ? draw(row.logits, bannedFirst, temperature, random) : likeliest(row.logits, bannedFirst)
      return [{ tokens: [token], logprobs: [logprob], noSpeechProb: noSpeechProb ?? 0, attention: row.attention && [row.attention] }]
    },
    close: () => steps.close(),
  }
}

function noRow(): never {
  throw new EngineError("unavailable", "the decoder gave no logits")
}

/** Only the exports for word times give the weights of their attention. */
export function givesAttention(decoder: OrtSession, heads: AlignmentHeads): boolean {
  return heads.length > 0 && heads.every(([layer]) => decoder.outputMetadata.some(({ name }) => name === attentionOf(layer)))
}

const attentionOf = (layer: number): string => `cross_attentions.${layer}`

function startSteps({ decoder, config, alignmentHeads = [], newTensor, states }: StepWriterOptions) {
  const heads = config.decoder_attention_heads
  const nothing = () => newTensor("float32", new Float32Array(0), [1, heads, 0, config.d_model / heads])
  const feeds: OrtTensors = { encoder_hidden_states: states }
  const pasts = decoder.inputMetadata.map(({ name }) => name).filter((name) => name.startsWith("past_key_values."))
  const all = decoder.outputMetadata.map(({ name }) => name).filter((name) => name === "logits" || name.startsWith("present."))
  // The keys and values of the audio come out of the first step and never change.
  const changing = all.filter((name) => !name.includes(".encoder."))
  const layers = givesAttention(decoder, alignmentHeads) ? [...new Set(alignmentHeads.map(([layer]) => layer))] : []
  let first = true

  function keep(output: OrtTensors): void {
    for (const [name, tensor] of Object.entries(output)) {
      if (!name.startsWith("present.")) continue
      const past = name.replace("present.", "past_key_values.")
      feeds[past]?.dispose()
      feeds[past] = tensor
    }
  }

  /** Head after head, over all positions that the decoder hears. */
  function attentionAt(output: OrtTensors, row: number): Float32Array {
    const rows = alignmentHeads.map(([layer, head]) => {
      const tensor = required(output, attentionOf(layer))
      const [, , count = 0, heard = 0] = tensor.dims
      const from = (head * count + row) * heard
      return (tensor.data as Float32Array).subarray(from, from + heard)
    })
    return Float32Array.from(rows.flatMap((weights) => [...weights]))
  }

  return {
    /** Forgets the text. */
    restart() {
      first = true
      for (const name of pasts) {
        feeds[name]?.dispose()
        feeds[name] = nothing()
      }
    },
    /** What follows each of the tokens. Only the first step may append several. */
    async append(tokens: readonly number[], attention: boolean): Promise<Read[]> {
      feeds.input_ids = newTensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length])
      feeds.use_cache_branch = newTensor("bool", Uint8Array.of(first ? 0 : 1), [1])
      const listens = attention && layers.length > 0
      const output = await run(decoder, feeds, [...(first ? all : changing), ...(listens ? layers.map(attentionOf) : [])])
      first = false
      keep(output)
      const rows = required(output, "logits").data as Float32Array
      return tokens.map((_, i) => ({
        logits: rows.subarray(i * config.vocab_size, (i + 1) * config.vocab_size),
        attention: listens ? attentionAt(output, i) : null,
      }))
    },
    close() {
      for (const [name, tensor] of Object.entries(feeds)) {
        tensor.dispose()
        delete feeds[name]
      }
    },
  }
}
