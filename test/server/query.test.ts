import { describe, expect, test } from "bun:test"
import { DEFAULT_CONFIG } from "../../src/dialects/config.ts"
import { parseQuery } from "../../src/server/query.ts"

const defaults = { mode: "utterance", language: "en" } as const
const nothingSaid = { mode: "utterance", config: { ...DEFAULT_CONFIG, language: "en" } } as const

function parse(query: string) {
  return parseQuery(new URLSearchParams(query), defaults)
}

function wishesOf(query: string) {
  const parsed = parse(query)
  if (!parsed.ok) throw new Error(parsed.fault)
  return parsed.wishes
}

function faultOf(query: string): string {
  const parsed = parse(query)
  if (parsed.ok) throw new Error(`${query} was accepted`)
  return parsed.fault
}

describe("what a URL may ask for", () => {
  test("nothing said means the server's own mode and language", () => {
    expect(wishesOf("")).toEqual(nothingSaid)
    expect(wishesOf("mode=&language=&sample_rate=&encoding=&vad=&silence_ms=&interim=")).toEqual(nothingSaid)
  })

  test("mode and language are the client's choice", () => {
    expect(wishesOf("mode=frames&language=de")).toMatchObject({ mode: "frames", config: { language: "de" } })
    expect(wishesOf("mode=events&language=auto")).toMatchObject({ mode: "events", config: { language: "auto" } })
  })

  test("of a language tag the primary subtag counts, in any case", () => {
    for (const tag of ["pt-BR", "PT", "pt_br", "pt"]) expect(wishesOf(`language=${tag}`).config.language).toBe("pt")
  })

  test("every parameter reaches the stream under its own name", () => {
    const query =
      "sample_rate=48000&encoding=pcm_f32le&channels=2&channel=1&prompt=Xanten%2C+Moers&vad=none&threshold=.7" +
      "&prefix_ms=0&silence_ms=10000&max_ms=1000&interim=1&words=true"
    expect(wishesOf(`mode=events&${query}`).config).toEqual({
      language: "en",
      sample_rate: 48_000,
      encoding: "pcm_f32le",
      channels: 2,
      channel: 1,
      prompt: "Xanten, Moers",
      vad: "none",
      threshold: 0.7,
      prefix_ms: 0,
      silence_ms: 10_000,
      max_ms: 1000,
      interim: true,
      words: true,
    })
  })

  test.each(["8000", "16000", "24000", "44100", "48000"])("%s Hz is a rate", (rate) => {
    expect(wishesOf(`sample_rate=${rate}`).config.sample_rate).toBe(Number(rate) as 8000)
  })

  test("unknown parameters are ignored, and the name of a model is one", () => {
    expect(wishesOf("model=nova-2&no_delay=true&x&keywords=a&keywords=b")).toEqual(nothingSaid)
  })

  test("the same may be said twice, two things may not", () => {
    expect(wishesOf("sample_rate=8000&sample_rate=8000&mode=&mode=frames")).toMatchObject({ mode: "frames", config: { sample_rate: 8000 } })
    expect(faultOf("sample_rate=16000&sample_rate=8000")).toBe("sample_rate is said twice")
    expect(faultOf("mode=frames&mode=events")).toBe("mode is said twice")
  })

  test.each([
    ["mode=words", "mode must be utterance, frames, events"],
    ["language=%00", "language must be a code such as en, or auto"],
    ["language=english", "language must be a code such as en, or auto"],
    ["sample_rate=11025", "sample_rate must be 8000, 16000, 24000, 44100 or 48000"],
    ["encoding=opus", "encoding must be pcm_s16le, pcm_f32le, mulaw or alaw"],
    ["channels=3", "channels must be 1 or 2"],
    ["channel=left", "channel must be mix, 0 or 1"],
    ["channel=1", "channel 1 needs channels 2"],
    [`prompt=${"a".repeat(2001)}`, "prompt must be text of at most 2000 characters"],
    ["vad=client", "vad must be server or none"],
    ["threshold=1.1", "threshold must be a number from 0 to 1"],
    ["threshold=0x1", "threshold must be a number from 0 to 1"],
    ["prefix_ms=2001", "prefix_ms must be a whole number from 0 to 2000"],
    ["silence_ms=99", "silence_ms must be a whole number from 100 to 10000"],
    ["silence_ms=300.5", "silence_ms must be a whole number from 100 to 10000"],
    ["max_ms=1e4", "max_ms must be a whole number from 1000 to 120000"],
    ["max_ms=120001", "max_ms must be a whole number from 1000 to 120000"],
    ["interim=yes", "interim must be 0 or 1"],
    ["words=2", "words must be 0 or 1"],
    ["mode=frames&vad=none", "vad=none needs mode=events: in frames nobody else ends an utterance"],
  ])("%s has its own clear line", (query, fault) => {
    expect(faultOf(query)).toBe(fault)
  })

  test("a fault never repeats what the client wrote", () => {
    for (const name of ["mode", ...Object.keys(DEFAULT_CONFIG)].filter((name) => name !== "prompt")) {
      expect(faultOf(`${name}=%0A%3Cscript%3E`)).not.toMatch(/script|\n/)
    }
  })
})
