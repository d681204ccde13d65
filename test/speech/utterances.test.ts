import { afterEach, describe, expect, test } from "bun:test"
import { type Engine, EngineError, type Stream, type Transcriber, type Utterance } from "../../src/engines/engine.ts"
import { createLog, silentLog } from "../../src/log.ts"
import { utterances } from "../../src/metrics.ts"
import { createPermits, type Permits } from "../../src/permits.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { LONG_SAMPLES, UTTERANCES_AT_ONCE } from "../../src/speech/finals.ts"
import type { Transcript } from "../../src/speech/transcript.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { handClock } from "../support/clock.ts"
import { untouchedVad } from "../support/energy-vad.ts"
import { randomFrom } from "../support/random.ts"

/** A transcriber that answers when the test says so. The text of an answer is the first sample of its utterance. */
function scripted() {
  const calls: Array<Utterance & { answer(transcript?: Partial<Transcript>): void; fail(thrown: unknown): void; signal: AbortSignal }> = []
  let closes = 0
  const transcriber: Transcriber = {
    name: "scripted",
    model: "test",
    concurrency: 8,
    interims: true,
    transcribe(utterance, signal) {
      return new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new EngineError("aborted", "given up")))
        const text = String(utterance.samples[0])
        const answer = (transcript = {}) => resolve({ text, language: "en", segments: [], ...transcript })
        calls.push({ ...utterance, answer, fail: reject, signal })
      })
    },
    ready: async () => {},
    async close() {
      closes++
    },
  }
  return { transcriber, calls, closes: () => closes }
}

const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

interface Lifted {
  readonly engine: Engine
  readonly stream: Stream
  readonly permits: Permits
  readonly calls: ReturnType<typeof scripted>["calls"]
  readonly next: () => Promise<SpeechEvent | "end">
  readonly clock: ReturnType<typeof handClock>
  readonly lines: string[]
  readonly closes: () => number
}

function lifted({ atOnce = 8, waitingMax = 8 } = {}): Lifted {
  const { transcriber, calls, closes } = scripted()
  const permits = createPermits({ atOnce, waitingMax })
  const clock = handClock()
  const lines: string[] = []
  const log = createLog({ level: "debug", write: (line) => lines.push(line) })
  const engine = liftTranscriber(transcriber, { permits, vad: untouchedVad, clock, log })
  open.push(engine)
  const stream = engine.open({ ...plain, session: "s1" })
  return { engine, stream, permits, calls, next: reader(stream), clock, lines, closes }
}

function reader(stream: Stream): () => Promise<SpeechEvent | "end"> {
  const iterator = stream.events[Symbol.asyncIterator]()
  return async () => {
    const result = await iterator.next()
    return result.done ? "end" : result.value
  }
}

/** A stream whose utterances end only where its caller says so. */
const plain = { language: "en", endpointing: null, interims: false, words: false } as const

const said = (word: number, sampleCount = 1600) => new Int16Array(sampleCount).fill(word)

const soon = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

