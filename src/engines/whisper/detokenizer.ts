/**
 * From tokens back to text, as `tokenizer.json` says. The tokenizer of transformers.js does that too, but holds all it needs
 * for the way there as well: 30 MB in every engine process, and hardly an engine turns text into tokens. Knows no model.
 */
import { z } from "zod"

const record = z.custom<Readonly<Record<string, unknown>>>((value) => typeof value === "object" && value !== null, "expected an object")

/** Every Whisper has a byte-level vocabulary. Its 50,000 tokens are checked where they are read, in a tenth of the time. */
export const tokenizerFile = z.object({
  model: z.object({ type: z.literal("BPE"), vocab: record }),
  decoder: z.object({ type: z.literal("ByteLevel") }),
  added_tokens: z.array(z.object({ id: z.number().int().nonnegative() })),
})

/** The text of tokens. Those that steer the model (languages, timestamps) give none; bytes that are no UTF-8 give U+FFFD. */
export type Detokenizer = (tokens: readonly number[]) => string

/** Throws a ZodError or an Error if `source` is not the `tokenizer.json` of a Whisper. */
export function createDetokenizer(source: unknown): Detokenizer {
  const words = wordsOf(tokenizerFile.parse(source))
  // One array for all: an object for each of 50,000 tokens would weigh more than the vocabulary.
  const bytes = new Uint8Array(words.reduce((sum, { length }) => sum + length, 0))
  const ends = new Uint32Array(words.length)
  const byteOf = new Uint8Array(0x200)
  for (const [byte, letter] of byteAlphabet().entries()) byteOf[letter.charCodeAt(0)] = byte
  let end = 0
  for (const [token, word] of words.entries()) {
    for (let i = 0; i < word.length; i++) bytes[end++] = byteOf[word.charCodeAt(i)] ?? 0
    ends[token] = end
  }
  // A text may begin with U+FEFF.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  return (tokens) => decoder.decode(Buffer.concat(tokens.map((token) => bytes.subarray(ends[token - 1] ?? 0, ends[token] ?? 0))))
}

/** Each token by its number, a letter for each byte; empty where a number has no text. */
function wordsOf({ model, added_tokens }: z.infer<typeof tokenizerFile>): string[] {
  const words: string[] = []
  for (const [word, token] of Object.entries(model.vocab)) {
    if (!Number.isSafeInteger(token) || Number(token) < 0) throw new Error("its tokenizer has tokens that are no numbers")
    words[Number(token)] = word
  }
  for (const { id } of added_tokens) words[id] = ""
  return Array.from(words, (word) => word ?? "")
}

/**
 * Byte-level vocabularies write each byte as one letter: the printable ones of Latin-1 as themselves, the others from U+0100 on
 * (bytes_to_unicode in https://github.com/openai/gpt-2/blob/master/src/encoder.py).
 */
export function byteAlphabet(): string[] {
  let next = 0x100
  return Array.from({ length: 0x100 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad)
    return String.fromCharCode(printable ? byte : next++)
  })
}
