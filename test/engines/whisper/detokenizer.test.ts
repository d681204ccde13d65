import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { AutoTokenizer, env } from "@huggingface/transformers"
import { createDetokenizer } from "../../../src/engines/whisper/detokenizer.ts"
import tokenizer from "../../../src/engines/whisper/weights/whisper-base/tokenizer.json"

const textOf = createDetokenizer(tokenizer)

/** The judge: what the tokens mean to everybody else. */
async function reference() {
  env.allowRemoteModels = false
  const folder = join(import.meta.dir, "../../../src/engines/whisper/weights/whisper-base")
  return AutoTokenizer.from_pretrained(folder, { local_files_only: true })
}

describe("a detokenizer", () => {
  test("gives each token the text that transformers.js gives it", async () => {
    const judge = await reference()
    const tokens = Array.from({ length: 50_364 }, (_, token) => token)
    const differing = tokens.filter((token) => textOf([token]) !== judge.decode([token], { skip_special_tokens: true }))
    expect(differing).toEqual([])
  })

  test("puts characters together whose bytes are spread over tokens, as transformers.js does", async () => {
    const judge = await reference()
    const texts = [
      " Hello, world: it's 9.30 a.m. - isn't it?",
      " Grüße aus Köln, señor. Ça va ?",
      " 你好，世界。 日本語のテキスト",
      " Привет 👩‍👩‍👧 🏳️‍🌈",
      "\uFEFFmarked",
    ]
    for (const text of texts) {
      const tokens = judge.encode(text)
      expect(textOf(tokens)).toBe(text)
      for (let cut = 1; cut < tokens.length; cut++) {
        const rest = tokens.slice(cut)
        expect(textOf(rest)).toBe(judge.decode(rest, { skip_special_tokens: true }))
      }
    }
  })

  test("gives no text for what steers the model, nor for numbers that are no token", () => {
    expect(textOf([50_258, 50_259, 50_359, 2_425, 50_257])).toBe(" Hello")
    expect(textOf([50_364, 60_000, -1])).toBe("")
    expect(textOf([])).toBe("")
  })

  test("is not made of another kind of tokenizer", () => {
    expect(() => createDetokenizer({ ...tokenizer, decoder: { type: "WordPiece" } })).toThrow("ByteLevel")
    expect(() => createDetokenizer({ ...tokenizer, model: { type: "BPE", vocab: { a: "b" } } })).toThrow("no numbers")
    expect(() => createDetokenizer(null)).toThrow()
  })
})