describe("an utterance of a lifted transcriber", () => {
  test("is what was accepted between two commits, whatever the chunks", async () => {
    const { stream, calls } = lifted()
    const samples = Int16Array.from({ length: 1000 }, (_, index) => index)
    for (let at = 0, size = 1; at < 1000; at += size, size = (size % 37) + 1) stream.accept(samples.slice(at, at + size))
    stream.accept(new Int16Array())
    stream.commit()
    await soon()
    expect(calls.map((call) => call.samples)).toEqual([samples])
  })

  test("goes to the transcriber as it came, without a copy, when it came in one piece", async () => {
    const { stream, calls } = lifted()
    const samples = said(1)
    stream.accept(samples)
    stream.commit()
    await soon()
    expect(calls[0]?.samples).toBe(samples)
  })

  test("ends in one final with its words and its place in the stream", async () => {
    const { stream, calls, next } = lifted()
    stream.accept(said(7, 1600))
    stream.commit()
    stream.accept(said(8, 3200))
    stream.commit()
    await soon()
    for (const call of calls) call.answer()
    const unknown = { confidence: null, avgLogprob: null, noSpeechProb: null, words: null }
    const common = { type: "final", segment: 0, end: true, cause: "commit", language: "en", ...unknown }
    expect(await next()).toEqual({ ...common, utterance: 0, text: "7", startMs: 0, endMs: 100 } as SpeechEvent)
    expect(await next()).toEqual({ ...common, utterance: 1, text: "8", startMs: 100, endMs: 300 } as SpeechEvent)
  })

  test("without audio ends at once in a final without words, and asks nothing of the transcriber", async () => {
    const { stream, calls, next } = lifted()
    stream.commit()
    expect(await next()).toMatchObject({ type: "final", utterance: 0, text: "", end: true, cause: "commit" })
    expect(calls).toHaveLength(0)
  })

  test("without audio waits for the utterances before it", async () => {
    const { stream, calls, next } = lifted()
    stream.accept(said(5))
    stream.commit()
    stream.commit()
    const first = next()
    expect(await Promise.race([first, soon().then(() => "nothing yet")])).toBe("nothing yet")
    calls[0]?.answer()
    expect(await first).toMatchObject({ utterance: 0, text: "5" })
    expect(await next()).toMatchObject({ utterance: 1, text: "" })
  })

  test("whose answer comes early waits for those before it", async () => {
    const { stream, calls, next } = lifted()
    for (const word of [1, 2]) {
      stream.accept(said(word))
      stream.commit()
    }
    await soon()
    calls[1]?.answer()
    const first = next()
    expect(await Promise.race([first, soon().then(() => "nothing yet")])).toBe("nothing yet")
    calls[0]?.answer()
    expect(await first).toMatchObject({ utterance: 0, text: "1" })
    expect(await next()).toMatchObject({ utterance: 1, text: "2" })
  })

  test("that fails is named in its place, and the stream goes on", async () => {
    const { stream, calls, next, lines } = lifted()
    stream.accept(said(1))
    stream.commit()
    stream.accept(said(2))
    stream.commit()
    await soon()
    calls[1]?.answer()
    calls[0]?.fail(new EngineError("rate_limited", "too much of it", { providerCode: "429" }))
    expect(await next()).toEqual({
      type: "failed",
      utterance: 0,
      cause: "commit",
      code: "rate_limited",
      message: "too much of it",
    } as SpeechEvent)
    expect(await next()).toMatchObject({ utterance: 1, text: "2" })
    const logged = lines.map((line) => JSON.parse(line)).filter((line) => line.event === "utterance failed")
    expect(logged).toHaveLength(1)
    expect(logged[0]).toMatchObject({ level: "warn", session: "s1", utterance: 0, code: "rate_limited", providerCode: "429", audioMs: 100 })
  })

  test("that meets a mistake in the transcriber fails too, and what was thrown is not quoted", async () => {
    const { stream, calls, next, lines } = lifted()
    stream.accept(said(1))
    stream.commit()
    await soon()
    calls[0]?.fail(new TypeError("cannot read 'secret words'"))
    expect(await next()).toMatchObject({ type: "failed", code: "unavailable" })
    expect(lines.join()).toContain("TypeError")
    expect(lines.join()).not.toContain("secret words")
  })

  test("is logged without its words", async () => {
    const { stream, calls, next, lines } = lifted()
    stream.accept(said(1))
    stream.commit()
    await soon()
    calls[0]?.answer({ text: "very private" })
    await next()
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "debug", event: "utterance ended", session: "s1", utterance: 0, audioMs: 100, cause: "commit", characters: 12 },
    ])
    expect(lines.join()).not.toContain("private")
  })

  test("is counted once, by outcome", async () => {
    const count = async (outcome: string) =>
      (await utterances.get()).values.find(({ labels }) => labels.engine === "scripted" && labels.outcome === outcome)?.value ?? 0
    const outcomes = ["text", "silence", "timeout", "aborted"]
    const before = await Promise.all(outcomes.map(count))
    const { stream, calls, next } = lifted()
    for (const word of [1, 2, 3, 4]) {
      stream.accept(said(word))
      stream.commit()
    }
    await soon()
    calls[0]?.answer()
    calls[1]?.fail(new EngineError("timeout", "too late"))
    await next()
    await next()
    await soon()
    calls[2]?.answer({ text: "" })
    await next()
    stream.close()
    const after = await Promise.all(outcomes.map(count))
    expect(after.map((value, index) => value - (before[index] ?? 0))).toEqual([1, 1, 1, 1])
  })
})

