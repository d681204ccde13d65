/**
 * From the text of a prompt to what stands before a transcript. Hardly any utterance has one, so the tokenizer is made only for the first.
 * Knows no model: its tokenizer comes in.
 */
import type { Tokenizer } from "./tokenizer.ts"
import type { Vocabulary } from "./tokens.ts"

/** More than any prompt of half the positions spells; what stands before is not even read. */
const CHARS_MAX = 4_000

/** The tokens that stand before a transcript: none for no prompt. */
export type Prompter = (prompt: string) => Promise<readonly number[]>

export interface PrompterOptions {
  /** Asked for at the first prompt, and again only if that failed. */
  loadTokenizer(): Promise<Tokenizer>
  readonly vocabulary: Vocabulary
  /** Positions of the model. */
  readonly maxTokens: number
}

export function createPrompter({ loadTokenizer, vocabulary, maxTokens }: PrompterOptions): Prompter {
  /** Half of the positions, the start of the previous text among them, as OpenAI has it. */
  const most = Math.floor(maxTokens / 2) - 1
  let tokenizer: Promise<Tokenizer> | undefined
  // A stream has the same prompt in every piece.
  let last: { prompt: string; tokens: readonly number[] } = { prompt: "", tokens: [] }

  function load(): Promise<Tokenizer> {
    tokenizer ??= loadTokenizer().catch((error) => {
      tokenizer = undefined
      throw error
    })
    return tokenizer
  }

  return async (prompt) => {
    const text = prompt.trim()
    if (text === "") return []
    if (text !== last.prompt) {
      const tokenize = await load()
      last = { prompt: text, tokens: [vocabulary.startOfPrevious, ...tokenize(` ${text.slice(-CHARS_MAX)}`).slice(-most)] }
    }
    return last.tokens
  }
}
