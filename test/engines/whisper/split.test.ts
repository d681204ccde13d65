import { describe, expect, test } from "bun:test"
import { createDetokenizer } from "../../../src/engines/whisper/detokenizer.ts"
import { splitWords } from "../../../src/engines/whisper/split.ts"
import { createTokenizer } from "../../../src/engines/whisper/tokenizer.ts"
import tokenizer from "../../../src/engines/whisper/weights/whisper-base/tokenizer.json"

const textOf = createDetokenizer(tokenizer)
const tokensOf = createTokenizer(tokenizer)

const split = (text: string) => splitWords(tokensOf(text), textOf).map((word) => word.text)

describe("tokens", () => {
  test("part at spaces; punctuation stays with its word", () => {
    expect(split(' Well, "isn\'t" it 9.30 a.m. - in (downtown) Cologne-Ehrenfeld?')).toEqual([
      "Well,",
      '"isn\'t"',
      "it",
      "9.30",
      "a.m. -",
      "in",
      "(downtown)",
      "Cologne-Ehrenfeld?",
    ])
    expect(split(" ¿Qué tal? « Oui » — said he—twice.")).toEqual(["¿Qué", "tal?", "« Oui » —", "said", "he—", "twice."])
  })

  test("of scripts without spaces part at characters, whose bytes may lie in several tokens", () => {
    expect(split("廣州，世界。")).toEqual(["廣", "州，", "世界。"])
    expect(split("これはテストです。").join("")).toBe("これはテストです。")
    expect(split("使用 Kubernetes，好").slice(-2)).toEqual(["Kubernetes，", "好"])
    expect(split("使用Kubernetes").at(-1)).toBe("Kubernetes")
    expect(split(" Привет мир 👩‍👩‍👧 ok")).toEqual(["Привет", "мир", "👩‍👩‍👧", "ok"])
  })

  test("keep what is no character to themselves", () => {
    const [half] = tokensOf("廣")
    if (half === undefined) throw new Error("no token")
    const tokens = [...tokensOf(" one"), half, ...tokensOf(" two three"), half]
    const words = splitWords(tokens, textOf)
    expect(words.map(({ text }) => text)).toEqual(["one\uFFFD", "two", "three\uFFFD"])
    expect(words.map(({ from, to }) => to - from)).toEqual([2, 1, 2])
  })

  test("all belong to some word, in order, and together give the text", () => {
    for (const text of [" A b, c... - d!", "\u3000你好 . . .", " ( [ {", " «", "a  b", "…and so on"]) {
      const tokens = tokensOf(text)
      const words = splitWords(tokens, textOf)
      expect(words.map(({ from }) => from)).toEqual([0, ...words.slice(0, -1).map(({ to }) => to)])
      expect(words.at(-1)?.to).toBe(tokens.length)
      expect(
        words
          .map(({ text }) => text)
          .join("")
          .replace(/\s/g, ""),
      ).toBe(text.replace(/\s/g, ""))
      expect(words.every(({ text }) => text === text.trim() && text !== "")).toBe(true)
    }
  })

  test("that are punctuation alone are not spoken, unless there is nothing else", () => {
    const tokens = tokensOf(' "Yes."')
    expect(splitWords(tokens, textOf)).toEqual([{ text: '"Yes."', from: 0, to: tokens.length, spokenFrom: 1, spokenTo: 2 }])
    expect(splitWords(tokensOf(" ..."), textOf)).toMatchObject([{ text: "...", spokenFrom: 0, spokenTo: 1 }])
    expect(split(" ")).toEqual([])
    expect(splitWords([], textOf)).toEqual([])
  })
})
