/**
 * Decoding of a few utterances in step: from what was heard to tokens, with the two numbers that OpenAI's decoder reports and
 * transformers.js does not: the no-speech probability and the average logprob. Knows no audio and no text.
 */
import { type Draft, EngineError } from "../engine.ts"
import { lengthBeforeLoop } from "./loops.ts"
import type { Vocabulary } from "./tokens.ts"
import type { TextWriter, Written } from "./writer.ts"

/** Why the text ends: the model ended it, it went round in circles, or it outgrew its ceiling. */
export type Stop = "end" | "loop" | "ceiling"

export interface Decoded {
  /** Without prompt and end of text; of a loop only its first round. */
  readonly tokens: readonly number[]
  /** Of each token, and of the end if the model wrote one. Null for a token that a draft forced upon the model. */
  readonly logprobs: readonly (number | null)[]
  /** As Written.attention, of the same tokens as `logprobs`; null if it was not asked for or the model does not tell. */
  readonly attention: readonly Float32Array[] | null
  readonly language: string
  readonly stop: Stop
  /** Mean natural log of the probabilities, as far as they are known. */
  readonly avgLogprob: number
  /** Probability that nobody spoke, as the model says before its first token. */
  readonly noSpeechProb: number
}

/** One of the utterances that are decoded together. */
export interface Row {
  /** A language of the vocabulary, or null: the likeliest one. Null in all rows or in none. */
  readonly language: string | null
  /** What stands before the transcript; of one length in all rows. */
  readonly prompt: readonly number[]
  /** As Utterance.translate. */
  readonly translate?: boolean | undefined
  /** Most tokens of text. */
  readonly ceiling: number
  /** Null unless the row is alone. */
  readonly draft: Draft | null
  /** Tokens of what was said before in the same audio: the text goes on from them. Absent unless the row is alone. */
  readonly context?: readonly number[] | undefined
  /** Looked at before each stretch of tokens: the row ends with an EngineError `aborted` and does not hold up the others. */
  readonly signal: AbortSignal
}

export interface DecodeOptions {
  /** Of as many utterances as there are rows; whatever was written before is written anew. */
  readonly writer: TextWriter
  readonly vocabulary: Vocabulary
  readonly rows: readonly Row[]
  /** Positions of the model: most tokens of prompt and text together. */
  readonly maxTokens: number
  readonly temperature: number
  /** Whether `Decoded.attention` is wanted. */
  readonly attention: boolean
}

/**
 * Tokens written at a time: 80 ms of base, as long as its encoder takes. Between two stretches an abort is heard, and the
 * text so far is read again, which costs two steps.
 */
const STRETCH_TOKENS = 32

/** Tells of each row as soon as it ended, and settles when all have. Rejects if the model fails: then some were not told of. */
export async function decode(options: DecodeOptions, onEnd: (index: number, outcome: Decoded | EngineError) => void): Promise<void> {
  const { writer, vocabulary, rows, temperature, attention } = options
  const texts = rows.map((row) => startText(row, vocabulary))
  const end = (index: number, outcome: Decoded | EngineError) => {
    const text = texts[index]
    if (text) text.ended = true
    onEnd(index, outcome)
  }
  const lead = () => {
    for (const [index, { row, ended }] of texts.entries()) if (!ended && row.signal.aborted) end(index, aborted())
    return texts.find(({ ended }) => !ended)
  }
  const write = (allowed: Pick<Parameters<TextWriter["write"]>[1], "bannedFirst" | "banned" | "most" | "draft">) =>
    writer.write(
      texts.map(({ all, ended }) => (ended ? null : all)),
      { ...allowed, start: rows[0]?.prompt.length ?? 0, temperature, attention },
    )

  if (lead()?.row.language === null) {
    const banned = vocabulary.bannedInPlaceOfLanguage
    const written = await write({ bannedFirst: banned, banned, most: 1 })
    for (const [index, text] of texts.entries()) takeLanguage(text, written[index] ?? noText(), vocabulary)
  }
  for (const text of texts) begin(text, vocabulary, options.maxTokens)
  for (let first = lead(); first !== undefined; first = lead()) {
    const draft = draftFor(first)
    const most = Math.max(...texts.map((text) => (text.ended ? 1 : text.most - text.tokens.length)))
    const written = await write({
      bannedFirst: first.tokens.length === 0 && first.row.context === undefined ? vocabulary.bannedFirst : vocabulary.banned,
      banned: vocabulary.banned,
      most: Math.min(most, Math.max(STRETCH_TOKENS, (draft?.length ?? 0) + 1)),
      draft,
    })
    for (const [index, text] of texts.entries()) {
      const stop = take(text, written[index] ?? noText(), vocabulary.endOfText)
      if (stop !== null) end(index, decodedOf(text, stop))
    }
  }
}

