/**
 * Greedy decoding of one utterance: from encoder states to tokens, with the two numbers that OpenAI's decoder reports and
 * transformers.js does not: the no-speech probability and the average logprob. Knows no audio and no text.
 */
import { EngineError } from "../engine.ts"
import { likeliest, probabilityOf } from "./logits.ts"
import { lengthBeforeLoop } from "./loops.ts"
import type { OrtTensor, TokenSteps, WhisperSessions } from "./sessions.ts"
import type { Vocabulary } from "./tokens.ts"

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
  readonly sessions: WhisperSessions
  readonly vocabulary: Vocabulary
  readonly states: OrtTensor
  /** A language of the vocabulary, or null: the likeliest one. */
  readonly language: string | null
  /** Most tokens of text. */
  readonly ceiling: number
  /** Looked at between two steps: rejects with an EngineError `aborted`. */
  readonly signal: AbortSignal
}

export async function decode(options: DecodeOptions): Promise<Decoded> {
  const steps = options.sessions.startText(options.states)
  try {
    return await writeText(steps, options)
  } finally {
    steps.close()
  }
}

async function writeText(steps: TokenSteps, { sessions, vocabulary, language: told, ceiling, signal }: DecodeOptions): Promise<Decoded> {
  const { row, noSpeechProb, language, promptTokens } = await prompt(steps, vocabulary, told, signal)
  const most = Math.min(ceiling, sessions.maxTokens - promptTokens)
  const tokens: number[] = []
  const logprobs: number[] = []
  const done = (stop: Stop): Decoded => ({ tokens, language, stop, avgLogprob: mean(logprobs), noSpeechProb })
  let next = row
  let banned = vocabulary.bannedFirst
  for (;;) {
    const { token, logprob } = likeliest(next, banned)
    logprobs.push(logprob)
    if (token === vocabulary.endOfText) return done("end")
    tokens.push(token)
    const worth = lengthBeforeLoop(tokens)
    if (worth !== null) {
      tokens.length = worth
      logprobs.length = worth
      return done("loop")
    }
    if (tokens.length >= most) return done("ceiling")
    throwIfAborted(signal)
    next = lastOf(await steps.append([token]))
    banned = vocabulary.banned
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

interface Prompted {
  /** Logits of the first token of text. */
  readonly row: Float32Array
  readonly noSpeechProb: number
  readonly language: string
  readonly promptTokens: number
}

/** A told language goes in one step; otherwise the model is first asked which one it hears. */
async function prompt(steps: TokenSteps, vocabulary: Vocabulary, told: string | null, signal: AbortSignal): Promise<Prompted> {
  const { startOfTranscript, noSpeech } = vocabulary
  if (told !== null) {
    const prompt = [startOfTranscript, ...vocabulary.promptFor(told)]
    const rows = await steps.append(prompt)
    return { row: lastOf(rows), noSpeechProb: probabilityOf(firstOf(rows), noSpeech), language: told, promptTokens: prompt.length }
  }
  const start = firstOf(await steps.append([startOfTranscript]))
  const noSpeechProb = probabilityOf(start, noSpeech)
  const language = likeliestLanguage(start, vocabulary)
  const rest = vocabulary.promptFor(language)
  let row = start
  for (const token of rest) {
    throwIfAborted(signal)
    row = firstOf(await steps.append([token]))
  }
  return { row, noSpeechProb, language, promptTokens: rest.length + 1 }
}

function likeliestLanguage(row: Float32Array, { languages }: Vocabulary): string {
  let likeliest = "en"
  let best = Number.NEGATIVE_INFINITY
  for (const [language, token] of languages) {
    const logit = row[token] ?? Number.NEGATIVE_INFINITY
    if (logit <= best) continue
    best = logit
    likeliest = language
  }
  return likeliest
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new EngineError("aborted", "the caller gave up on the utterance")
}

const firstOf = (rows: readonly Float32Array[]): Float32Array => rows[0] ?? noRows()
const lastOf = (rows: readonly Float32Array[]): Float32Array => rows.at(-1) ?? noRows()
function noRows(): never {
  throw new EngineError("unavailable", "the decoder gave no logits")
}