describe("a stream of a lifted transcriber", () => {
  test(`asks for ${UTTERANCES_AT_ONCE} permits at once and no more, so that others get theirs`, async () => {
    const { engine, stream, permits, calls } = lifted({ atOnce: 3 })
    for (let word = 1; word <= 6; word++) {
      stream.accept(said(word))
      stream.commit()
    }
    await soon()
    expect(calls.map((call) => call.samples[0])).toEqual([1, 2])
    expect(permits).toMatchObject({ taken: 2, waiting: 0 })
    const other = engine.open({ ...plain, session: "s2" })
    other.accept(said(100))
    other.commit()
    await soon()
    expect(calls.map((call) => call.samples[0])).toEqual([1, 2, 100])
    calls[1]?.answer()
    await soon()
    expect(calls.map((call) => call.samples[0])).toEqual([1, 2, 100, 3])
  })

  test("lets another's short utterance past its long ones", async () => {
    const { engine, stream, calls } = lifted({ atOnce: 2 })
    for (const name of [1, 2]) {
      stream.accept(new Int16Array(LONG_SAMPLES + 1).fill(name))
      stream.commit()
    }
    const other = engine.open({ ...plain, session: "s2" })
    const next = reader(other)
    other.accept(Int16Array.of(3))
    other.commit()
    await soon()
    expect(calls.map(({ samples }) => samples[0])).toEqual([1, 3])
    calls[1]?.answer()
    expect(await next()).toMatchObject({ type: "final", text: "3" })
  })

  test("fails an utterance for which the queue has no room, and says overloaded", async () => {
    const { engine, stream, next } = lifted({ atOnce: 1, waitingMax: 0 })
    const other = engine.open({ ...plain, session: "s2" })
    other.accept(said(1))
    other.commit()
    await soon()
    stream.accept(said(2))
    stream.commit()
    expect(await next()).toMatchObject({ type: "failed", utterance: 0, code: "overloaded" })
  })

  test("knows exactly what it owes", async () => {
    const { stream, calls, next } = lifted()
    stream.accept(said(1, 100))
    stream.accept(said(1, 10))
    expect(stream.pendingSamples).toBe(110)
    stream.commit()
    stream.accept(said(2, 7))
    stream.commit()
    stream.accept(said(3, 1))
    expect(stream.pendingSamples).toBe(118)
    await soon()
    calls[1]?.answer()
    await soon()
    expect(stream.pendingSamples).toBe(118)
    calls[0]?.answer()
    await next()
    expect(stream.pendingSamples).toBe(1)
    stream.close()
    expect(stream.pendingSamples).toBe(0)
  })

  test("when finished answers what it has heard, with cause close, and ends", async () => {
    const { stream, calls, next } = lifted()
    stream.accept(said(1))
    stream.commit()
    stream.accept(said(2))
    stream.finish()
    stream.accept(said(3))
    stream.commit()
    stream.finish()
    await soon()
    for (const call of calls) call.answer()
    expect(await next()).toMatchObject({ utterance: 0, text: "1", cause: "commit" })
    expect(await next()).toMatchObject({ utterance: 1, text: "2", cause: "close" })
    expect(await next()).toBe("end")
    expect(await next()).toBe("end")
    expect(stream.pendingSamples).toBe(0)
  })

  test("when finished with nothing open just ends", async () => {
    const { stream, next } = lifted()
    stream.finish()
    expect(await next()).toBe("end")
  })

  test("when closed aborts running and waiting work and delivers nothing, not even what was ready", async () => {
    const { stream, calls, next, permits } = lifted({ atOnce: 1, waitingMax: 1 })
    for (const word of [1, 2, 3]) {
      stream.accept(said(word))
      stream.commit()
    }
    await soon()
    expect(permits).toMatchObject({ taken: 1, waiting: 1 })
    calls[0]?.answer()
    await soon()
    stream.close()
    stream.close()
    stream.accept(said(4))
    stream.commit()
    stream.finish()
    await soon()
    expect(await next()).toBe("end")
    expect(calls).toHaveLength(2)
    expect(calls[1]?.signal.aborted).toBeTrue()
    expect(permits).toMatchObject({ taken: 0, waiting: 0 })
  })

  test("when closed releases the reader who waits", async () => {
    const { stream, next } = lifted()
    const waits = next()
    stream.close()
    expect(await waits).toBe("end")
  })

  test("goes on in a second loop where the first one left", async () => {
    const { stream } = lifted()
    stream.commit()
    stream.commit()
    stream.finish()
    const seen: (number | null)[] = []
    for await (const event of stream.events) {
      seen.push(event.utterance)
      break
    }
    for await (const event of stream.events) seen.push(event.utterance)
    expect(seen).toEqual([0, 1])
  })
})

