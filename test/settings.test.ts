import { describe, expect, test } from "bun:test"
import { collectorOf, type Environment, parseSettings } from "../src/settings.ts"

function accepted(source: Environment) {
  const result = parseSettings(source)
  if (!result.ok) throw new Error(result.faults.join("\n"))
  return result
}

const settings = (source: Environment) => accepted(source).settings
const warnings = (source: Environment) => accepted(source).warnings

function faults(source: Environment): string[] {
  const result = parseSettings(source)
  return result.ok ? [] : result.faults
}

describe("without any setting", () => {
  test("the embedded Whisper answers whole utterances on port 8000", () => {
    expect<object>(settings({})).toEqual({
      STT_PROVIDER: "whisper",
      WHISPER_MODEL: "base",
      STT_LANGUAGE_CODE: "en",
      NO_SPEECH_THRESHOLD: 0.7,
      STT_HALLUCINATION_FILTER: true,
      HOST: "0.0.0.0",
      PORT: 8000,
      STT_MODE: "utterance",
      STT_MIN_REPLY_MS: 120,
      STT_THREADS: 1,
      STT_REQUIRE_KEY: false,
      STT_REUSE_PORT: false,
      STT_MAX_SESSIONS: 1000,
      STT_PROXY_HOPS: 0,
      STT_STRICT_MODELS: false,
      STT_QUEUE_MAX: 64,
      STT_QUEUE_MS: 1000,
      STT_DRAIN_MS: 8000,
      STT_FALLBACK_MS: 4000,
      STT_OFFLINE: false,
      OTEL_EXPORTER_OTLP_COMPRESSION: "none",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_TIMEOUT: 10_000,
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_SDK_DISABLED: false,
      OTEL_TRACES_SAMPLER: "parentbased_always_on",
      OTEL_TRACES_SAMPLER_ARG: 1,
      OTEL_BSP_MAX_QUEUE_SIZE: 2048,
      OTEL_BSP_SCHEDULE_DELAY: 5000,
      LOG_LEVEL: "info",
    })
    expect(warnings({})).toEqual([])
  })
})

describe("an env file", () => {
  test("may leave quotes, blanks and comments in the values", () => {
    const source = {
      STT_PROVIDER: '"groq" # or deepgram',
      GROQ_STT_API_KEY: "'gsk_1#2'",
      STT_LANGUAGE_CODE: "  de\t# Deutsch",
      PORT: " 8001 ",
      WHISPER_MODEL: "/models/with # inside",
    }
    expect(settings(source)).toMatchObject({
      STT_PROVIDER: "groq",
      GROQ_STT_API_KEY: "gsk_1#2",
      STT_LANGUAGE_CODE: "de",
      PORT: 8001,
      WHISPER_MODEL: "/models/with",
    })
  })

  test.each(["", "   ", '""', "''", "# nothing yet", '"" # nothing yet'])("leaves a setting unset with the value %j", (value) => {
    expect(settings({ WHISPER_MODEL: value, PORT: value, DG_API_KEY: value, STT_API_KEYS: value })).toEqual(settings({}))
  })

  test("shared with the other services of xRx brings neither faults nor warnings", () => {
    expect(
      warnings({ STT_HOST: "xrx-stt", STT_PORT: "8001", STT_PATH: "/api/v1/ws", STT_WAIT_MS: "250", STT_SAMPLE_RATE: "16000" }),
    ).toEqual([])
  })
})

describe("the provider", () => {
  test.each([
    ["faster_whisper", "whisper"],
    ["whisper", "whisper"],
  ] as const)("%s is the Whisper inside", (name, provider) => {
    expect(settings({ STT_PROVIDER: name }).STT_PROVIDER).toBe(provider)
  })

  test("of an unknown name is refused with the names that are known", () => {
    expect(faults({ STT_PROVIDER: "azure" })).toEqual(['STT_PROVIDER: expected faster_whisper, whisper, groq or deepgram, got "azure"'])
  })

  test("in the cloud needs its own key", () => {
    expect(faults({ STT_PROVIDER: "groq", DG_API_KEY: "k" })).toEqual(["GROQ_STT_API_KEY: required by STT_PROVIDER=groq"])
    expect(faults({ STT_PROVIDER: "deepgram", GROQ_STT_API_KEY: "k" })).toEqual(["DG_API_KEY: required by STT_PROVIDER=deepgram"])
  })

  test("in the cloud contradicts STT_OFFLINE", () => {
    expect(faults({ STT_PROVIDER: "groq", GROQ_STT_API_KEY: "k", STT_OFFLINE: "1" })).toEqual([
      "STT_OFFLINE: allows no outgoing connection, and STT_PROVIDER=groq is one",
    ])
  })
})

