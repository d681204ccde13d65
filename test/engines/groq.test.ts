import { afterEach, beforeAll, describe, expect, test } from "bun:test"
import { getEventListeners } from "node:events"
import { APIConnectionTimeoutError } from "groq-sdk"
import { samplesFromBytes } from "../../src/audio/pcm.ts"
import { wavFromSamples } from "../../src/audio/wav.ts"
import { EngineError, type Transcriber, type Utterance } from "../../src/engines/engine.ts"
import { createGroq } from "../../src/engines/groq.ts"
import { failureOf as failureOfThrown } from "../../src/engines/groq-failures.ts"
import { silentLog } from "../../src/log.ts"
import { upstreamErrors } from "../../src/metrics.ts"
import { createPermits } from "../../src/permits.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { type HandClock, handClock } from "../support/clock.ts"
import { energyVad } from "../support/energy-vad.ts"
import { hearing, refusal, startGroqUpstream, startRawUpstream, verbose } from "../support/groq-upstream.ts"
import { type LogTap, tapLog } from "../support/log.ts"
import { keepsTheContract } from "./contract.ts"

const KEY = "gsk_not_a_real_key"
const AGAIN = "upstream is asked again"

let speech: Int16Array
beforeAll(async () => {
  speech = await fixture("ps_goforward")
})

async function fixture(name: string): Promise<Int16Array> {
  const wav = await Bun.file(`${import.meta.dir}/../fixtures/speech/${name}.wav`).bytes()
  return samplesFromBytes(wav.subarray(44))
}

interface Caller {
  readonly groq: Transcriber
  readonly clock: HandClock
  readonly tap: LogTap
  readonly abort: AbortController
  ask(options?: Partial<Utterance>): ReturnType<Transcriber["transcribe"]>
  /** The EngineError of an utterance that must fail. */
  refused(): Promise<EngineError>
}

const callers: Caller[] = []
const stops: (() => unknown)[] = []

/** A Groq behind `upstream`, with time in the hands of the test. */
function calling(upstream: { url: string; stop(): unknown }, options: Partial<Parameters<typeof createGroq>[0]> = {}): Caller {
  const clock = handClock()
  const tap = tapLog()
  const groq = createGroq({ apiKey: KEY, baseUrl: upstream.url, noSpeechThreshold: 0.7, clock, log: tap.log, ...options })
  const abort = new AbortController()
  const ask: Caller["ask"] = (options = {}) => groq.transcribe({ samples: speech, language: "en", ...options }, abort.signal)
  const caller: Caller = { groq, clock, tap, abort, ask, refused: async () => failureOf(ask()) }
  callers.push(caller)
  stops.push(() => upstream.stop())
  return caller
}

/** It waits for just so long before it asks again: the clock holds that wait beside the deadline. */
async function expectWait({ clock, tap }: Caller, waitMs: number): Promise<void> {
  expect(await tap.seen(AGAIN)).toMatchObject({ level: "warn", engine: "groq", waitMs })
  expect(clock.waiting).toBe(2)
  if (waitMs > 0) await clock.advance(waitMs - 1)
  expect(clock.waiting).toBe(2)
  await clock.advance(1)
  expect(clock.waiting).toBe(1)
}

async function failureOf(promise: Promise<unknown>): Promise<EngineError> {
  const outcome = await promise.catch((thrown: unknown) => thrown)
  expect(outcome).toBeInstanceOf(EngineError)
  const failure = outcome as EngineError
  expect(failure.message).not.toContain(KEY)
  expect(failure.message).not.toContain("\n")
  expect(failure.cause).toBeUndefined()
  return failure
}

/** However a test ended: no timer and no listener is left, and the key is nowhere in the log. */
afterEach(async () => {
  for (const { groq, clock, tap, abort } of callers.splice(0)) {
    expect(clock.waiting).toBe(0)
    expect(getEventListeners(abort.signal, "abort")).toEqual([])
    expect(JSON.stringify(tap.lines)).not.toContain(KEY)
    await groq.close()
  }
  for (const stop of stops.splice(0)) await stop()
})

