/** With the real model in real processes: what the scripted engine of pool.test.ts cannot show. */
import { afterAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { joinSamples, msFromSamples } from "../../../src/audio/pcm.ts"
import { type Draft, EngineError, type Transcriber } from "../../../src/engines/engine.ts"
import type { ModelChoice } from "../../../src/engines/whisper/models.ts"
import { createWhisper, type WhisperOptions } from "../../../src/engines/whisper/whisper.ts"
import { clip, words } from "../../support/clips.ts"
import { energyVad } from "../../support/energy-vad.ts"
import { tapLog } from "../../support/log.ts"

const TIMEOUT_MS = 60_000
const READY = "engine process ready"
const support = join(import.meta.dir, "../../support")
const never = new AbortController().signal

const AUSTEN = "ps_sense_and_sensibility_01_austen_64kb-0870"
const AUSTEN_WORDS = "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them"

const opened: Transcriber[] = []
afterAll(() => Promise.all(opened.map((whisper) => whisper.close())))

function open(options: Partial<WhisperOptions> = {}) {
  const tap = tapLog()
  const whisper = createWhisper({
    model: { kind: "embedded" },
    modelName: "base",
    engines: 1,
    threads: 1,
    cacheDirs: [],
    noSpeechThreshold: 0.7,
    hallucinationFilter: true,
    vad: null,
    engineCommand: [process.execPath, join(support, "engine-process.ts")],
    env: process.env,
    log: tap.log,
    ...options,
  })
  opened.push(whisper)
  const say = async (samples: Int16Array, signal = never) => words((await whisper.transcribe({ samples, language: "en" }, signal)).text)
  return { whisper, tap, say }
}

async function failure(promise: Promise<unknown>): Promise<EngineError> {
  const error = await promise.then(
    () => new Error("it did not reject"),
    (error) => error,
  )
  expect(error).toBeInstanceOf(EngineError)
  return error
}

const kill = (line: Record<string, unknown>) => process.kill(Number(line.pid), "SIGKILL")

/** Long enough for the piece to be in the encoder, far too short for its words. */
const midUtterance = () => Bun.sleep(40)

describe("two engines", () => {
  const { whisper, tap, say } = open({ engines: 2 })

  test(
    "twenty utterances come back, each with its own words",
    async () => {
      const said = {
        [AUSTEN]: AUSTEN_WORDS,
        "ast_en_agent-pass": "please enter your password followed by the pound key",
        "ast_en_conf-kicked": "you have been kicked from this conference",
        "ps_sense_and_sensibility_01_austen_64kb-0930": "he might even have been made amiable himself",
      }
      const ids = Array.from({ length: 5 }, () => Object.entries(said)).flat()
      const heard = await Promise.all(ids.map(async ([id]) => say(await clip(id))))
      expect(heard).toEqual(ids.map(([, text]) => text))
    },
    TIMEOUT_MS,
  )

  test(
    "silence and no audio at all are text without words",
    async () => {
      const silence = await clip("ns_silence_0.4s")
      expect(await whisper.transcribe({ samples: silence, language: "en" }, never)).toMatchObject({ text: "", segments: [] })
      expect(await whisper.transcribe({ samples: new Int16Array(0), language: "auto" }, never)).toEqual({
        text: "",
        language: null,
        segments: [],
      })
    },
    TIMEOUT_MS,
  )

  test(
    "an utterance longer than Whisper hears at once keeps all its words, and times count from its start",
    async () => {
      const austen = ["0870", "0880", "0890", "0920", "0930"].map((number) => `ps_sense_and_sensibility_01_austen_64kb-${number}`)
      const clips = await Promise.all([...austen, "arctic_a0009", "ast_en_conf-kicked"].map(clip))
      const pause = new Int16Array(8_000)
      const samples = joinSamples(clips.flatMap((samples) => [samples, pause]))
      const { text, segments, language } = await whisper.transcribe({ samples, language: "en" }, never)
      const heard = words(text)
      const phrases = [
        "john dashwood had then leisure",
        "ill disposed young man",
        "is to be ill disposed",
        "made amiable himself",
        "turned sharply",
      ]
      for (const phrase of phrases) expect(heard).toContain(phrase)
      expect(heard).toEndWith("you have been kicked from this conference")
      expect(text).toBe(text.trim().replace(/\s+/g, " "))
      expect(language).toBe("en")
      const starts = segments.map(({ startMs }) => startMs)
      expect(starts).toEqual(starts.toSorted((a, b) => a - b))
      expect(starts.at(-1)).toBeGreaterThan(16_000)
      expect(segments.at(-1)!.endMs).toBe(msFromSamples(samples.length))
    },
    TIMEOUT_MS,
  )

  test(
    "an engine killed in the middle of an utterance costs no word; neither do both",
    async () => {
      const samples = await clip(AUSTEN)
      await whisper.ready()
      const lines = tap.lines.filter(({ event }) => event === READY)
      const both = [say(samples), say(samples)]
      await midUtterance()
      for (const line of lines) kill(line)
      expect(await Promise.all(both)).toEqual([AUSTEN_WORDS, AUSTEN_WORDS])
      await tap.seen(READY, 4)
    },
    TIMEOUT_MS,
  )
})

describe("one engine", () => {
  test(
    "an abort in the middle of an utterance is answered at once, and the engine goes on to the next",
    async () => {
      const { whisper, tap, say } = open()
      await whisper.ready()
      const samples = await clip(AUSTEN)
      const stop = new AbortController()
      const outcome = failure(whisper.transcribe({ samples, language: "en" }, stop.signal))
      await midUtterance()
      stop.abort()
      expect((await outcome).code).toBe("aborted")
      expect(await say(samples)).toBe(AUSTEN_WORDS)
      expect(tap.lines.map(({ event }) => event)).toEqual([READY])
    },
    TIMEOUT_MS,
  )

  test(
    "words over silence are dropped, and kept if that is wished",
    async () => {
      const silence = new Int16Array(16_000)
      const keeping = open({ hallucinationFilter: false })
      const { segments } = await keeping.whisper.transcribe({ samples: silence, language: "en" }, never)
      expect(segments.length).toBeGreaterThan(0)
      expect(await open().say(silence)).toBe("")
    },
    TIMEOUT_MS,
  )

  test(
    "a model that is still on its way is waited for; one that fails is the failure of everything",
    async () => {
      const coming = Promise.withResolvers<ModelChoice>()
      const { whisper, say } = open({ model: coming.promise })
      const said = say(await clip(AUSTEN))
      coming.resolve({ kind: "embedded" })
      await whisper.ready()
      expect(await said).toBe(AUSTEN_WORDS)

      const failing = open({ model: Promise.reject(new EngineError("unavailable", "no such model")) })
      expect((await failure(failing.whisper.ready())).message).toBe("no such model")
      expect((await failure(failing.say(new Int16Array(160)))).message).toBe("no such model")
    },
    TIMEOUT_MS,
  )

  test(
    "a folder that holds no model is told in one line, once",
    async () => {
      const { whisper, tap } = open({ model: { kind: "folder", path: import.meta.dir } })
      const error = await failure(whisper.ready())
      expect(error.code).toBe("unavailable")
      expect(error.message).toContain(import.meta.dir)
      expect(error.message).not.toContain("\n")
      expect(tap.lines.filter(({ event }) => event === "engine process ended")).toHaveLength(1)
    },
    TIMEOUT_MS,
  )
})

/** Lets a call reach its engine process, or the queue. */
const turn = () => new Promise(setImmediate)

const scripted = { engineCommand: [process.execPath, join(support, "scripted-engine.ts")] }

describe("what it says of itself", () => {
  test("is the model that took the place of one that could not be had", async () => {
    const { whisper } = open({ ...scripted, modelName: "tiny" })
    await whisper.ready()
    expect(whisper.model).toBe("base")
  })

  test("is a warning, once, about a language that the model does not know", async () => {
    const { whisper, tap } = open(scripted)
    const inKlingon = () => whisper.transcribe({ samples: new Int16Array(160).fill(7), language: "tlh" }, never)
    await inKlingon()
    await inKlingon()
    const warnings = tap.lines.filter(({ event }) => event === "language unknown to the model")
    expect(warnings).toEqual([expect.objectContaining({ language: "tlh", model: "base" })])
  })

  test("is room for a short utterance beside a long one, even on one engine", () => {
    expect(open(scripted).whisper.concurrency).toBeGreaterThan(1)
  })
})

const minute = new Int16Array(60 * 16_000)

describe("what is asked of it", () => {
  const draft = { tokens: [1, 2], fixed: 0 }
  const asked = async (samples: Int16Array) => {
    const { whisper } = open(scripted)
    const { segments } = await whisper.transcribe({ samples, language: "request", prompt: "Ada", words: true, draft }, never)
    return segments.map(({ text }) => JSON.parse(text))
  }

  test("reaches the engine", async () => {
    expect(await asked(new Int16Array(16_000))).toEqual([{ prompt: "Ada", words: true, interim: false, draft }])
  })

  test("reaches the engine with what was said before, where both have room, and no more of that than was told", async () => {
    const { whisper } = open(scripted)
    const context = { samples: Int16Array.of(7, 1, 2, 3, 7).subarray(1, 4), tokens: [1, 2] }
    const told = async (samples: Int16Array) =>
      (await whisper.transcribe({ samples, language: "context", context }, never)).segments[0]?.text.trim()
    expect(await told(new Int16Array(16_000))).toBe(JSON.stringify({ samples: [1, 2, 3], tokens: [1, 2] }))
    expect(await told(new Int16Array(28 * 16_000 - 2))).toBe("undefined")
  })

  test("reaches it with every piece of a long utterance, but for the draft, which speaks of the whole", async () => {
    expect(await asked(minute)).toEqual(new Array(3).fill({ prompt: "Ada", words: true, interim: false, draft: null }))
  })

  test("are times that count from the start of the utterance, also of words", async () => {
    const { whisper } = open(scripted)
    const { segments } = await whisper.transcribe({ samples: minute, language: "echo" }, never)
    const [first, second] = segments
    expect([first!.startMs, first!.words![0]!.startMs]).toEqual([0, 100])
    expect(second!.startMs).toBeGreaterThan(18_000)
    expect(second!.words![0]).toMatchObject({ startMs: second!.startMs + 100, endMs: second!.startMs + 900 })
  })

  test("as an interim waits behind the others", async () => {
    const { whisper, say } = open(scripted)
    await whisper.ready()
    const samples = new Int16Array(160)
    const interim = failure(whisper.transcribe({ samples, language: "until cancelled", interim: true }, never))
    expect(await say(samples.fill(7))).toBe("7")
    expect(await interim).toMatchObject({ code: "overloaded", retryable: true })
  })
})

describe("the detector", () => {
  const speech = (seconds: number) => new Int16Array(seconds * 16_000).fill(2_000)
  const pause = (seconds: number) => new Int16Array(seconds * 16_000)
  const textOf = async (whisper: Transcriber, samples: Int16Array, draft?: Draft) =>
    (await whisper.transcribe({ samples, language: "doubtful", draft }, never)).text

  test("decides about doubtful words", async () => {
    const { whisper } = open({ ...scripted, vad: energyVad() })
    expect(await textOf(whisper, speech(1))).toBe("doubtful")
    expect(await textOf(whisper, pause(1))).toBe("")
  })

  test("does not, if the filter is off or the words were promised", async () => {
    const vad = energyVad()
    expect(await textOf(open({ ...scripted, vad, hallucinationFilter: false }).whisper, pause(1))).toBe("doubtful")
    expect(await textOf(open({ ...scripted, vad }).whisper, pause(1), { tokens: [1], fixed: 1 })).toBe("doubtful")
    expect(vad.opened).toBe(0)
  })

  test("finds the pauses at which a long utterance is cut", async () => {
    const whisper = open({ ...scripted, vad: energyVad() }).whisper
    // By energy it would be the second one.
    const noise = pause(1).fill(200)
    const samples = joinSamples([speech(20), noise, speech(4), pause(0.5), speech(20)])
    const { segments } = await whisper.transcribe({ samples, language: "echo" }, never)
    expect(segments.map(({ startMs }) => Math.round(startMs / 100))).toEqual([0, 205])
  })

  test("that fails costs no word", async () => {
    const vad = energyVad()
    vad.hold()
    const { whisper, tap } = open({ ...scripted, vad })
    const heard = whisper.transcribe({ samples: joinSamples([speech(20), pause(1), speech(20)]), language: "echo" }, never)
    while (vad.openNow === 0) await turn()
    vad.fail(new EngineError("unavailable", "no detector"))
    expect((await heard).segments.map(({ startMs }) => Math.round(startMs / 100))).toEqual([0, 205])
    expect(tap.lines).toContainEqual(expect.objectContaining({ event: "voice activity detector gave no answer" }))
  })
})

describe("a long utterance", () => {
  test("lets a short one that came later pass its pieces", async () => {
    const { whisper } = open(scripted)
    await whisper.ready()
    const stop = new AbortController()
    const held = failure(whisper.transcribe({ samples: new Int16Array(160), language: "until cancelled" }, stop.signal))
    const turnsOf = async (samples: Int16Array) => (await whisper.transcribe({ samples, language: "turn" }, never)).text
    const long = turnsOf(joinSamples([minute, minute]))
    await turn()
    const short = turnsOf(new Int16Array(160))
    await turn()
    stop.abort()
    await held
    expect(await short).toBe("0")
    expect(await long).toBe("1 2 3 4 5")
  })

  test("fails with its first piece that does, and the engines go on", async () => {
    const { whisper, say } = open({ ...scripted, engines: 3 })
    expect((await failure(whisper.transcribe({ samples: minute, language: "fail" }, never))).message).toBe("cannot")
    expect(await say(new Int16Array(160).fill(7))).toBe("7")
  })

  test("lets go of its caller's signal", async () => {
    const { whisper } = open(scripted)
    const { signal } = new AbortController()
    const listening = new Set<unknown>()
    signal.addEventListener = (_type: string, listener: unknown) => void listening.add(listener)
    signal.removeEventListener = (_type: string, listener: unknown) => void listening.delete(listener)
    await whisper.transcribe({ samples: minute, language: "echo" }, signal)
    expect(listening.size).toBe(0)
  })
})
