import { describe, expect, test } from "bun:test"
import { languageOf, readVocabulary } from "../../../src/engines/whisper/tokens.ts"
import base from "../../../src/engines/whisper/weights/whisper-base/generation_config.json"

const multilingual = readVocabulary(base)
/** As tiny.en and its like have it. */
const english = readVocabulary({
  decoder_start_token_id: 50257,
  eos_token_id: 50256,
  no_timestamps_token_id: 50362,
  begin_suppress_tokens: [220, 50256],
  is_multilingual: false,
})

describe("a vocabulary", () => {
  test("prompts a multilingual model with language, task and no timestamps", () => {
    expect(multilingual.startOfTranscript).toBe(50258)
    expect(multilingual.promptFor("fr")).toEqual([50265, 50359, 50363])
    expect(multilingual.promptFor("fr", true)).toEqual([50265, 50358, 50363])
    expect(multilingual.noSpeech).toBe(50362)
    expect(multilingual.startOfPrevious).toBe(50361)
  })

  test("prompts an English one with no timestamps alone", () => {
    expect(english.promptFor("en")).toEqual([50362])
    expect(english.promptFor("en", true)).toEqual([50362])
    expect(english.noSpeech).toBe(50361)
    expect(english.startOfPrevious).toBe(50360)
  })

  test("bans what the config says, and at the start also the blank and the end", () => {
    expect(multilingual.banned.length).toBe(50258)
    expect(multilingual.banned[1]).toBe(1)
    expect([multilingual.banned[220], multilingual.banned[50257]]).toEqual([0, 0])
    expect([multilingual.bannedFirst[220], multilingual.bannedFirst[50257]]).toEqual([1, 1])
    expect(english.banned.includes(1)).toBe(false)
  })

  test("takes a language as callers write it; an unknown one is null", () => {
    expect(["en", "EN", "en-US", "pt_BR"].map((name) => languageOf(multilingual, name))).toEqual(["en", "en", "en", "pt"])
    expect(languageOf(multilingual, "tlh")).toBeNull()
    expect(languageOf(english, "fr")).toBe("en")
  })

  test("throws on a config that is none of a Whisper", () => {
    expect(() => readVocabulary({ eos_token_id: 2 })).toThrow("no_timestamps_token_id")
  })
})
