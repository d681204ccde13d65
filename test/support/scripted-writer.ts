/**
 * Sessions whose writers are told beforehand what they will write, for batches, drafts, temperatures and attention. They hold
 * decoding to the laws of `writer.ts`: who breaks one fails.
 */
import type { WhisperSessions } from "../../src/engines/whisper/sessions.ts"
import type { TextWriter, WriteOptions, Written } from "../../src/engines/whisper/writer.ts"
import { END } from "./scripted-whisper.ts"

/** What was asked of a writer. */
export interface Asked extends WriteOptions {
  /** Empty where the text was over. */
  readonly texts: readonly (readonly number[])[]
}

export interface Choice {
  readonly token: number
  /** -0.1 if absent. */
  readonly logprob?: number
}

export interface WriterScript {
  /** What follows a text, of which utterance (counted as they were encoded), in a context of so many frames. */
  next(text: readonly number[], where: { utterance: number; frames: number; temperature: number }): number | Choice
  /** In a context of so many frames. */
  readonly noSpeechProb?: number | ((frames: number) => number)
  readonly batchMax?: number
  readonly shortContext?: boolean
  readonly maxTokens?: number
  /** The row of a token at this place of the text, of `alignment.heads` heads; no attention if absent. */
  readonly attention?: (place: number) => Float32Array
  readonly heads?: number
  /** Called before each write. */
  readonly onWrite?: (count: number) => void
}

export interface ScriptedWriters extends WhisperSessions {
  /** Of every call of every writer, in order. */
  readonly asked: Asked[]
  /** Frames of each utterance of each call of `encode`. */
  readonly encoded: number[][]
  /** Writers that were not closed. */
  readonly open: () => number
}

/** So many words without a pattern, others for each seed. */
export function manyWords(count: number, seed = 1): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (state * 48_271) % 2_147_483_647
    return 1 + (state % 9)
  })
}

export function scriptedWriters(script: WriterScript): ScriptedWriters {
  const { batchMax = 4, shortContext = true, maxTokens = 448, heads = 1, noSpeechProb = 0.1 } = script
  const asked: Asked[] = []
  const encoded: number[][] = []
  let utterances = 0
  let open = 0

  function writer(frames: readonly number[]): TextWriter {
    const first = utterances
    utterances += frames.length
    open++
    let last: (string | null)[] | undefined
    let begin: string | undefined

    function hold(texts: readonly (readonly number[] | null)[]) {
      const live = texts.filter((text) => text !== null)
      if (texts.length !== frames.length) throw new Error(`${texts.length} texts for ${frames.length} utterances`)
      if (new Set(live.map(({ length }) => length)).size !== 1) throw new Error("texts of several lengths")
      const told = texts.map((text) => text?.join() ?? null)
      begin ??= told.join(";")
      const goesOn = (text: string | null, i: number) => text === null || !last || text.startsWith(last[i] ?? "over")
      if (told.join(";") !== begin && !told.every(goesOn)) throw new Error("a text that does not go on")
      if (live.some((text) => text.includes(END))) throw new Error("a text that is over")
      last = told
    }

    function write(text: readonly number[], index: number, options: WriteOptions): Written {
      const tokens: number[] = []
      const logprobs: number[] = []
      const attention: Float32Array[] = []
      while (tokens.length < options.most && tokens.at(-1) !== END) {
        const all = [...text, ...tokens]
        const place = { utterance: first + index, frames: frames[index] ?? 0, temperature: options.temperature ?? 0 }
        const chosen = script.next(all, place)
        const { token, logprob = -0.1 } = typeof chosen === "number" ? { token: chosen } : chosen
        if (script.attention) attention.push(script.attention(all.length))
        const isDrafted = options.draft === undefined || options.draft[tokens.length] === token
        tokens.push(token)
        logprobs.push(logprob)
        if (!isDrafted) break
      }
      const told = typeof noSpeechProb === "number" ? noSpeechProb : noSpeechProb(frames[index] ?? 0)
      return { tokens, logprobs, noSpeechProb: told, attention: options.attention && script.attention ? attention : null }
    }

    return {
      size: frames.length,
      async write(texts, options) {
        script.onWrite?.(asked.length + 1)
        hold(texts)
        if (options.most < 1) throw new Error("nothing to write")
        if (options.draft && texts.length > 1) throw new Error("a draft in a batch")
        asked.push({ ...options, texts: texts.map((text) => [...(text ?? [])]) })
        const nothing: Written = { tokens: [], logprobs: [], noSpeechProb: 0, attention: null }
        const written = texts.map((text, index) => (text === null ? nothing : write(text, index, options)))
        const longest = Math.max(...written.map(({ tokens }) => tokens.length))
        // Behind an end stands anything.
        const filled = (one: Written) => ({ ...one, tokens: [...one.tokens, ...Array(longest - one.tokens.length).fill(7)] })
        return written.map((one) => (one === nothing ? one : filled(one)))
      },
      close() {
        open--
      },
    }
  }

  return {
    bins: 80,
    shortContext,
    maxTokens,
    batchMax,
    alignment: script.attention ? { heads } : null,
    asked,
    encoded,
    open: () => open,
    async encode(batch) {
      if (batch.length < 1 || batch.length > batchMax) throw new Error(`${batch.length} utterances at once`)
      encoded.push(batch.map(({ frames }) => frames))
      return writer(batch.map(({ frames }) => frames))
    },
  }
}
