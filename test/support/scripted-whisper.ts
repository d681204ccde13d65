import type { OrtSession, OrtTensor, OrtTensors, TensorMaker } from "../../src/engines/whisper/ort.ts"
import { type WhisperSessions, wrapSessions } from "../../src/engines/whisper/sessions.ts"
import { readVocabulary, type Vocabulary } from "../../src/engines/whisper/tokens.ts"

/** Ten words, 0 the blank one among them, and the tokens that steer. */
export const BLANK = 0
export const END = 10
export const START = 11
export const ENGLISH = 12
export const FRENCH = 13
export const TRANSCRIBE = 14
export const NO_SPEECH = 15
export const NO_TIMESTAMPS = 16
const VOCABULARY_SIZE = 17
const BINS = 80
const WIDTH = 2

export const smallVocabulary: Vocabulary = readVocabulary({
  decoder_start_token_id: START,
  eos_token_id: END,
  no_timestamps_token_id: NO_TIMESTAMPS,
  begin_suppress_tokens: [BLANK, END],
  lang_to_id: { "<|en|>": ENGLISH, "<|fr|>": FRENCH },
  task_to_id: { transcribe: TRANSCRIBE },
})

/** A probability per token; the rest is shared out among the others. */
export type Likely = Readonly<Record<number, number>>

export function rowOf(likely: Likely): Float32Array {
  const told = Object.values(likely)
  const rest = (1 - told.reduce((sum, p) => sum + p, 0)) / (VOCABULARY_SIZE - told.length)
  return Float32Array.from({ length: VOCABULARY_SIZE }, (_, token) => Math.log(likely[token] ?? rest))
}

export interface ScriptedSessions extends WhisperSessions {
  /** Tokens of every run of the decoder, in order. */
  readonly appended: number[][]
  /** Frames of every run of the encoder, in order. */
  readonly encodedFrames: number[]
  /** Tensors that came out of a run and were not disposed, but for the logits. */
  readonly open: () => number
}

export interface Script {
  /** What follows the tokens of a text so far, heard in a context of so many frames. */
  next(tokens: readonly number[], frames: number): Likely
  readonly shortContext?: boolean
  readonly maxTokens?: number
  readonly onAppend?: (count: number) => void
}

const valuesOf = (feeds: OrtTensors, name: string): number[] => Array.from((feeds[name]?.data ?? []) as Iterable<number | bigint>, Number)

/**
 * A model as everyone exports it, whose words are told beforehand: for what decoding does with odd ones. Its keys of the
 * past are the tokens themselves.
 */
export function scriptedSessions({ next, shortContext = true, maxTokens = 448, onAppend }: Script): ScriptedSessions {
  const appended: number[][] = []
  const encodedFrames: number[] = []
  const open = new Set<OrtTensor>()
  const newTensor: TensorMaker = (type, data, dims) => {
    const tensor = { type, data, dims, dispose: () => open.delete(tensor) } as unknown as OrtTensor
    return tensor
  }
  const result = (values: readonly number[], dims: number[]): OrtTensor => {
    const tensor = newTensor("float32", Float32Array.from(values), dims)
    open.add(tensor)
    return tensor
  }

  const encoder: OrtSession = {
    inputMetadata: [{ name: "input_features", type: "float32", shape: ["batch", BINS, "frames"] }],
    outputMetadata: [{ name: "last_hidden_state", type: "float32", shape: ["batch", "positions", shortContext ? WIDTH + 1 : WIDTH] }],
    async run({ input_features }) {
      const frames = Number(input_features?.dims[2])
      encodedFrames.push(frames)
      return { last_hidden_state: result([frames], [1, 1, 1]) }
    },
  }
  const decoder: OrtSession = {
    inputMetadata: ["input_ids", "encoder_hidden_states", "past_key_values.0.decoder.key", "use_cache_branch"].map((name) => ({ name })),
    outputMetadata: ["logits", "present.0.decoder.key"].map((name) => ({ name })),
    async run(feeds) {
      const tokens = valuesOf(feeds, "input_ids")
      appended.push(tokens)
      onAppend?.(appended.length)
      const [frames = 0] = valuesOf(feeds, "encoder_hidden_states")
      const [goesOn] = valuesOf(feeds, "use_cache_branch")
      const text = goesOn === 1 ? valuesOf(feeds, "past_key_values.0.decoder.key") : []
      const rows = tokens.map((token) => {
        text.push(token)
        return rowOf(next(text, frames))
      })
      const logits = newTensor("float32", Float32Array.from(rows.flatMap((row) => [...row])), [1, rows.length, VOCABULARY_SIZE])
      return { logits, "present.0.decoder.key": result(text, [1, 1, text.length, 1]) }
    },
  }
  const config = {
    d_model: WIDTH,
    decoder_attention_heads: 1,
    num_mel_bins: BINS,
    max_target_positions: maxTokens,
    vocab_size: VOCABULARY_SIZE,
  }
  const sessions = wrapSessions({ encoder, decoder, config, noSpeech: NO_SPEECH, newTensor })
  return { ...sessions, appended, encodedFrames, open: () => open.size }
}