keepsTheContract("groq, lifted,", async () => {
  const upstream = startGroqUpstream(hearing)
  const groq = createGroq({ apiKey: KEY, baseUrl: upstream.url, noSpeechThreshold: 0.7, log: silentLog })
  const permits = createPermits({ atOnce: groq.concurrency, waitingMax: 8 })
  const engine = liftTranscriber(groq, { permits, vad: energyVad(), log: silentLog })
  return { engine, speech: await fixture("ps_goforward"), dialled: () => upstream.asked.length, stop: upstream.stop }
})

describe("what groq is asked", () => {
  test("is one multipart request: the audio as a WAV file and the settings of the service it replaces", async () => {
    const upstream = startGroqUpstream(hearing)
    await calling(upstream).ask({ language: "fr" })
    expect(upstream.asked).toHaveLength(1)
    const [asked] = upstream.asked
    expect(asked?.path).toBe("/openai/v1/audio/transcriptions")
    expect(asked?.headers.get("authorization")).toBe(`Bearer ${KEY}`)
    expect(asked?.fields).toEqual([
      ["file", "audio.wav audio/wav"],
      ["model", "whisper-large-v3"],
      ["response_format", "verbose_json"],
      ["temperature", "0"],
      ["language", "fr"],
    ])
    expect(asked?.wav).toEqual(wavFromSamples(speech))
  })

  test("is a translation where English words are wanted, from whatever language", async () => {
    const upstream = startGroqUpstream(hearing)
    await calling(upstream).ask({ language: "fr", translate: true })
    expect(upstream.asked.map(({ path }) => path)).toEqual(["/openai/v1/audio/translations"])
    expect(upstream.asked[0]?.fields).toEqual([
      ["file", "audio.wav audio/wav"],
      ["model", "whisper-large-v3"],
      ["response_format", "verbose_json"],
      ["temperature", "0"],
    ])
  })

  test("names no language when the language is to be detected", async () => {
    const upstream = startGroqUpstream(hearing)
    await calling(upstream).ask({ language: "auto" })
    expect(upstream.asked[0]?.fields.map(([name]) => name)).toEqual(["file", "model", "response_format", "temperature"])
  })

  test("includes the prompt and the times of words where they are wanted", async () => {
    const upstream = startGroqUpstream(hearing)
    await calling(upstream).ask({ prompt: "Xanten and Kleve", words: true })
    expect(upstream.asked[0]?.fields.slice(5)).toEqual([
      ["prompt", "Xanten and Kleve"],
      ["timestamp_granularities[]", "word"],
      ["timestamp_granularities[]", "segment"],
    ])
    await calling(upstream).ask({ prompt: "", words: false })
    expect(upstream.asked[1]?.fields).toHaveLength(5)
  })

  test("is of a long prompt the last words, as many as groq takes", async () => {
    const upstream = startGroqUpstream(hearing)
    const words = Array.from({ length: 300 }, (_, index) => `word${index}`)
    await calling(upstream).ask({ prompt: words.join(" ") })
    const prompt = new Map(upstream.asked[0]?.fields).get("prompt")!
    expect(prompt.length).toBeGreaterThan(880)
    expect(prompt.length).toBeLessThanOrEqual(896)
    expect(words.slice(-prompt.split(" ").length).join(" ")).toBe(prompt)
  })

  test("takes no account of a draft, and says that it is not to be asked for interims", async () => {
    const upstream = startGroqUpstream(hearing)
    const caller = calling(upstream)
    expect(caller.groq.interims).toBe(false)
    await caller.ask({ draft: { tokens: [1, 2], fixed: 1 } })
    expect(upstream.asked[0]?.fields).toHaveLength(5)
  })

  test("is nothing when less than a tenth of a second was said", async () => {
    const upstream = startGroqUpstream(hearing)
    const caller = calling(upstream)
    expect(await caller.ask({ samples: speech.slice(0, 1599) })).toEqual({ text: "", language: "en", segments: [] })
    expect(await caller.ask({ samples: new Int16Array(), language: "auto" })).toEqual({ text: "", language: null, segments: [] })
    expect(upstream.asked).toHaveLength(0)
    await caller.ask({ samples: speech.slice(0, 1600) })
    expect(upstream.asked).toHaveLength(1)
  })

  test("is nothing when it only has to be ready", async () => {
    const upstream = startGroqUpstream(hearing)
    await calling(upstream).groq.ready()
    expect(upstream.asked).toHaveLength(0)
  })

  test("is nothing without a key: that is known before", async () => {
    const upstream = startGroqUpstream(hearing)
    const { groq } = calling(upstream, { apiKey: "" })
    expect(await failureOf(groq.ready())).toMatchObject({ code: "unauthorized" })
  })
})

