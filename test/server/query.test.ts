import { describe, expect, test } from "bun:test"
import { parseQuery } from "../../src/server/query.ts"

const defaults = { mode: "utterance", language: "en" } as const

function parse(query: string, endpoints = true) {
  return parseQuery(new URLSearchParams(query), { defaults, endpoints })
}

function faultOf(query: string, endpoints = true): string {
  const parsed = parse(query, endpoints)
  if (parsed.ok) throw new Error(`${query} was accepted`)
  return parsed.fault
}

describe("what a URL may ask for", () => {
  test("nothing said means the server's own mode and language", () => {
    expect(parse("")).toEqual({ ok: true, wishes: defaults })
    expect(parse("mode=&language=&sample_rate=&encoding=")).toEqual({ ok: true, wishes: defaults })
  })

  test("mode and language are the client's choice", () => {
    expect(parse("mode=frames&language=de")).toEqual({ ok: true, wishes: { mode: "frames", language: "de" } })
    expect(parse("language=auto")).toEqual({ ok: true, wishes: { mode: "utterance", language: "auto" } })
  })

  test("of a language tag the primary subtag counts, in any case", () => {
    for (const tag of ["pt-BR", "PT", "pt_br", "pt"]) expect(parse(`language=${tag}`)).toMatchObject({ wishes: { language: "pt" } })
  })

  test("unknown parameters are ignored", () => {
    expect(parse("model=nova-2&no_delay=true&x")).toEqual({ ok: true, wishes: defaults })
  })

  test("the one rate and the one encoding may be said, also twice", () => {
    expect(parse("sample_rate=16000&sample_rate=16000&encoding=pcm_s16le&encoding=pcm_s16le")).toMatchObject({ ok: true })
  })

  test("each bad value has its own clear line", () => {
    expect(faultOf("mode=events")).toBe("mode must be utterance or frames")
    expect(faultOf("language=%00")).toStartWith("language must be")
    expect(faultOf("language=english")).toStartWith("language must be")
    expect(faultOf("sample_rate=8000")).toBe("sample_rate is not supported: only 16000")
    expect(faultOf("sample_rate=16000&sample_rate=8000")).toBe("sample_rate is not supported: only 16000")
    expect(faultOf("encoding=mulaw")).toBe("encoding is not supported: only pcm_s16le")
  })

  test("frames are refused where nobody would hear the end of an utterance", () => {
    expect(faultOf("mode=frames", false)).toContain("this engine does not find the ends of utterances")
    expect(parseQuery(new URLSearchParams(), { defaults: { mode: "frames", language: "en" }, endpoints: false }).ok).toBe(false)
  })

  test("a fault never repeats what the client wrote", () => {
    for (const name of ["mode", "language", "sample_rate", "encoding"]) expect(faultOf(`${name}=%0A%3Cscript%3E`)).not.toMatch(/script|\n/)
  })
})
