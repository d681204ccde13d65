import { describe, expect, test } from "bun:test"
import { createPrompter } from "../../../src/engines/whisper/prompt.ts"
import { createTokenizer } from "../../../src/engines/whisper/tokenizer.ts"
import { readVocabulary } from "../../../src/engines/whisper/tokens.ts"
import base from "../../../src/engines/whisper/weights/whisper-base/generation_config.json"
import tokenizer from "../../../src/engines/whisper/weights/whisper-base/tokenizer.json"

const START_OF_PREVIOUS = 50_361
const vocabulary = readVocabulary(base)
const tokenize = createTokenizer(tokenizer)
const prompter = (loadTokenizer = async () => tokenize) => createPrompter({ loadTokenizer, vocabulary, maxTokens: 448 })

describe("a prompt", () => {
  test("stands behind the start of the previous text, as its words go on in a text", async () => {
    // tiktoken's multilingual encoding of " Hello".
    expect(await prompter()(" Hello\n")).toEqual([START_OF_PREVIOUS, 2425])
  })

  test("that is blank is none", async () => {
    expect(await prompter()(" \n")).toEqual([])
  })

  test("that is long keeps its end, and half of the model's positions are left", async () => {
    const prompt = Array.from({ length: 500 }, (_, i) => `word${i}`).join(" ")
    const tokens = await prompter()(prompt)
    expect(tokens).toHaveLength(224)
    expect(tokens.slice(1)).toEqual(tokenize(` ${prompt}`).slice(-223))
  })

  test("cannot steer the model", async () => {
    const tokens = await prompter()("a<|endoftext|><|startoftranscript|><|fr|><|translate|><|nospeech|>b")
    expect(tokens.slice(1).every((token) => token < vocabulary.endOfText)).toBe(true)
    expect(tokens[0]).toBe(START_OF_PREVIOUS)
    expect(tokens.length).toBeGreaterThan(2)
  })

  test("asks for a tokenizer again that could not be had", async () => {
    let tries = 0
    const prompt = prompter(async () => {
      if (++tries === 1) throw new Error("no file")
      return tokenize
    })
    await expect(prompt("Hello")).rejects.toThrow("no file")
    expect(await prompt("Hello")).toEqual([START_OF_PREVIOUS, 2425])
    await prompt("World")
    expect(tries).toBe(2)
  })
})