describe("the model", () => {
  test("may be a hub id or a folder, but no address, which is not repeated because it may carry a password", () => {
    expect(settings({ WHISPER_MODEL: "onnx-community/whisper-small" }).WHISPER_MODEL).toBe("onnx-community/whisper-small")
    expect(faults({ WHISPER_MODEL: "https://user:sesame@host/model" })).toEqual([
      "WHISPER_MODEL: expected a model name or a folder, not an address, got something else (not shown)",
    ])
  })
})

describe("the mode", () => {
  test("is frames for deepgram, which may be told otherwise", () => {
    expect(settings({ STT_PROVIDER: "deepgram", DG_API_KEY: "k" }).STT_MODE).toBe("frames")
    expect(settings({ STT_PROVIDER: "deepgram", DG_API_KEY: "k", STT_MODE: "utterance" }).STT_MODE).toBe("utterance")
  })

  test.each(["utterance", "frames", "events"] as const)("may be %s with every provider", (STT_MODE) => {
    expect(settings({ STT_MODE }).STT_MODE).toBe(STT_MODE)
    expect(settings({ STT_MODE, STT_PROVIDER: "groq", GROQ_STT_API_KEY: "k" }).STT_MODE).toBe(STT_MODE)
    expect(settings({ STT_MODE, STT_PROVIDER: "deepgram", DG_API_KEY: "k" }).STT_MODE).toBe(STT_MODE)
  })

  test("of another name is refused", () => {
    expect(faults({ STT_MODE: "words" })).toEqual(['STT_MODE: expected utterance, frames or events, got "words"'])
  })
})

test.each([
  ["on", true],
  ["1", true],
  ["true", true],
  ["off", false],
  ["0", false],
  ["false", false],
])("the filter of hallucinations may be said to be %s", (said, on) => {
  expect(settings({ STT_HALLUCINATION_FILTER: said }).STT_HALLUCINATION_FILTER).toBe(on)
})

