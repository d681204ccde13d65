import { afterEach, beforeAll, describe, expect, test } from "bun:test"
import { getEventListeners } from "node:events"
import { samplesFromBytes } from "../../src/audio/pcm.ts"
import { FAILURES_TO_OPEN, OPEN_MS } from "../../src/engines/breaker.ts"
import { createDeepgram } from "../../src/engines/deepgram.ts"
import { EngineError, type Transcriber, type Utterance } from "../../src/engines/engine.ts"
import { type Candidate, createFallback } from "../../src/engines/fallback.ts"
import { createGroq } from "../../src/engines/groq.ts"
import { transcribeByStreams } from "../../src/engines/streamed.ts"
import { silentLog } from "../../src/log.ts"
import { breakerState, fallbacks, utterances } from "../../src/metrics.ts"
import { createPermits } from "../../src/permits.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { type HandClock, handClock } from "../support/clock.ts"
import { startDeepgram } from "../support/deepgram-upstream.ts"
import { energyVad } from "../support/energy-vad.ts"
import { type GroqUpstream, hearing, refusal, startGroqUpstream, startRawUpstream, verbose } from "../support/groq-upstream.ts"
import { type LogTap, tapLog } from "../support/log.ts"
import { keepsTheContract } from "./contract.ts"

const DEADLINE_MS = 4_000

let speech: Int16Array
beforeAll(async () => {
  speech = samplesFromBytes((await Bun.file(`${import.meta.dir}/../fixtures/speech/ps_goforward.wav`).bytes()).subarray(44))
})

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

/** A Groq behind a local upstream, asked without a second try, and called as the test likes. */
function groqAt(upstream: { url: string; stop(): unknown }, name: string, changes: Partial<Transcriber> = {}): Transcriber {
  stops.push(() => upstream.stop())
  const groq = createGroq({ apiKey: "gsk_1", baseUrl: upstream.url, noSpeechThreshold: 0.7, deadlineMs: 1_000, log: silentLog })
  return { ...groq, name, ...changes }
}

/** Says always the same. */
const saying = (text: string) => startGroqUpstream(() => Response.json(verbose(text)))

interface Caller {
  readonly whole: Transcriber
  readonly clock: HandClock
  readonly tap: LogTap
  readonly abort: AbortController
  ask(options?: Partial<Utterance>): Promise<string>
}

function calling(...transcribers: readonly [Transcriber, ...Transcriber[]]): Caller {
  const clock = handClock()
  const tap = tapLog()
  const abort = new AbortController()
  const candidates = transcribers.map((transcriber) => ({ transcriber, deadlineMs: DEADLINE_MS })) as unknown as readonly [Candidate]
  const whole = createFallback({ candidates, waitingMax: 8, clock, log: tap.log })
  const ask: Caller["ask"] = async (options = {}) =>
    (await whole.transcribe({ samples: speech, language: "en", ...options }, abort.signal)).text
  stops.unshift(async () => {
    await whole.close()
    expect(clock.waiting).toBe(0)
    expect(getEventListeners(abort.signal, "abort")).toEqual([])
    expect(JSON.stringify(tap.lines)).not.toContain("words of")
  })
  return { whole, clock, tap, abort, ask }
}

async function countOf(engine: string, to: string, reason: string): Promise<number> {
  const { values } = await fallbacks.get()
  return values.find(({ labels }) => labels.engine === engine && labels.to === to && labels.reason === reason)?.value ?? 0
}

async function stateOf(engine: string): Promise<number | undefined> {
  return (await breakerState.get()).values.find(({ labels }) => labels.engine === engine)?.value
}