/** The text of one row while it grows. */
interface Text {
  readonly row: Row
  readonly draft: Draft
  /** What the writer goes on from: prompt and text. */
  readonly all: number[]
  readonly tokens: number[]
  readonly logprobs: (number | null)[]
  readonly attention: Float32Array[]
  /** Most tokens. */
  most: number
  language: string
  noSpeechProb: number | undefined
  ended: boolean
}

const NO_DRAFT: Draft = { tokens: [], fixed: 0 }

function startText(row: Row, { startOfTranscript, endOfText }: Vocabulary): Text {
  const draft = row.draft ?? NO_DRAFT
  // It comes from outside: what is no text must not steer the model.
  const isText = draft.tokens.every((token) => token >= 0 && token < endOfText)
  return {
    row,
    draft: isText ? { ...draft, fixed: Math.min(draft.fixed, draft.tokens.length) } : NO_DRAFT,
    all: [...row.prompt, startOfTranscript],
    tokens: [],
    logprobs: [],
    attention: [],
    most: row.ceiling,
    language: row.language ?? "",
    noSpeechProb: undefined,
    ended: false,
  }
}

/** The token that the model writes if it may write nothing but languages. */
function takeLanguage(text: Text, { tokens, noSpeechProb }: Written, { languages }: Vocabulary): void {
  const [language] = [...languages].find(([, token]) => token === tokens[0]) ?? ["en"]
  text.language = language
  text.noSpeechProb = noSpeechProb
}

function begin(text: Text, vocabulary: Vocabulary, maxTokens: number): void {
  text.all.push(...vocabulary.promptFor(text.language, text.row.translate), ...(text.row.context ?? []))
  text.most = Math.min(text.row.ceiling, maxTokens - text.all.length)
}

/** What is left of the draft, as long as the text agrees with it. */
function draftFor({ draft, tokens }: Text): readonly number[] | undefined {
  if (tokens.length >= draft.tokens.length) return undefined
  const agrees = tokens.every((token, i) => token === draft.tokens[i])
  return agrees ? draft.tokens.slice(tokens.length) : undefined
}

/** Why the text ends, or null if it goes on. */
function take(text: Text, written: Written, endOfText: number): Stop | null {
  if (text.ended) return null
  const { draft, all, tokens, logprobs, attention } = text
  all.push(...written.tokens)
  text.noSpeechProb ??= written.noSpeechProb
  for (const [i, token] of written.tokens.entries()) {
    const isForced = tokens.length < draft.fixed && token !== draft.tokens[tokens.length]
    const taken = isForced ? (draft.tokens[tokens.length] ?? token) : token
    logprobs.push(isForced ? null : (written.logprobs[i] ?? Number.NEGATIVE_INFINITY))
    // It stands for the place in the text, whichever token is put there.
    if (written.attention?.[i]) attention.push(written.attention[i])
    if (taken === endOfText) return "end"
    tokens.push(taken)
    const worth = tokens.length > draft.fixed ? lengthBeforeLoop(tokens) : null
    if (worth !== null) {
      tokens.length = Math.max(worth, draft.fixed)
      logprobs.length = tokens.length
      return "loop"
    }
    if (tokens.length >= text.most) return "ceiling"
    if (isForced) {
      // What was written behind goes on from another token.
      all.splice(all.length - (written.tokens.length - i), all.length, taken)
      return null
    }
  }
  return null
}

function decodedOf({ tokens, logprobs, attention, language, noSpeechProb }: Text, stop: Stop): Decoded {
  return {
    tokens,
    logprobs,
    attention: attention.length > 0 ? attention.slice(0, tokens.length + 1) : null,
    language,
    stop,
    avgLogprob: meanLogprob(logprobs),
    noSpeechProb: noSpeechProb ?? 0,
  }
}

/** Of those that are known. */
export function meanLogprob(logprobs: readonly (number | null)[]): number {
  const known = logprobs.filter((logprob) => logprob !== null)
  return known.reduce((sum, logprob) => sum + logprob, 0) / Math.max(1, known.length)
}

function noText(): never {
  throw new EngineError("unavailable", "the model wrote to fewer texts than it was given")
}

export function aborted(): EngineError {
  return new EngineError("aborted", "the caller gave up on the utterance")
}