describe("a lifted engine", () => {
  test("says what it is", () => {
    expect(lifted().engine).toMatchObject({ name: "scripted", model: "test" })
  })

  test("when closed closes its streams, those opened later, and the transcriber", async () => {
    const { engine, stream, calls, next, closes, permits } = lifted()
    stream.accept(said(1))
    stream.commit()
    await soon()
    await engine.close()
    expect(await next()).toBe("end")
    expect(calls[0]?.signal.aborted).toBeTrue()
    expect(closes()).toBe(1)
    const late = engine.open({ ...plain, session: "late" })
    late.accept(said(2))
    late.commit()
    expect(await reader(late)()).toBe("end")
    expect(calls).toHaveLength(1)
    await soon()
    expect(permits).toMatchObject({ taken: 0, waiting: 0 })
  })
})

describe("any interleaving of many streams", () => {
  /** Answers each utterance with "first:length" of its samples after a random time, fails some, and honours an abort. */
  function randomTranscriber(random: () => number, clock: ReturnType<typeof handClock>): Transcriber {
    return {
      name: "random",
      model: "test",
      concurrency: 3,
      interims: true,
      transcribe({ samples }, signal) {
        return new Promise((resolve, reject) => {
          if (signal.aborted) return reject(new EngineError("aborted", "given up"))
          const text = `${samples[0]}:${samples.length}`
          const luck = random()
          const cancel = clock.after(Math.floor(random() * 50), () => {
            signal.removeEventListener("abort", abort)
            if (luck < 0.1) reject(new EngineError("unavailable", "bad luck"))
            else if (luck < 0.13) reject(new RangeError("a mistake"))
            else if (luck < 0.16) reject(null)
            else resolve({ text, language: "en", segments: [] })
          })
          const abort = () => {
            cancel()
            reject(new EngineError("aborted", "given up"))
          }
          signal.addEventListener("abort", abort)
        })
      },
      ready: async () => {},
      close: async () => {},
    }
  }

  interface Expected {
    readonly text: string
    readonly cause: "commit" | "close"
  }

  async function run(seed: number) {
    const random = randomFrom(seed)
    const clock = handClock()
    const permits = createPermits({ atOnce: 1 + Math.floor(random() * 4), waitingMax: Math.floor(random() * 8) })
    const engine = liftTranscriber(randomTranscriber(random, clock), { permits, vad: untouchedVad, clock, log: silentLog })
    const clients = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, client) => {
      const stream = engine.open({ ...plain, session: `s${client}` })
      const seen: SpeechEvent[] = []
      const state = {
        client,
        stream,
        seen,
        expected: [] as Expected[],
        open: 0,
        state: "open" as "open" | "finished" | "closed",
        frozen: -1,
      }
      const reading = (async () => {
        for await (const event of stream.events) seen.push(event)
      })()
      return { ...state, reading }
    })

    for (let step = 0; step < 80; step++) {
      const client = clients[Math.floor(random() * clients.length)]
      if (!client) continue
      const { stream } = client
      const end = (cause: Expected["cause"]) => {
        client.expected.push({ text: client.open === 0 ? "" : `${client.client}:${client.open}`, cause })
        client.open = 0
      }
      const choice = random()
      if (choice < 0.45) {
        const size = Math.floor(random() * 5)
        stream.accept(new Int16Array(size).fill(client.client))
        if (client.state === "open") client.open += size
      } else if (choice < 0.8) {
        stream.commit()
        if (client.state === "open") end("commit")
      } else if (choice < 0.84) {
        stream.finish()
        if (client.state === "open") {
          if (client.open > 0) end("close")
          client.state = "finished"
        }
      } else if (choice < 0.87) {
        stream.close()
        if (client.state !== "closed") client.frozen = client.seen.length
        client.state = "closed"
      } else await clock.advance(Math.floor(random() * 40))
    }
    for (const client of clients) {
      if (client.state !== "open") continue
      client.stream.finish()
      if (client.open > 0) client.expected.push({ text: `${client.client}:${client.open}`, cause: "close" })
      client.state = "finished"
    }
    for (let round = 0; round < 1000 && (permits.taken > 0 || clock.waiting > 0); round++) await clock.advance(50)
    expect({ taken: permits.taken, waiting: permits.waiting, timers: clock.waiting }, `seed ${seed}`).toEqual({
      taken: 0,
      waiting: 0,
      timers: 0,
    })
    await Promise.all(clients.map((client) => client.reading))
    return { clients, engine }
  }

  const seeds = Array.from({ length: 300 }, (_, index) => index + 1)

  test("ends each utterance once, in order, in its own stream, and leaves nothing behind", async () => {
    const unhandled: unknown[] = []
    const onUnhandled = (reason: unknown) => void unhandled.push(reason)
    process.on("unhandledRejection", onUnhandled)
    let answered = 0
    let failed = 0
    let closedMidway = 0
    for (const seed of seeds) {
      const { clients, engine } = await run(seed)
      for (const { seen, expected, state, stream, frozen } of clients) {
        expect(
          seen.map((event) => event.utterance),
          `order, seed ${seed}`,
        ).toEqual(seen.map((_, index) => index))
        for (const [index, event] of seen.entries()) {
          if (event.type !== "final") {
            expect(event.type, `seed ${seed}`).toBe("failed")
            failed++
          } else {
            answered++
            expect({ text: event.text, cause: event.cause, end: event.end }, `seed ${seed}`).toEqual({
              ...(expected[index] as Expected),
              end: true,
            })
          }
        }
        if (state === "closed") {
          closedMidway += seen.length < expected.length ? 1 : 0
          expect(seen.length, `after close, seed ${seed}`).toBe(frozen)
        } else expect(seen.length, `terminators, seed ${seed}`).toBe(expected.length)
        expect(stream.pendingSamples, `pending, seed ${seed}`).toBe(0)
      }
      await engine.close()
    }
    await Bun.sleep(0)
    process.off("unhandledRejection", onUnhandled)
    expect(unhandled).toEqual([])
    // The runs must have met what they are about.
    expect(answered).toBeGreaterThan(1000)
    expect(failed).toBeGreaterThan(100)
    expect(closedMidway).toBeGreaterThan(20)
  })
})
