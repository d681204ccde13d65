import { expect, test } from "bun:test"
import { languageCode, languageName } from "../../src/speech/language-names.ts"

test.each([
  ["en", "english"],
  ["de", "german"],
  ["mi", "maori"],
  ["nn", "nynorsk"],
  ["my", "myanmar"],
])("the language %s is called %s, and found by that name", (code, name) => {
  expect(languageName(code)).toBe(name)
  expect(languageCode(name)).toBe(code)
})

test("a language nobody knows keeps its code", () => {
  expect(languageName("qq")).toBe("qq")
})