describe("what groq answers", () => {
  const answering = (body: unknown, init?: ResponseInit) =>
    calling(startGroqUpstream(() => (typeof body === "string" ? new Response(body, init) : Response.json(body))))

  test("becomes a transcript with times in ms and the numbers of each segment", async () => {
    const segments = [
      { text: " Go forward", start: 0, end: 0.84, avg_logprob: -0.25, no_speech_prob: 0.02, compression_ratio: 0.9, tokens: [7, 8] },
      { text: " ten  meters.", start: 0.84, end: 1.9, avg_logprob: -0.3, no_speech_prob: 0.03, temperature: 0.2 },
    ]
    const words = null
    expect(await answering(verbose(" Go forward ten  meters. ", segments)).ask()).toEqual({
      text: "Go forward ten meters.",
      language: "en",
      segments: [
        {
          text: " Go forward",
          startMs: 0,
          endMs: 840,
          avgLogprob: -0.25,
          noSpeechProb: 0.02,
          compressionRatio: 0.9,
          temperature: null,
          tokens: [7, 8],
          words,
        },
        {
          text: " ten  meters.",
          startMs: 840,
          endMs: 1900,
          avgLogprob: -0.3,
          noSpeechProb: 0.03,
          compressionRatio: null,
          temperature: 0.2,
          tokens: [],
          words,
        },
      ],
    })
  })

  test("gives each segment the words that were said in it, and a silent one takes its own with it", async () => {
    const segments = [
      { text: " Go forward", start: 0, end: 0.84 },
      { text: " ten meters.", start: 0.9, end: 1.9 },
      { text: " Thank you.", start: 1.9, end: 3, avg_logprob: -1.4, no_speech_prob: 0.92 },
    ]
    const words = [
      { word: "Go", start: 0, end: 0.3 },
      { word: " forward", start: 0.3, end: 0.84 },
      { word: "ten", start: 0.9, end: 1.2 },
      { word: " ", start: 1.2, end: 1.2 },
      { word: "meters.", start: 1.2, end: 1.9 },
      { word: "Thank", start: 1.9, end: 2.2 },
    ]
    const answer = verbose(" Go forward ten meters. Thank you.", segments, { words })
    const { segments: spoken } = await answering(answer).ask({ words: true })
    expect(spoken.map((segment) => segment.words?.map(({ text, startMs, endMs }) => [text, startMs, endMs]))).toEqual([
      [
        ["Go", 0, 300],
        ["forward", 300, 840],
      ],
      [
        ["ten", 900, 1200],
        ["meters.", 1200, 1900],
      ],
    ])
    expect(spoken[0]?.words?.[0]?.confidence).toBeNull()
    const unasked = await answering(answer).ask()
    expect(unasked.segments.map((segment) => segment.words)).toEqual([null, null])
    const untold = await answering(verbose(" Go.", segments.slice(0, 1))).ask({ words: true })
    expect(untold.segments.map((segment) => segment.words)).toEqual([null])
  })

  test("loses its silent segments and keeps its spoken ones, also when silence comes first", async () => {
    const segments = [
      { text: " Thank you.", start: 0, end: 3, avg_logprob: -1.4, no_speech_prob: 0.92 },
      { text: " Go forward.", start: 3, end: 4, avg_logprob: -0.3, no_speech_prob: 0.92 },
      { text: " Now.", start: 4, end: 5, avg_logprob: -1.4, no_speech_prob: 0.5 },
    ]
    const { text, segments: kept } = await answering(verbose(" Thank you. Go forward. Now.", segments)).ask()
    expect(text).toBe("Go forward. Now.")
    expect(kept.map((segment) => segment.text)).toEqual([" Go forward.", " Now."])
  })

  test("is no words at all when every segment is silent", async () => {
    const segments = [{ text: " Thank you.", start: 0, end: 1, avg_logprob: -1.4, no_speech_prob: 0.92 }]
    expect(await answering(verbose(" Thank you.", segments)).ask()).toEqual({ text: "", language: "en", segments: [] })
  })

  test("is its text when there are no segments, and when no segment has numbers", async () => {
    expect(await answering({ text: " Hello. " }).ask()).toEqual({ text: "Hello.", language: "en", segments: [] })
    expect(await answering({ text: "Hello.", segments: [] }).ask()).toMatchObject({ text: "Hello." })
    expect(await answering({ text: "Hello.", segments: null }).ask()).toMatchObject({ text: "Hello." })
    const { text, segments } = await answering(verbose("Hello.", [{ text: "Hello." }])).ask()
    expect(text).toBe("Hello.")
    const endMs = Math.round(speech.length / 16)
    expect(segments).toMatchObject([{ text: "Hello.", startMs: 0, endMs, avgLogprob: null, noSpeechProb: null, tokens: [] }])
  })

  test("keeps words unspaced where the language writes none", async () => {
    expect((await answering(verbose("你好世界", [{ text: "你好" }, { text: "世界" }])).ask()).text).toBe("你好世界")
  })

  test("names the language it heard, as a code, when it was to detect it", async () => {
    const heard = async (language?: string) => (await answering(verbose("x", [], { language })).ask({ language: "auto" })).language
    expect(await heard("English")).toBe("en")
    expect(await heard("german")).toBe("de")
    expect(await heard("Maori")).toBe("mi")
    expect(await heard("cantonese")).toBe("yue")
    expect(await heard("hebrew")).toBe("he")
    expect(await heard("pt")).toBe("pt")
    expect(await heard("klingon tongue")).toBeNull()
    expect(await heard(undefined)).toBeNull()
  })

  test("is read as JSON also when it does not say that it is", async () => {
    const upstream = startRawUpstream((socket) => {
      const body = JSON.stringify(verbose("Hello."))
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    })
    expect(await calling(upstream).ask()).toMatchObject({ text: "Hello." })
  })

  const unreadable: [string, string | object][] = [
    ["broken JSON", '{"text": "priv'],
    ["JSON of something else", { words: "private" }],
    ["JSON with the wrong types", { text: 7, segments: "private" }],
    ["a page", "<html>private</html>"],
    ["nothing", ""],
  ]
  for (const [what, body] of unreadable) {
    for (const type of ["application/json", "text/html"]) {
      test(`is a failure, quoted nowhere and not asked for again, when it is ${what} sent as ${type}`, async () => {
        const text = typeof body === "string" ? body : JSON.stringify(body)
        const upstream = startGroqUpstream(() => new Response(text, { headers: { "content-type": type } }))
        const failure = await calling(upstream).refused()
        expect(failure).toMatchObject({ code: "unavailable", retryable: false, message: "groq: its answer cannot be read" })
        expect(upstream.asked).toHaveLength(1)
      })
    }
  }
})

