/**
 * From text to tokens, as OpenAI's tiktoken does it: the vocabulary of a Whisper is numbered in the order in which it merges. So nothing
 * but the vocabulary of `tokenizer.json` is needed. The tokenizer of transformers.js takes 50 MB and trusts the list of merges, of which
 * the file of our own weights lacks the first ("Ġ t"). Knows no model.
 */
import { byteAlphabet, tokenizerFile } from "./detokenizer.ts"

/** The tokens of a text; those that steer a model are never among them, however they are spelled. */
export type Tokenizer = (text: string) => number[]

/** Words, numbers, marks and spaces by themselves, as for GPT-2; but cut where they are longer than any token, so that merging stays quick. */
const PARTS = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}{1,64}| ?\p{N}{1,64}| ?[^\s\p{L}\p{N}]{1,64}|\s{1,64}(?!\S)|\s{1,64}/gu

/** Throws a ZodError if `source` is not the `tokenizer.json` of a Whisper. */
export function createTokenizer(source: unknown): Tokenizer {
  const { vocab } = tokenizerFile.parse(source).model
  const tokenOf = new Map(Object.entries(vocab).map(([word, token]) => [word, Number(token)]))
  const letters = byteAlphabet()

  /** Joins the two neighbours with the lowest number until no two of them are one token. */
  function merged(part: string): number[] {
    const words = Array.from(new TextEncoder().encode(part), (byte) => letters[byte] ?? "")
    for (;;) {
      let best = Number.POSITIVE_INFINITY
      let at = -1
      for (let i = 0; i + 1 < words.length; i++) {
        const token = tokenOf.get(`${words[i]}${words[i + 1]}`) ?? best
        if (token < best) [best, at] = [token, i]
      }
      if (at < 0) return words.map((word) => tokenOf.get(word)).filter((token) => token !== undefined)
      words.splice(at, 2, `${words[at]}${words[at + 1]}`)
    }
  }

  return (text) => (text.match(PARTS) ?? []).flatMap(merged)
}
