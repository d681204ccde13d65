/** Signs that a decoder has lost the audio and writes on by itself. Pure; knows only tokens and lengths. */

/** The longest phrase, in tokens, whose repetition is looked for. */
const PHRASE_TOKENS_MAX = 24
/** A phrase must come this often in a row: people do say "no, no, no" and "five five five five". */
const REPEATS_MIN = 4
/** And its repetitions must span this many tokens. */
const LOOP_TOKENS_MIN = 16

/**
 * If the text ends in one phrase over and over: how many of its tokens are worth keeping, up to where the phrase stands for
 * the first time. Null otherwise. To be asked after each token.
 */
export function lengthBeforeLoop(tokens: readonly number[]): number | null {
  for (let phrase = 1; phrase <= PHRASE_TOKENS_MAX; phrase++) {
    const span = Math.max(REPEATS_MIN * phrase, LOOP_TOKENS_MIN)
    if (span <= tokens.length && repeats(tokens, phrase, span)) return tokens.length - span + phrase
  }
  return null
}

/** True if the last `span` tokens are the last `phrase` tokens over and over. */
function repeats(tokens: readonly number[], phrase: number, span: number): boolean {
  for (let i = tokens.length - span; i < tokens.length - phrase; i++) if (tokens[i] !== tokens[i + phrase]) return false
  return true
}

/** Tokens allowed in any utterance, and in each second of it: fast speech in a script that takes several tokens a letter. */
const TOKENS_ALWAYS = 24
const TOKENS_PER_SECOND = 25

/** More tokens than anyone speaks in this time. */
export function tokenCeiling(seconds: number): number {
  return TOKENS_ALWAYS + Math.ceil(seconds * TOKENS_PER_SECOND)
}
