import { describe, expect, test } from "bun:test"
import { PreTrainedTokenizer } from "@huggingface/transformers"
import { createDetokenizer } from "../../../src/engines/whisper/detokenizer.ts"
import { createTokenizer } from "../../../src/engines/whisper/tokenizer.ts"
import tokenizer from "../../../src/engines/whisper/weights/whisper-base/tokenizer.json"
import config from "../../../src/engines/whisper/weights/whisper-base/tokenizer_config.json"

const tokensOf = createTokenizer(tokenizer)
const textOf = createDetokenizer(tokenizer)

const TEXTS = [
  " This is a test of prompts, with Kubernetes; isn't it? They'll've said 'twas 1,234.50 $ - well...",
  " Grüße aus Köln, señor. Ça va ?",
  " 你好，世界。 日本語のテキスト",
  " Привет 👩‍👩‍👧 🏳️‍🌈\n\ttabs  and   spaces ",
  "\uFEFFmarked constructor __proto__ toString",
]

describe("a tokenizer", () => {
  test("gives the tokens that transformers.js gives, once the list of merges is whole", () => {
    // The file that comes with the weights lacks the first merge of GPT-2.
    const merges = tokenizer.model.merges.map((merge) => (Array.isArray(merge) ? merge.join(" ") : merge))
    expect(merges[0]).toBe("Ġ a")
    const judge = new PreTrainedTokenizer({ ...tokenizer, model: { ...tokenizer.model, merges: ["Ġ t", ...merges] } }, config)
    for (const text of TEXTS) expect(tokensOf(text)).toEqual(judge.encode(text, { add_special_tokens: false }))
  })

  test("knows OpenAI's tokens of common words", () => {
    // tiktoken: whisper.tokenizer.get_tokenizer(True).encode(" two three")
    expect(tokensOf(" two three")).toEqual([732, 1045])
  })

  test("loses nothing", () => {
    for (const text of TEXTS) expect(textOf(tokensOf(text))).toBe(text)
    expect(tokensOf("")).toEqual([])
  })

  test("takes the spelling of what steers a model for text", () => {
    const text = "<|endoftext|><|startoftranscript|><|fr|><|translate|>"
    expect(textOf(tokensOf(text))).toBe(text)
    expect(Math.max(...tokensOf(text))).toBeLessThan(50_257)
  })

  test("is quick with a word that has no end", () => {
    const text = "a".repeat(100_000)
    const startedAt = performance.now()
    expect(textOf(tokensOf(text))).toBe(text)
    // Merging all of it at once would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  test("is not made of another kind of file", () => {
    expect(() => createTokenizer({ ...tokenizer, model: { type: "WordPiece", vocab: {} } })).toThrow("BPE")
  })
})