describe("a refusal of groq", () => {
  const final: [number, object, string][] = [
    [400, { code: "bad_audio", providerCode: "400 invalid_request_error" }, "it does not take this request"],
    [401, { code: "unauthorized", providerCode: "401 invalid_request_error" }, "it does not accept our key"],
    [403, { code: "unauthorized" }, "our key may not do this"],
    [404, { code: "unavailable" }, "nothing answers at this address, or not this model"],
    [413, { code: "bad_audio" }, "the audio is too long for it"],
    [422, { code: "bad_audio" }, "it cannot read this audio"],
    [418, { code: "unavailable" }, "it answered something unexpected"],
  ]
  for (const [status, expected, meaning] of final) {
    test(`with ${status} is final and asked for once`, async () => {
      const message = `Invalid API Key ${KEY} for "private words"`
      const upstream = startGroqUpstream(() => refusal(status, { message, type: "invalid_request_error" }))
      const failure = await calling(upstream).refused()
      expect(failure).toMatchObject({ ...expected, retryable: false })
      expect(failure.message).toBe(`groq: ${meaning} (${status} invalid_request_error)`)
      expect(upstream.asked).toHaveLength(1)
    })
  }

  test("is named by its code before its type, and by its status alone when neither is a plain name", async () => {
    const named = async (error: Record<string, unknown>) => {
      const upstream = startGroqUpstream(() => refusal(400, error))
      return (await calling(upstream).refused()).providerCode
    }
    expect(await named({ code: "audio_too_short", type: "invalid_request_error" })).toBe("400 audio_too_short")
    expect(await named({ code: "a whole sentence", type: 7 })).toBe("400")
    expect(await named({ code: `${KEY}`, type: "x" })).toBe("400")
    const page = startGroqUpstream(() => new Response("<html>", { status: 400 }))
    expect((await calling(page).refused()).providerCode).toBe("400")
  })

  for (const [status, code] of [
    [408, "timeout"],
    [429, "rate_limited"],
    [498, "rate_limited"],
    [500, "unavailable"],
    [503, "unavailable"],
  ] as const) {
    test(`with ${status} is asked once more, half a second later, and the answer counts`, async () => {
      const upstream = startGroqUpstream((asked, index) => (index === 0 ? new Response("<html>", { status }) : hearing(asked)))
      const caller = calling(upstream)
      const answer = caller.ask()
      expect(await caller.tap.seen(AGAIN)).toMatchObject({ code, providerCode: `${status}` })
      await expectWait(caller, 500)
      expect((await answer).text).toStartWith("words")
      expect(upstream.asked).toHaveLength(2)
      expect(upstream.asked[1]?.wav).toEqual(wavFromSamples(speech))
    })

    test(`with ${status} twice is that failure, and there is no third question`, async () => {
      const upstream = startGroqUpstream(() => new Response("<html>", { status }))
      const caller = calling(upstream)
      const failure = caller.refused()
      await caller.tap.seen(AGAIN)
      await caller.clock.advance(500)
      expect(await failure).toMatchObject({ code, retryable: true, providerCode: `${status}` })
      expect(upstream.asked).toHaveLength(2)
    })
  }

  test("that asks for a second of patience gets exactly that", async () => {
    const upstream = startGroqUpstream((asked, index) => (index === 0 ? refusal(429, {}, { "retry-after": "1" }) : hearing(asked)))
    const caller = calling(upstream)
    const answer = caller.ask()
    await expectWait(caller, 1000)
    expect((await answer).text).toStartWith("words")
  })

  test("that names a date is waited for by the provider's own clock", async () => {
    const headers = { date: "Tue, 01 Jan 2030 10:00:00 GMT", "retry-after": "Tue, 01 Jan 2030 10:00:03 GMT" }
    const upstream = startGroqUpstream((asked, index) => (index === 0 ? refusal(429, {}, headers) : hearing(asked)))
    const caller = calling(upstream)
    const answer = caller.ask()
    await expectWait(caller, 3000)
    expect((await answer).text).toStartWith("words")
  })

  test("that names a date gone by is asked again at once", async () => {
    const headers = { date: "Tue, 01 Jan 2030 10:00:00 GMT", "retry-after": "Tue, 01 Jan 2030 09:00:00 GMT" }
    const upstream = startGroqUpstream((asked, index) => (index === 0 ? refusal(503, {}, headers) : hearing(asked)))
    const caller = calling(upstream)
    const answer = caller.ask()
    await expectWait(caller, 0)
    expect((await answer).text).toStartWith("words")
  })

  test("whose wish nobody can read is waited for as if it had none", async () => {
    const upstream = startGroqUpstream((asked, index) => (index === 0 ? refusal(429, {}, { "retry-after": "soon" }) : hearing(asked)))
    const caller = calling(upstream)
    const answer = caller.ask()
    await expectWait(caller, 500)
    await answer
  })

  test("that asks for more patience than the deadline allows is told at once, with the wish", async () => {
    const upstream = startGroqUpstream(() => refusal(429, { code: "rate_limit_exceeded" }, { "retry-after": "86400" }))
    const failure = await calling(upstream).refused()
    expect(failure).toMatchObject({
      code: "rate_limited",
      retryable: true,
      retryAfterMs: 86_400_000,
      providerCode: "429 rate_limit_exceeded",
    })
    expect(upstream.asked).toHaveLength(1)
  })

  test("is not asked for again when no time would be left to answer", async () => {
    const upstream = startGroqUpstream(() => refusal(429, {}, { "retry-after": "9" }))
    const samples = new Int16Array(1600)
    const tight = calling(upstream, { deadlineMs: 9_990 - 1 })
    expect(await failureOf(tight.ask({ samples }))).toMatchObject({ code: "rate_limited", retryAfterMs: 9000 })
    expect(upstream.asked).toHaveLength(1)
    const enough = calling(upstream, { deadlineMs: 9_990 })
    const failure = failureOf(enough.ask({ samples }))
    await enough.tap.seen(AGAIN)
    await enough.clock.advance(9000)
    await failure
    expect(upstream.asked).toHaveLength(3)
  })

  test("is counted by code, the one that was retried too", async () => {
    const count = async (code: string) =>
      (await upstreamErrors.get()).values.find(({ labels }) => labels.engine === "groq" && labels.code === code)?.value ?? 0
    const [limited, failed] = [await count("rate_limited"), await count("unavailable")]
    const upstream = startGroqUpstream((_, index) => new Response("", { status: index === 0 ? 429 : 500 }))
    const caller = calling(upstream)
    const failure = caller.refused()
    await caller.tap.seen(AGAIN)
    await caller.clock.advance(500)
    await failure
    expect([await count("rate_limited"), await count("unavailable")]).toEqual([limited + 1, failed + 1])
  })
})

