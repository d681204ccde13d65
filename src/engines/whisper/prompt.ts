/**
 * From text to the tokens of a prompt. Hardly any utterance has one, so what that takes (30 MB, 150 ms) is made only for the first.
 * Knows no model: its tokenizer comes in.
 */
import type { Vocabulary } from "./tokens.ts"

/** Tokens of a text, the steering ones among them if the text spells them. */
export type Tokenize = (text: string) => readonly number[]

/** The tokens that stand before a transcript: none for no prompt. */
export type Prompter = (prompt: string) => Promise<readonly number[]>

export interface PrompterOptions {
  /** Asked for at the first prompt, and again only if that failed. */
  loadTokenizer(): Promise<Tokenize>
  readonly vocabulary: Vocabulary
  /** Positions of the model. */
  readonly maxTokens: number
}

export function createPrompter({ loadTokenizer, vocabulary, maxTokens }: PrompterOptions): Prompter {
  /** Half of the positions, the start of the previous text among them, as OpenAI has it. */
  const most = Math.floor(maxTokens / 2) - 1
  let tokenizer: Promise<Tokenize> | undefined
  // A stream has the same prompt in every piece.
  let last = { prompt: "", tokens: [] as readonly number[] }

  function load(): Promise<Tokenize> {
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
      // A caller may spell the tokens that steer; they are none of its business.
      const tokens = tokenize(` ${text}`).filter((token) => token < vocabulary.endOfText)
      last = { prompt: text, tokens: tokens.length === 0 ? [] : [vocabulary.startOfPrevious, ...tokens.slice(-most)] }
    }
    return last.tokens
  }
}