keepsTheContract("a fallback whose first is never there, lifted,", async () => {
  const dead = startGroqUpstream(() => refusal(503, { code: "down" }))
  const sound = startGroqUpstream(hearing)
  const candidates = [dead, sound].map(({ url }) => ({
    transcriber: createGroq({ apiKey: "gsk_1", baseUrl: url, noSpeechThreshold: 0.7, deadlineMs: 1_000, log: silentLog }),
    deadlineMs: DEADLINE_MS,
  })) as unknown as readonly [Candidate]
  const whole = createFallback({ candidates, waitingMax: 8, log: silentLog })
  const permits = createPermits({ atOnce: whole.concurrency, waitingMax: 8 })
  const engine = liftTranscriber(whole, { permits, vad: energyVad(), log: silentLog })
  const stop = async () => void (await Promise.all([dead.stop(), sound.stop()]))
  return { engine, speech, dialled: () => dead.asked.length + sound.asked.length, stop }
})

keepsTheContract("deepgram, a stream for each utterance, lifted,", async () => {
  const upstream = startDeepgram()
  upstream.onCall = (call) => {
    call.onWire = () => {
      if (call.wire.at(-1) !== "Finalize") return
      const audio = call.audio()
      call.results(audio.some((sample) => Math.abs(sample) > 100) ? `heard ${Bun.hash(audio)}` : "", { fromFinalize: true })
    }
  }
  const deepgram = createDeepgram({ apiKey: "dg_1", baseUrl: upstream.url, counts: false, log: silentLog })
  const transcriber = transcribeByStreams(deepgram, 8)
  const permits = createPermits({ atOnce: transcriber.concurrency, waitingMax: 8 })
  const engine = liftTranscriber(transcriber, { permits, vad: energyVad(), log: silentLog })
  return { engine, speech, dialled: () => upstream.dials, stop: () => upstream.stop() }
})

describe("when the first fails, the next is asked for the words of the same audio:", () => {
  const failures: readonly [string, string, () => { url: string; stop(): unknown }][] = [
    ["unavailable", "it answers 503", () => startGroqUpstream(() => refusal(503, { code: "down" }))],
    ["unauthorized", "it takes our key no longer", () => startGroqUpstream(() => refusal(401, { code: "invalid_api_key" }))],
    ["rate_limited", "it has enough of us", () => startGroqUpstream(() => refusal(429, { code: "limit" }, { "retry-after": "30" }))],
    ["unavailable", "it resets the connection", () => startRawUpstream((socket) => socket.reset())],
    ["unavailable", "it ends in the middle of its answer", () => startRawUpstream(halfAnAnswer)],
    [
      "unavailable",
      "it lies: a page where a transcript should be",
      () => startGroqUpstream(() => new Response("<html>all is well</html>")),
    ],
    ["unavailable", "it lies: another JSON", () => startGroqUpstream(() => Response.json({ text: 7 }))],
    ["bad_audio", "it does not like the audio", () => startGroqUpstream(() => refusal(400, { code: "no" }))],
  ]

  test.each(failures)("%s, because %s", async (code, _, start) => {
    const sound = startGroqUpstream(hearing)
    const { ask, tap } = calling(groqAt(start(), "first"), groqAt(sound, "next"))
    const before = await countOf("first", "next", code)
    expect(await ask()).toContain(`of ${speech.length} samples.`)
    expect(sound.asked).toHaveLength(1)
    expect(sound.asked[0]?.samples).toEqual(speech)
    expect(await countOf("first", "next", code)).toBe(before + 1)
    expect(tap.lines).toContainEqual(
      expect.objectContaining({ level: "warn", event: "engine failed", engine: "first", next: "next", code }),
    )
  })

  test("it says nothing until its deadline, and is then hung up on", async () => {
    const stalling = startGroqUpstream(() => new Promise<Response>(() => {}))
    const first = groqAt(stalling, "first")
    const { clock, ask, tap } = calling({ ...createSlow(stalling), name: "first", close: first.close }, groqAt(saying("next"), "next"))
    const asked = ask()
    const { hungUp } = await stalling.question(1)
    await clock.advance(DEADLINE_MS)
    expect(tap.lines.map(({ event }) => event)).not.toContain("engine failed")
    await clock.advance(speech.length / 16 / 10)
    expect(await asked).toBe("next")
    await hungUp
  })

  test("it sends half an answer and stalls", async () => {
    const arrived = Promise.withResolvers<void>()
    const stalling = startRawUpstream(({ write }) => {
      write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"text": "lost')
      arrived.resolve()
    })
    const { clock, ask } = calling({ ...createSlow(stalling), name: "first" }, groqAt(saying("next"), "next"))
    stops.push(() => stalling.stop())
    const asked = ask()
    await arrived.promise
    await clock.advance(DEADLINE_MS * 2)
    expect(await asked).toBe("next")
  })

  test("a Deepgram that takes audio and never answers", async () => {
    const upstream = startDeepgram()
    const deepgram = createDeepgram({ apiKey: "dg_1", baseUrl: upstream.url, counts: false, log: silentLog })
    const { clock, ask } = calling(transcribeByStreams(deepgram, 8), groqAt(saying("next"), "next"))
    const before = await totalOf("deepgram")
    const asked = ask()
    const call = await upstream.call(0)
    await call.heard(speech.length)
    await clock.advance(DEADLINE_MS * 2)
    expect(await asked).toBe("next")
    await upstream.emptied()
    expect(await totalOf("deepgram")).toBe(before)
    stops.push(() => upstream.stop())
  })
})