describe("a connection to groq", () => {
  test("that is refused is tried once more, then unavailable", async () => {
    const gone = startRawUpstream(() => {})
    gone.stop()
    const caller = calling(gone)
    const failure = caller.refused()
    expect(await caller.tap.seen(AGAIN)).toMatchObject({ code: "unavailable" })
    await caller.clock.advance(500)
    expect(await failure).toMatchObject({ code: "unavailable", retryable: true, message: expect.stringContaining("the connection failed") })
  })

  test("that is reset before the answer is tried once more, and that answer counts", async () => {
    const body = JSON.stringify(verbose("Hello."))
    const upstream = startRawUpstream((socket, index) => {
      if (index === 0) socket.reset()
      else socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    })
    const caller = calling(upstream)
    const answer = caller.ask()
    expect(await caller.tap.seen(AGAIN)).toMatchObject({ code: "unavailable", providerCode: "ECONNRESET" })
    await caller.clock.advance(500)
    expect((await answer).text).toBe("Hello.")
    expect(upstream.asked()).toBe(2)
  })

  test("that breaks in the middle of the answer is tried once more", async () => {
    const upstream = startRawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"text": "pri')
      socket.end()
    })
    const caller = calling(upstream)
    const failure = caller.refused()
    await caller.tap.seen(AGAIN)
    await caller.clock.advance(500)
    expect(await failure).toMatchObject({ code: "unavailable", retryable: true })
    expect(upstream.asked()).toBe(2)
  })

  test("that speaks no HTTP is unavailable", async () => {
    const caller = calling(startRawUpstream((socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n\r\n")))
    const failure = caller.refused()
    await caller.tap.seen(AGAIN)
    await caller.clock.advance(500)
    expect(await failure).toMatchObject({ code: "unavailable" })
  })

  test("that stalls before the headers ends at the deadline, and we hang up", async () => {
    const upstream = startGroqUpstream(() => new Promise(() => {}))
    const caller = calling(upstream, { deadlineMs: 5000 })
    const failure = failureOf(caller.ask({ samples: new Int16Array(16_000) }))
    const asked = await upstream.question(1)
    await caller.clock.advance(5099)
    expect(caller.clock.waiting).toBe(1)
    await caller.clock.advance(1)
    expect(await failure).toMatchObject({ code: "timeout", retryable: true, message: "groq: no answer within 5100 ms" })
    await asked.hungUp
    expect(upstream.asked).toHaveLength(1)
  })

  test("that stalls inside the answer ends at the deadline too", async () => {
    const upstream = startRawUpstream((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"text": "pri'),
    )
    // Real time: only that surely lets the headers come first.
    const groq = createGroq({ apiKey: KEY, baseUrl: upstream.url, noSpeechThreshold: 0.7, deadlineMs: 150, log: silentLog })
    expect(await failureOf(groq.transcribe({ samples: speech, language: "en" }, new AbortController().signal))).toMatchObject({
      code: "timeout",
    })
    expect(upstream.asked()).toBe(1)
    upstream.stop()
  })

  test("that stalls in its second answer ends at the deadline of the first", async () => {
    const upstream = startGroqUpstream((_, index) => (index === 0 ? new Response("", { status: 500 }) : new Promise(() => {})))
    const caller = calling(upstream, { deadlineMs: 5000 })
    const failure = failureOf(caller.ask({ samples: new Int16Array(16_000) }))
    await caller.tap.seen(AGAIN)
    await caller.clock.advance(500)
    await upstream.question(2)
    await caller.clock.advance(4600)
    expect(await failure).toMatchObject({ code: "timeout" })
  })

  test("that the system gives up on is a timeout, worth another try", () => {
    expect(failureOfThrown(new APIConnectionTimeoutError(), KEY)).toMatchObject({ code: "timeout", retryable: true })
  })

  test("is left to our deadline: the SDK's own is later", async () => {
    const upstream = startGroqUpstream(hearing)
    await calling(upstream, { deadlineMs: 90_000 }).ask()
    expect(Number(upstream.asked[0]?.headers.get("x-stainless-timeout"))).toBeGreaterThan(90)
  })

  test("has a default deadline of 30 s and a tenth of the audio", async () => {
    const upstream = startGroqUpstream(() => new Promise(() => {}))
    const caller = calling(upstream)
    const failure = failureOf(caller.ask({ samples: new Int16Array(160_000) }))
    await upstream.question(1)
    await caller.clock.advance(31_000)
    expect(await failure).toMatchObject({ code: "timeout", message: "groq: no answer within 31000 ms" })
  })
})

describe("a caller of groq who gives up", () => {
  test("before it began asks nothing", async () => {
    const upstream = startGroqUpstream(hearing)
    const caller = calling(upstream)
    caller.abort.abort()
    expect(await caller.refused()).toMatchObject({ code: "aborted" })
    expect(await failureOf(caller.ask({ samples: new Int16Array() }))).toMatchObject({ code: "aborted" })
    expect(upstream.asked).toHaveLength(0)
  })

  test("is not counted as an error of groq", async () => {
    const upstream = startGroqUpstream(() => new Promise(() => {}))
    const caller = calling(upstream)
    const failure = caller.refused()
    await upstream.question(1)
    caller.abort.abort()
    await failure
    expect((await upstreamErrors.get()).values.filter(({ labels }) => labels.engine === "groq" && labels.code === "aborted")).toEqual([])
  })

  test("while waiting for the answer is free at once, and we hang up", async () => {
    const upstream = startGroqUpstream(() => new Promise(() => {}))
    const caller = calling(upstream)
    const failure = caller.refused()
    const asked = await upstream.question(1)
    caller.abort.abort()
    expect(await failure).toMatchObject({ code: "aborted", retryable: false })
    await asked.hungUp
    expect(upstream.asked).toHaveLength(1)
  })

  test("in the middle of the answer is free at once", async () => {
    const half = Promise.withResolvers<void>()
    const upstream = startRawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"text": "pri')
      half.resolve()
    })
    const caller = calling(upstream)
    const failure = caller.refused()
    await half.promise
    caller.abort.abort()
    expect(await failure).toMatchObject({ code: "aborted" })
  })

  test("while waiting to ask again is free at once, and nothing is asked again", async () => {
    const upstream = startGroqUpstream(() => refusal(429, {}, { "retry-after": "20" }))
    const caller = calling(upstream)
    const failure = caller.refused()
    await caller.tap.seen(AGAIN)
    caller.abort.abort()
    expect(await failure).toMatchObject({ code: "aborted" })
    expect(caller.clock.waiting).toBe(0)
    await caller.clock.advance(60_000)
    expect(upstream.asked).toHaveLength(1)
  })

  test("by closing it ends everything that runs, and whatever comes later", async () => {
    const upstream = startGroqUpstream(() => new Promise(() => {}))
    const caller = calling(upstream)
    const failures = [caller.refused(), caller.refused()]
    await upstream.question(2)
    await Promise.all([caller.groq.close(), caller.groq.close()])
    expect(await Promise.all(failures)).toMatchObject([{ code: "aborted" }, { code: "aborted" }])
    expect(await caller.refused()).toMatchObject({ code: "aborted" })
    expect(upstream.asked).toHaveLength(2)
  })
})

