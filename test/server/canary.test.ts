import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { getEventListeners } from "node:events"
import { EngineError, type Transcriber } from "../../src/engines/engine.ts"
import { canaries, canaryOk, registry } from "../../src/metrics.ts"
import { createPermits, type Permits } from "../../src/permits.ts"
import { CANARY_AGAIN_MS, CANARY_DEADLINE_MS, CANARY_EVERY_MS, type Canary, startCanary } from "../../src/server/canary.ts"
import { type HandClock, handClock } from "../support/clock.ts"
import { type LogTap, tapLog } from "../support/log.ts"
import { serve } from "../support/server.ts"

const samples = new Int16Array(16_000)

let clock: HandClock
let tap: LogTap
let permits: Permits
let loaded: PromiseWithResolvers<void>
/** What the engine answers; "" for never. */
let says: string | EngineError
let asked: { signal: AbortSignal }[]
let canary: Canary

beforeEach(async () => {
  clock = handClock()
  tap = tapLog()
  permits = createPermits({ atOnce: 1, waitingMax: 0 })
  loaded = Promise.withResolvers()
  asked = []
  says = "go forward"
  const transcriber: Transcriber = {
    name: "scripted",
    model: "m",
    concurrency: 1,
    interims: true,
    transcribe(utterance, signal) {
      asked.push({ signal })
      expect(utterance).toEqual({ samples, language: "en" })
      if (says === "") return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new EngineError("aborted", "left"))))
      return says instanceof EngineError ? Promise.reject(says) : Promise.resolve({ text: says, language: "en", segments: [] })
    },
    ready: () => loaded.promise,
    close: async () => {},
  }
  const isUnderstood = (text: string) => text.includes("forward")
  canary = startCanary({ transcriber, permits, samples, language: "en", isUnderstood, clock, log: tap.log })
})

/** No timer, no permit and no word in the log is left. */
afterEach(async () => {
  canary.close()
  await clock.advance(0)
  expect(clock.waiting).toBe(0)
  expect(permits.taken).toBe(0)
  expect(JSON.stringify(tap.lines)).not.toContain("go ")
})

const load = async () => {
  loaded.resolve()
  await clock.advance(0)
}

describe("a canary", () => {
  test("is heard as soon as the engine is ready, and not before", async () => {
    await clock.advance(CANARY_EVERY_MS)
    expect(asked).toHaveLength(0)
    expect(canary.whyNot).toBe("no recording was transcribed yet")
    await load()
    expect(asked).toHaveLength(1)
    expect(canary.whyNot).toBeUndefined()
    await canary.understood
    expect((await canaryOk.get()).values[0]?.value).toBe(1)
  })

  test("is told of from its start to its end, so that a server without one is not taken for deaf", async () => {
    const told = async () => (await registry.metrics()).split("\n").filter((line) => line.startsWith("xrx_stt_canary_ok"))
    expect(await told()).toEqual(['xrx_stt_canary_ok{engine="scripted"} 0'])
    await load()
    expect(await told()).toEqual(['xrx_stt_canary_ok{engine="scripted"} 1'])
    canary.close()
    expect(await told()).toEqual([])
  })

  test("is asked for again after half a minute, and so on", async () => {
    await load()
    for (const count of [2, 3]) {
      await clock.advance(CANARY_EVERY_MS - 1)
      expect(asked).toHaveLength(count - 1)
      await clock.advance(1)
      expect(asked).toHaveLength(count)
    }
  })

  test("that is misheard twice in a row says so, until it is understood", async () => {
    await load()
    says = "go home"
    await clock.advance(CANARY_EVERY_MS)
    expect(canary.whyNot).toBeUndefined()
    await clock.advance(CANARY_AGAIN_MS)
    expect(canary.whyNot).toBe("a known recording is not understood: misheard")
    expect((await canaryOk.get()).values[0]?.value).toBe(0)
    says = "go forward"
    await clock.advance(CANARY_AGAIN_MS)
    expect(canary.whyNot).toBeUndefined()
    expect(tap.lines.map(({ event }) => event)).toEqual(["canary understood", "canary failed", "canary failed", "canary understood"])
  })

  test("that fails is told by its code", async () => {
    says = new EngineError("unavailable", "no engine process runs")
    await load()
    expect(canary.whyNot).toBe("no recording was transcribed yet")
    await clock.advance(CANARY_AGAIN_MS)
    expect(canary.whyNot).toBe("a known recording is not understood: unavailable")
  })

  test("that gets no answer is given up after its deadline", async () => {
    says = ""
    await load()
    await clock.advance(CANARY_DEADLINE_MS)
    expect(asked[0]?.signal.aborted).toBe(true)
    await clock.advance(CANARY_AGAIN_MS + CANARY_DEADLINE_MS)
    expect(canary.whyNot).toBe("a known recording is not understood: timeout")
  })

  test("that finds no room changes nothing: a busy engine is not ill", async () => {
    await load()
    const release = await permits.take(new AbortController().signal)
    const busy = async () => (await canaries.get()).values.find(({ labels }) => labels.outcome === "overloaded")?.value ?? 0
    const before = await busy()
    await clock.advance(CANARY_EVERY_MS * 3)
    expect(await busy()).toBe(before + 3)
    expect(canary.whyNot).toBeUndefined()
    release()
  })

  test("speaks for readiness, whatever the engine says of itself", async () => {
    const { server } = serve({ canary })
    const ready = async () => {
      const response = await fetch(new URL("/readyz", server.url))
      return `${response.status} ${await response.text()}`
    }
    expect(await ready()).toBe("503 not ready: no recording was transcribed yet\n")
    await load()
    expect(await ready()).toBe("200 ok\n")
    says = "go home"
    await clock.advance(CANARY_EVERY_MS + CANARY_AGAIN_MS)
    expect(await ready()).toBe("503 not ready: a known recording is not understood: misheard\n")
  })

  test("is left off at once when it is closed at work, and never asked for again", async () => {
    says = ""
    await load()
    canary.close()
    canary.close()
    expect(asked[0]?.signal.aborted).toBe(true)
    await clock.advance(CANARY_EVERY_MS * 2)
    expect(asked).toHaveLength(1)
    expect(getEventListeners(asked[0]!.signal, "abort")).toHaveLength(1)
    expect(tap.lines).toEqual([])
  })
})