describe("exactly one answer comes", () => {
  test("although the first would still have given its own after the deadline", async () => {
    const late = Promise.withResolvers<string>()
    const stalling = startGroqUpstream(async () => Response.json(verbose(await late.promise)))
    const { clock, ask, whole } = calling({ ...createSlow(stalling), name: "first" }, groqAt(saying("next"), "next"))
    stops.push(() => stalling.stop())
    const permits = createPermits({ atOnce: 1, waitingMax: 8 })
    const lifted = liftTranscriber(whole, { permits, vad: energyVad(), log: silentLog })
    const stream = lifted.open({ session: "one", language: "en", endpointing: null, interims: false, words: false })
    stream.accept(speech.slice())
    stream.commit()
    stream.finish()
    await stalling.question(1)
    await clock.advance(DEADLINE_MS * 2)
    late.resolve("first")
    const events = await Array.fromAsync(stream.events)
    expect(events).toMatchObject([{ type: "final", text: "next", end: true }])
    expect(await ask()).toBe("first")
  })

  test("and one failure when all fail: the first one's", async () => {
    const { ask } = calling(
      groqAt(
        startGroqUpstream(() => refusal(400, { code: "no" })),
        "first",
      ),
      groqAt(
        startGroqUpstream(() => refusal(503, {})),
        "next",
      ),
    )
    expect(await ask().catch((thrown: EngineError) => thrown.code)).toBe("bad_audio")
  })

  test("or none, soon, when its caller gives up; nobody else is asked then", async () => {
    const stalling = startGroqUpstream(() => new Promise<Response>(() => {}))
    const sound = saying("next")
    const { ask, abort } = calling(groqAt(stalling, "first"), groqAt(sound, "next"))
    const asked = ask().catch((thrown: EngineError) => thrown.code)
    await stalling.question(1)
    abort.abort()
    expect(await asked).toBe("aborted")
    expect(sound.asked).toEqual([])
  })
})