test("groq says nothing on the console, whatever its SDK is told to log", async () => {
  const script = `
    import { createGroq } from ${JSON.stringify(`${import.meta.dir}/../../src/engines/groq.ts`)}
    import { silentLog } from ${JSON.stringify(`${import.meta.dir}/../../src/log.ts`)}
    const groq = createGroq({ apiKey: "${KEY}", baseUrl: process.argv[1], noSpeechThreshold: 0.7, log: silentLog })
    await groq.transcribe({ samples: new Int16Array(16000).fill(500), language: "en" }, new AbortController().signal)
  `
  const upstream = startGroqUpstream(hearing)
  const child = Bun.spawn([process.execPath, "-e", script, upstream.url], {
    env: { ...process.env, GROQ_LOG: "debug" },
    stdout: "pipe",
    stderr: "pipe",
  })
  const output = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text())
  await upstream.stop()
  expect(upstream.asked).toHaveLength(1)
  expect(output).toBe("")
})

const liveKey = process.env.LIVE_GROQ_API_KEY
test.skipIf(!liveKey)(
  "the real groq understands a recording (costs money: only with LIVE_GROQ_API_KEY)",
  async () => {
    const groq = createGroq({ apiKey: liveKey ?? "", noSpeechThreshold: 0.7, log: silentLog })
    const { text } = await groq.transcribe({ samples: speech, language: "en" }, new AbortController().signal)
    expect(text.toLowerCase()).toContain("go forward")
  },
  60_000,
)
