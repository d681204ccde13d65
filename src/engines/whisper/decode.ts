/**
 * Greedy decoding of one utterance: from what was heard to tokens, with the two numbers that OpenAI's decoder reports and
 * transformers.js does not: the no-speech probability and the average logprob. Knows no audio and no text.
 */
import { EngineError } from "../engine.ts"
import { lengthBeforeLoop } from "./loops.ts"
import type { Vocabulary } from "./tokens.ts"
import type { TextWriter } from "./writer.ts"

/** Why the text ends: the model ended it, it went round in circles, or it outgrew its ceiling. */
export type Stop = "end" | "loop" | "ceiling"

export interface Decoded {
  /** Without prompt and end of text; of a loop only its first round. */
  readonly tokens: readonly number[]
  readonly language: string
  readonly stop: Stop
  /** Mean natural log of the probabilities of the tokens, the end of text among them. */
  readonly avgLogprob: number
  /** Probability that nobody spoke, as the model says before its first token. */
  readonly noSpeechProb: number
}

export interface DecodeOptions {
  /** Of one utterance, and nothing written yet. */
  readonly writer: TextWriter
  readonly vocabulary: Vocabulary
  /** A language of the vocabulary, or null: the likeliest one. */
  readonly language: string | null
  /** Most tokens of text. */
  readonly ceiling: number
  /** Positions of the model: most tokens of prompt and text together. */
  readonly maxTokens: number
  /** Looked at before each stretch of tokens: rejects with an EngineError `aborted`. */
  readonly signal: AbortSignal
}

/**
 * Tokens written at a time: 80 ms of base, as long as its encoder takes. Between two stretches an abort is heard, and the
 * text so far is read again, which costs two steps.
 */
const STRETCH_TOKENS = 32

export async function decode(options: DecodeOptions): Promise<Decoded> {
  const { writer, vocabulary, signal } = options
  const detected = options.language === null ? await detectLanguage(options) : null
  const language = detected?.language ?? options.language ?? ""
  const prompt = [vocabulary.startOfTranscript, ...vocabulary.promptFor(language)]
  const most = Math.min(options.ceiling, options.maxTokens - prompt.length)
  const tokens: number[] = []
  const logprobs: number[] = []
  let noSpeechProb = detected?.noSpeechProb
  const done = (stop: Stop): Decoded => ({ tokens, language, stop, avgLogprob: mean(logprobs), noSpeechProb: noSpeechProb ?? 0 })

  for (;;) {
    throwIfAborted(signal)
    const written = await writer.write([...prompt, ...tokens], {
      bannedFirst: tokens.length === 0 ? vocabulary.bannedFirst : vocabulary.banned,
      banned: vocabulary.banned,
      most: Math.min(STRETCH_TOKENS, most - tokens.length),
    })
    noSpeechProb ??= written.noSpeechProb
    for (const [i, token] of written.tokens.entries()) {
      logprobs.push(written.logprobs[i] ?? Number.NEGATIVE_INFINITY)
      if (token === vocabulary.endOfText) return done("end")
      tokens.push(token)
      const worth = lengthBeforeLoop(tokens)
      if (worth !== null) {
        tokens.length = worth
        logprobs.length = worth
        return done("loop")
      }
      if (tokens.length >= most) return done("ceiling")
    }
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** The token that the model writes first if it may write nothing but languages. */
async function detectLanguage({ writer, vocabulary, signal }: DecodeOptions): Promise<{ language: string; noSpeechProb: number }> {
  throwIfAborted(signal)
  const { startOfTranscript, languages, bannedInPlaceOfLanguage: banned } = vocabulary
  const { tokens, noSpeechProb } = await writer.write([startOfTranscript], { bannedFirst: banned, banned, most: 1 })
  const [language] = [...languages].find(([, token]) => token === tokens[0]) ?? ["en"]
  return { language, noSpeechProb }
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new EngineError("aborted", "the caller gave up on the utterance")
}