describe("faults", () => {
  test("come all at once", () => {
    const found = faults({
      STT_PROVIDER: "groq",
      PORT: "80.5",
      STT_QUEUE_MAX: "-1",
      LOG_LEVEL: "loud",
      TLS_CERT: "cert.pem",
      STT_OFFLINE: "maybe",
    })
    expect(found.map((fault) => fault.split(":")[0]).toSorted()).toEqual([
      "GROQ_STT_API_KEY",
      "LOG_LEVEL",
      "PORT",
      "STT_OFFLINE",
      "STT_QUEUE_MAX",
      "TLS_KEY",
    ])
  })

  test.each([
    ["PORT", "65536"],
    ["PORT", "http"],
    ["STT_HALLUCINATION_FILTER", "strong"],
    ["PORT", "Infinity"],
    ["NO_SPEECH_THRESHOLD", "1.1"],
    ["STT_ENGINES", "0"],
    ["STT_THREADS", "two"],
    ["STT_LANGUAGE_CODE", "English"],
    ["STT_MIN_REPLY_MS", "120ms"],
    ["STT_ALLOWED_ORIGINS", "*"],
    ["STT_ALLOWED_ORIGINS", "https://a.example,b.example"],
    ["STT_ALLOWED_ORIGINS", "https://a.example/page"],
    ["STT_ALLOWED_ORIGINS", ","],
    ["STT_FALLBACK", "groq,azure"],
    ["STT_FALLBACK", ","],
    ["STT_FALLBACK_MS", "0"],
    ["GROQ_BASE_URL", "localhost:1"],
    ["DEEPGRAM_BASE_URL", "ftp://localhost"],
  ])("%s=%s is one", (name, value) => {
    expect(faults({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: expected `))])
  })

  test("keys are named or called by their place, and may share a name, but a key has one", () => {
    expect(settings({ STT_API_KEYS: "alice:k:1, k2,alice:k3" }).STT_API_KEYS).toEqual([
      { name: "alice", key: "k:1" },
      { name: "key2", key: "k2" },
      { name: "alice", key: "k3" },
    ])
    for (const list of ["alice:k1,bob:k1", "al ice:k1", "alice:", ":k1", ",", "alice:k 1"])
      expect(faults({ STT_API_KEYS: list })).toEqual([expect.stringMatching(/^STT_API_KEYS: expected keys .*\(not shown\)$/)])
  })

  test("where a key is required there must be keys", () => {
    expect(faults({ STT_REQUIRE_KEY: "1" })).toEqual(["STT_API_KEYS: required by STT_REQUIRE_KEY, or STT_API_KEYS_FILE"])
    expect(faults({ STT_REQUIRE_KEY: "1", STT_API_KEYS: "k" })).toEqual([])
    expect(faults({ STT_REQUIRE_KEY: "1", STT_API_KEYS_FILE: "/keys" })).toEqual([])
    expect(faults({ STT_REQUIRE_KEY: "1", STT_API_KEYS: "k", WYOMING_PORT: "10300" })).toEqual([
      "WYOMING_PORT: its clients cannot show the key that STT_REQUIRE_KEY asks of all; unset one of the two",
    ])
    expect(faults({ STT_API_KEYS: "k", WYOMING_PORT: "10300" })).toEqual([])
  })

  test("a fallback needs its key, and may need the network; whoever is asked anyhow is no fallback", () => {
    const all = { STT_PROVIDER: "groq", GROQ_STT_API_KEY: "k", STT_FALLBACK: "deepgram, faster_whisper,groq,whisper" }
    expect(faults(all)).toEqual(["DG_API_KEY: required by STT_FALLBACK=deepgram"])
    expect(settings({ ...all, DG_API_KEY: "d" }).STT_FALLBACK).toEqual(["deepgram", "whisper", "groq"])
    expect(faults({ STT_FALLBACK: "groq", GROQ_STT_API_KEY: "k", STT_OFFLINE: "1" })).toEqual([
      "STT_OFFLINE: allows no outgoing connection, and STT_FALLBACK=groq is one",
    ])
    expect(faults({ STT_FALLBACK: "whisper", STT_OFFLINE: "1" })).toEqual([])
  })

  test("never show what may be secret", () => {
    const secret = "s3cr3t value"
    const source = {
      STT_API_KEYS: secret,
      GROQ_BASE_URL: secret,
      DEEPGRAM_BASE_URL: secret,
      GROQ_STT_API_KEY: secret,
      DG_API_KEY: secret,
      OTEL_EXPORTER_OTLP_ENDPOINT: secret,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: secret,
      OTEL_EXPORTER_OTLP_HEADERS: secret,
      PORT: "x",
    }
    expect(faults(source).join("\n")).not.toContain(secret)
    expect(faults(source)).toHaveLength(9)
  })
})

describe("traces", () => {
  const collector = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }

  test.each([
    [{}, null],
    [collector, "http://collector:4318/v1/traces"],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "https://c/otlp/" }, "https://c/otlp/v1/traces"],
    [{ ...collector, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:1/here" }, "http://c:1/here"],
    [{ ...collector, OTEL_SDK_DISABLED: "False" }, "http://collector:4318/v1/traces"],
    [{ ...collector, OTEL_SDK_DISABLED: "TRUE" }, null],
    [{ ...collector, OTEL_TRACES_EXPORTER: "none" }, null],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '"http://collector:4318" # ours' }, "http://collector:4318/v1/traces"],
  ])("with %j go to %s", (source, url) => {
    expect(collectorOf(settings(source))).toBe(url)
  })

  test("may have headers and attributes, as OpenTelemetry writes them", () => {
    const source = { ...collector, OTEL_EXPORTER_OTLP_HEADERS: " api-key = a%20b=c ,x=,", OTEL_RESOURCE_ATTRIBUTES: "a.b=%C3%A4,c=d" }
    expect(settings(source).OTEL_EXPORTER_OTLP_HEADERS).toEqual({ "api-key": "a b=c", x: "" })
    expect(settings(source).OTEL_RESOURCE_ATTRIBUTES).toEqual({ "a.b": "ä", c: "d" })
  })

  const wrong: [string, string][] = [
    ["OTEL_EXPORTER_OTLP_HEADERS", "api-key"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "api key=x"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%0d%0aevil: 1"],
    ["OTEL_RESOURCE_ATTRIBUTES", "a=%zz"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
    ["OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "10s"],
    ["OTEL_TRACES_EXPORTER", "zipkin"],
    ["OTEL_SDK_DISABLED", "1"],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote"],
    ["OTEL_TRACES_SAMPLER_ARG", "1.1"],
    ["OTEL_BSP_MAX_QUEUE_SIZE", "0"],
    ["OTEL_BSP_SCHEDULE_DELAY", "-1"],
  ]
  test.each(wrong)("with %s=%s are a fault where there is a collector, and nobody's business where there is none", (name, value) => {
    expect(faults({ ...collector, [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: expected `))])
    expect(faults({ [name]: value })).toEqual([])
    expect(settings({ [name]: value })).toEqual(settings({}))
  })

  test.each([
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"],
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://collector"],
  ])("cannot go to %s=%s", (name, value) => {
    expect(faults({ [name]: value })).toEqual([`${name}: expected an http or https address, got something else (not shown)`])
  })

  test.each([
    ["http://localhost:4318", true],
    ["http://127.0.0.2:4318", true],
    ["http://[::1]:4318", true],
    ["http://collector:4318", false],
    ["http://localhost.evil.example:4318", false],
    ["http://127.0.0.1.evil.example", false],
    ["http://10.0.0.1:4318", false],
    ["http://user:127.0.0.1@collector", false],
  ])("offline may go to %s: %p", (url, mayGo) => {
    const fault = (name: string) => `STT_OFFLINE: allows no outgoing connection, and ${name} is one; a collector on localhost would do`
    for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
      expect(faults({ STT_OFFLINE: "1", [name]: url })).toEqual(mayGo ? [] : [fault(name)])
  })
})

