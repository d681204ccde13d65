import { describe, expect, test } from "bun:test"
import { continued, respelled, unitsOf, withPrefix } from "../../src/speech/units.ts"

const texts = (text: string) => unitsOf(text).map((unit) => unit.text)

describe("the units of a text", () => {
  test("are its words with their punctuation", () => {
    expect(texts("Well, it's 5 p.m. now.")).toEqual(["Well,", "it's", "5", "p.m.", "now."])
    expect(texts("  ")).toEqual([])
  })

  test("are single signs where nothing separates words, with the punctuation behind them", () => {
    expect(texts("你好，世界。")).toEqual(["你", "好，", "世", "界。"])
    expect(texts("トーキー OK")).toEqual(["トー", "キー", "OK"])
  })

  test("know their places", () => {
    const text = "ab 世界 c"
    for (const unit of unitsOf(text)) expect(text.slice(unit.start, unit.end)).toBe(unit.text)
  })
})

describe("a text continued", () => {
  test("has the words behind the last two of the prefix", () => {
    expect(continued("Six spoons, five thick slabs", "6 spoons, five thick slabs of cheese.")).toBe(
      "Six spoons, five thick slabs of cheese.",
    )
  })

  test("is none where those words are not found about where they should be", () => {
    expect(continued("five thick slabs", "5-6 slabs of cheese")).toBeNull()
    expect(continued("now", "Let us go now")).toBeNull()
    expect(continued("so thick slabs", "one two three four five thick slabs")).toBeNull()
    expect(continued("so thick slabs", "one two three four thick slabs")).toBe("so thick slabs")
  })
})

describe("a text respelled", () => {
  test("takes the spelling of its beginning from the prefix, and keeps its words", () => {
    expect(respelled("One, two", "one two. Three")).toBe("One, two. Three")
    expect(respelled("said grant line had", "Said Grantline had learned")).toBe("said grant line had learned")
    expect(respelled("one", "one")).toBe("one")
  })

  test("is none if the words are others", () => {
    expect(respelled("one two", "one too three")).toBeNull()
    expect(respelled("one two", "one")).toBeNull()
  })
})

describe("a text made to begin with a prefix", () => {
  test("stays what it is if it does so already", () => {
    expect(withPrefix("one two", "one two three")).toBe("one two three")
    expect(withPrefix("", "one")).toBe("one")
  })

  test("goes on behind the same words, however many others stand before them", () => {
    expect(withPrefix("one pound of lobster", "1 lb of Lobster, and butter")).toBe("one pound of lobster, and butter")
    expect(withPrefix("it is going to", "it's going to rain")).toBe("it is going to rain")
  })

  test("goes on behind as many words if none of them are the same", () => {
    expect(withPrefix("aa bb", "xx yy zz")).toBe("aa bb zz")
  })

  test("takes of repeated words those that stand nearest", () => {
    expect(withPrefix("go and go and", "Go and go and go and stop")).toBe("go and go and go and stop")
  })

  test("is the prefix if it has no more words", () => {
    expect(withPrefix("one two", "")).toBe("one two")
    expect(withPrefix("one two", "One")).toBe("one two")
  })
})
