import type { OrtTensor, WhisperSessions } from "../../src/engines/whisper/sessions.ts"
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
  /** Every append of every text, in order. */
  readonly appended: number[][]
  /** Frames of every encode, in order. */
  readonly encodedFrames: number[]
  /** Texts that were started and not closed, and states that were not disposed. */
  readonly open: () => number
}

export interface Script {
  /** What follows the tokens of a text so far, heard in a context of so many frames. */
  next(tokens: readonly number[], frames: number): Likely
  readonly shortContext?: boolean
  readonly maxTokens?: number
  readonly onAppend?: (count: number) => void
}

/** The two halves of a model whose words are told beforehand: for what decoding does with odd ones. */
export function scriptedSessions({ next, shortContext = true, maxTokens = 448, onAppend }: Script): ScriptedSessions {
  const appended: number[][] = []
  const encodedFrames: number[] = []
  let open = 0
  return {
    appended,
    encodedFrames,
    open: () => open,
    bins: 80,
    shortContext,
    maxTokens,
    async encode(_features, frames) {
      encodedFrames.push(frames)
      open++
      return { frames, dispose: () => open-- } as unknown as OrtTensor
    },
    startText(states) {
      const { frames } = states as unknown as { frames: number }
      const text: number[] = []
      let closed = false
      open++
      return {
        async append(tokens) {
          appended.push([...tokens])
          onAppend?.(appended.length)
          return tokens.map((token) => {
            text.push(token)
            return rowOf(next(text, frames))
          })
        },
        close() {
          if (!closed) open--
          closed = true
        },
      }
    },
  }
}