describe("an engine that keeps failing", () => {
  test("is left out: nobody waits for it any more, and log and metric say so", async () => {
    const dead = startGroqUpstream(() => refusal(400 + 4, {}))
    const { ask, tap } = calling(groqAt(dead, "first"), groqAt(saying("next"), "next"))
    for (let asked = 0; asked < FAILURES_TO_OPEN + 3; asked++) expect(await ask()).toBe("next")
    expect(dead.asked).toHaveLength(FAILURES_TO_OPEN)
    expect(tap.lines).toContainEqual(
      expect.objectContaining({ level: "warn", event: "engine left out", engine: "first", openMs: OPEN_MS, code: "unavailable" }),
    )
    expect(await stateOf("first")).toBe(2)
  })

  test("is told as one to be tried out once its time is over, also while nobody speaks, and no longer after the end", async () => {
    const dead = startGroqUpstream(() => refusal(404, {}))
    const { ask, clock, whole } = calling(groqAt(dead, "first"), groqAt(saying("next"), "next"))
    for (let asked = 0; asked < FAILURES_TO_OPEN; asked++) await ask()
    expect(await stateOf("first")).toBe(2)
    await clock.advance(OPEN_MS)
    expect(await stateOf("first")).toBe(1)
    await whole.close()
    expect(await stateOf("first")).toBeUndefined()
  })

  test("is left out at once for as long as it asks", async () => {
    const limited = startGroqUpstream(() => refusal(429, {}, { "retry-after": "20" }))
    const { ask, tap } = calling(groqAt(limited, "first"), groqAt(saying("next"), "next"))
    await ask()
    expect(await tap.seen("engine left out")).toMatchObject({ openMs: 20_000 })
  })

  test("is tried out with one copy at a time, for which nobody waits, and is asked again once it answers", async () => {
    const later = Promise.withResolvers<Response>()
    let well = false
    const ailing = startGroqUpstream((_, index) => {
      if (index < FAILURES_TO_OPEN) return refusal(404, {})
      return well ? Response.json(verbose("first")) : later.promise
    })
    const { ask, tap, clock } = calling(groqAt(ailing, "first"), groqAt(saying("next"), "next"))
    for (let asked = 0; asked < FAILURES_TO_OPEN; asked++) await ask()
    await clock.advance(OPEN_MS)
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(["next", "next", "next"])
    const probe = await ailing.question(FAILURES_TO_OPEN + 1)
    expect(ailing.asked).toHaveLength(FAILURES_TO_OPEN + 1)
    expect(probe.samples).toEqual(speech)
    expect(await stateOf("first")).toBe(1)
    well = true
    later.resolve(Response.json(verbose("first")))
    await tap.seen("engine is back")
    expect(await stateOf("first")).toBe(0)
    expect(await ask()).toBe("first")
  })

  test("is tried out by one copy only, also while an asker of the last resort gives up", async () => {
    let dead = true
    const ailing = startGroqUpstream((_, index) => (index < FAILURES_TO_OPEN ? refusal(404, {}) : new Promise<Response>(() => {})))
    const next = startGroqUpstream(() => (dead ? refusal(413, {}) : Response.json(verbose("next"))))
    const first = { ...createSlow(ailing), name: "first" }
    const { ask, abort, clock, whole } = calling(first, groqAt(next, "next"))
    stops.push(() => ailing.stop())
    for (let asked = 0; asked < FAILURES_TO_OPEN; asked++) await ask().catch(() => {})
    await clock.advance(OPEN_MS)
    const leaving = whole.transcribe({ samples: speech, language: "en" }, abort.signal).catch((thrown: EngineError) => thrown.code)
    await ailing.question(FAILURES_TO_OPEN + 2)
    abort.abort()
    expect(await leaving).toBe("aborted")
    dead = false
    const { signal } = new AbortController()
    expect((await whole.transcribe({ samples: speech, language: "en" }, signal)).text).toBe("next")
    expect(ailing.asked).toHaveLength(FAILURES_TO_OPEN + 2)
    expect(await stateOf("first")).toBe(1)
  })

  test("is left out for twice as long when it fails again", async () => {
    const dead = startGroqUpstream(() => refusal(404, {}))
    const { ask, tap, clock } = calling(groqAt(dead, "first"), groqAt(saying("next"), "next"))
    for (let asked = 0; asked < FAILURES_TO_OPEN; asked++) await ask()
    await clock.advance(OPEN_MS)
    await ask()
    expect(await tap.seen("engine left out", 2)).toMatchObject({ openMs: OPEN_MS * 2 })
    await clock.advance(OPEN_MS)
    await ask()
    expect(dead.asked).toHaveLength(FAILURES_TO_OPEN + 1)
  })

  test("is the last resort when the others fail too", async () => {
    let well = false
    const first = startGroqUpstream(() => (well ? Response.json(verbose("first")) : refusal(404, {})))
    const next = startGroqUpstream(() => (well ? refusal(404, {}) : Response.json(verbose("next"))))
    const { ask } = calling(groqAt(first, "first"), groqAt(next, "next"))
    for (let asked = 0; asked < FAILURES_TO_OPEN; asked++) expect(await ask()).toBe("next")
    well = true
    expect(await ask()).toBe("first")
  })
})