describe("names", () => {
  test("are blamed when they are wrong", () => {
    expect(faults({ LOG_SPEECH_THRESHOLD: "abc" })).toEqual(['LOG_SPEECH_THRESHOLD: expected a number from 0 to 1, got "abc"'])
  })

  test("LOG_SPEECH_THRESHOLD is a second name of NO_SPEECH_THRESHOLD, which wins with a warning", () => {
    expect(settings({ LOG_SPEECH_THRESHOLD: "0.4" }).NO_SPEECH_THRESHOLD).toBe(0.4)
    const both = { LOG_SPEECH_THRESHOLD: "0.4", NO_SPEECH_THRESHOLD: "0.5" }
    expect(settings(both).NO_SPEECH_THRESHOLD).toBe(0.5)
    expect(warnings(both)).toEqual(["LOG_SPEECH_THRESHOLD and NO_SPEECH_THRESHOLD differ: NO_SPEECH_THRESHOLD counts"])
  })

  test("that we do not know are named with the nearest that we do", () => {
    expect(warnings({ STT_MAX_SESSION: "5", STT_LANGUAGE: "de" })).toEqual([
      "STT_MAX_SESSION is not a setting of ours and is ignored; did you mean STT_MAX_SESSIONS?",
      "STT_LANGUAGE is not a setting of ours and is ignored; did you mean STT_LANGUAGE_CODE?",
    ])
  })
})

test("origins are compared as browsers send them: without a last slash, in lower case", () => {
  expect(settings({ STT_ALLOWED_ORIGINS: "https://App.Example.com/, http://localhost:3000" }).STT_ALLOWED_ORIGINS).toEqual([
    "https://app.example.com",
    "http://localhost:3000",
  ])
})

test.each(["“secret”", "secr\nX-Evil: 1", "two words"])("a key that no header can carry is refused, unseen: %j", (key) => {
  expect(faults({ STT_PROVIDER: "deepgram", DG_API_KEY: key })).toEqual([
    "DG_API_KEY: expected a key of plain letters, digits and signs, without spaces, got something else (not shown)",
  ])
})

test.each(["0x10", "1e3", "80.0", "+80", "-1"])("a whole number is written in digits: %s is none", (PORT) => {
  expect(faults({ PORT })).toEqual([`PORT: expected a whole number from 0 to 65535, got "${PORT}"`])
})

test("of a language tag only the language counts", () => {
  expect(["pt-BR", "PT_br", "AUTO"].map((tag) => settings({ STT_LANGUAGE_CODE: tag }).STT_LANGUAGE_CODE)).toEqual(["pt", "pt", "auto"])
})

test("an http base address may be given for each provider, for Deepgram also a socket's", () => {
  expect(settings({ GROQ_BASE_URL: "http://127.0.0.1:9", DEEPGRAM_BASE_URL: "ws://127.0.0.1:9" })).toMatchObject({
    GROQ_BASE_URL: "http://127.0.0.1:9",
    DEEPGRAM_BASE_URL: "ws://127.0.0.1:9",
  })
})