describe("what only some can do", () => {
  test("is asked of those: English words of another language", async () => {
    const [first, next] = [saying("first"), saying("next")]
    const { ask } = calling(groqAt(first, "first", { translates: false }), groqAt(next, "next"))
    expect(await ask({ translate: true })).toBe("next")
    expect(await ask()).toBe("first")
  })

  test("the tokens of one never reach another, nor its draft", async () => {
    const heard: Utterance[] = []
    const next = groqAt(
      startGroqUpstream(() => Response.json(verbose(" hello", [{ text: " hello", tokens: [1, 2] }]))),
      "next",
    )
    const listening: Transcriber = {
      ...next,
      transcribe: (utterance, signal) => {
        heard.push(utterance)
        return next.transcribe(utterance, signal)
      },
    }
    const { whole, abort } = calling(
      groqAt(
        startGroqUpstream(() => refusal(404, {})),
        "first",
      ),
      listening,
    )
    const asked = { samples: speech, language: "en", draft: { tokens: [3], fixed: 1 }, context: { samples: speech, tokens: [4] } }
    expect((await whole.transcribe(asked, abort.signal)).segments).toMatchObject([{ text: " hello", tokens: [] }])
    expect(heard).toMatchObject([{ draft: undefined, context: undefined }])
  })

  test("words of what is still spoken are asked of the first alone", async () => {
    const next = saying("next")
    const { ask } = calling(
      groqAt(
        startGroqUpstream(() => refusal(404, {})),
        "first",
      ),
      groqAt(next, "next"),
    )
    expect(await ask({ interim: true }).catch((thrown) => thrown)).toBeInstanceOf(EngineError)
    expect(next.asked).toEqual([])
  })
})

test("nobody waits for the model of one while another one is ready", async () => {
  const loaded = Promise.withResolvers<void>()
  const waits = { ready: () => loaded.promise, transcribe: () => new Promise<never>(() => {}) }
  const answers = saying("first")
  const first = groqAt(answers, "first", waits)
  const { ask } = calling(first, groqAt(saying("next"), "next"))
  await new Promise((resolve) => setImmediate(resolve))
  expect(await ask()).toBe("next")
  Object.assign(first, { transcribe: groqAt(answers, "first").transcribe })
  loaded.resolve()
  await loaded.promise
  expect(await ask()).toBe("first")
})

describe("it is ready", () => {
  test("as soon as one of them is, and never only if none can be", async () => {
    const never = () => Promise.reject(new EngineError("unavailable", "no model"))
    const loading = () => new Promise<void>(() => {})
    const upstream = saying("")
    await calling(groqAt(upstream, "first", { ready: loading }), groqAt(saying(""), "next")).whole.ready()
    await calling(groqAt(saying(""), "first", { ready: never }), groqAt(saying(""), "next")).whole.ready()
    const none = calling(groqAt(saying(""), "first", { ready: never }), groqAt(saying(""), "next", { ready: never }))
    expect(none.whole.ready()).rejects.toThrow("no model")
  })
})

/** A Groq that would wait for ever. */
function createSlow({ url }: Pick<GroqUpstream, "url">): Transcriber {
  return createGroq({ apiKey: "gsk_1", baseUrl: url, noSpeechThreshold: 0.7, deadlineMs: 1e8, log: silentLog })
}

function halfAnAnswer(socket: { write(text: string): void; end(): void }) {
  socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"text": "lost')
  socket.end()
}

async function totalOf(engine: string): Promise<number> {
  const { values } = await utterances.get()
  return values.filter(({ labels }) => labels.engine === engine).reduce((sum, { value }) => sum + value, 0)
}
