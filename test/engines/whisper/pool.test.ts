import { afterEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { realClock } from "../../../src/clock.ts"
import { EngineError } from "../../../src/engines/engine.ts"
import type { Init } from "../../../src/engines/whisper/ipc.ts"
import { createPool, type PieceToRecognise, type Pool, type PoolOptions } from "../../../src/engines/whisper/pool.ts"
import { engineRestarts, enginesReady, interimsDropped, registry } from "../../../src/metrics.ts"
import { handClock } from "../../support/clock.ts"
import { tapLog } from "../../support/log.ts"
import { told, treeOf } from "../../support/told.ts"

const script = join(import.meta.dir, "../../support/scripted-engine.ts")
const init: Init = { type: "init", model: { kind: "embedded" }, threads: 1, cacheDirs: [] }
const never = new AbortController().signal
const second = new Int16Array(16_000)
const READY = "engine process ready"
const ENDED = "engine process ended"
const BACKS_OFF = "engine process waits for its restart"

/** Lets a call reach its engine process, or at least its timer. */
const turn = () => new Promise(setImmediate)

const opened: { pool: Pool; dir: string }[] = []
afterEach(async () => {
  for (const { pool, dir } of opened.splice(0)) {
    await pool.close()
    rmSync(dir, { recursive: true })
  }
})

const piece = (language: string, samples = second, more: Partial<PieceToRecognise> = {}): PieceToRecognise => {
  return { samples, language, prompt: "", words: false, draft: null, urgency: "short", live: false, ...more }
}

function open({ load = "ok", piecesMax = 1, ...options }: Partial<PoolOptions> & { load?: string; piecesMax?: number } = {}) {
  const tap = tapLog()
  const clock = handClock()
  const dir = mkdtempSync(join(tmpdir(), "scripted-"))
  const env = { PATH: process.env.PATH, SCRIPT_DIR: dir, SCRIPT_LOAD: load, SCRIPT_PIECES_MAX: String(piecesMax) }
  const pool = createPool({
    init: Promise.resolve(init),
    engines: 1,
    command: [process.execPath, script],
    env,
    clock,
    log: tap.log,
    ...options,
  })
  opened.push({ pool, dir })
  const say = async (language: string, samples = second, signal = never) => {
    const { segments } = await pool.recognise(piece(language, samples), signal)
    return segments.map(({ text }) => text.trim()).join(" ")
  }
  return { pool, clock, tap, say }
}

/** The error of a promise that must reject with one of the family. */
async function failure(promise: Promise<unknown>): Promise<EngineError> {
  const error = await promise.then(
    () => new Error("it did not reject"),
    (error) => error,
  )
  expect(error).toBeInstanceOf(EngineError)
  return error
}

/** Has the only engine work on something until it is let go. */
function occupy(pool: Pool, more: Partial<PieceToRecognise> = {}) {
  const stop = new AbortController()
  const held = failure(pool.recognise(piece("until cancelled", second, more), stop.signal))
  return async () => {
    stop.abort()
    await held
  }
}

async function dropped(reason: string) {
  return (await interimsDropped.get()).values.find(({ labels }) => labels.reason === reason)?.value ?? 0
}

function isAlive(pid: unknown) {
  try {
    return process.kill(Number(pid), 0)
  } catch {
    return false
  }
}

async function restarts(cause: string) {
  return (await engineRestarts.get()).values.find(({ labels }) => labels.cause === cause)?.value ?? 0
}

describe("work", () => {
  test("each piece gets its own words, however many wait", async () => {
    const { say } = open({ engines: 2 })
    const said = await Promise.all(Array.from({ length: 20 }, (_, n) => say("echo", new Int16Array(160).fill(n))))
    expect(said).toEqual(Array.from({ length: 20 }, (_, n) => String(n)))
  })

  test("pieces are begun in the order in which they came", async () => {
    const { say } = open()
    const done: number[] = []
    await Promise.all([1, 2, 3, 4, 5].map((n) => say("echo").then(() => done.push(n))))
    expect(done).toEqual([1, 2, 3, 4, 5])
  })

  test("two engines work at once", async () => {
    const { pool, say } = open({ engines: 2 })
    const stop = new AbortController()
    const held = failure(pool.recognise(piece("until cancelled"), stop.signal))
    expect(await say("echo")).toBe("0")
    stop.abort()
    await held
  })

  test("a view of a large buffer travels alone", async () => {
    const { say } = open()
    expect(await say("buffer", new Int16Array(1_000_000).subarray(5, 15))).toBe("20")
  })

  test("a failure that the engine names is the caller's, and the engine goes on", async () => {
    const { pool, say, tap } = open()
    expect(await failure(pool.recognise(piece("fail"), never))).toMatchObject({ code: "unavailable", message: "cannot" })
    expect(await say("echo")).toBe("0")
    expect(tap.lines.filter(({ event }) => event === ENDED)).toEqual([])
  })

  test("the opt-out of telemetry is in the engine's real environment", async () => {
    expect(await open().say("telemetry")).toBe("1")
  })
})

describe("several at once", () => {
  test("what waited for a busy engine is heard together, each with its own answer", async () => {
    const { pool, say } = open({ piecesMax: 3, clock: realClock })
    await pool.ready()
    const release = occupy(pool)
    const said = Promise.all([say("company"), say("echo", new Int16Array(160).fill(7)), say("company"), say("company")])
    await release()
    expect(await said).toEqual(["3", "7", "3", "1"])
  })

  test("who was answered together is heard together again, if both are back within 5 ms", async () => {
    const { pool, say, clock } = open({ piecesMax: 2 })
    await pool.ready()
    const release = occupy(pool)
    const both = () => Promise.all([say("company"), say("company")])
    const said = both()
    await release()
    await said
    const first = say("company")
    await turn()
    expect(await Promise.all([first, say("company")])).toEqual(["2", "2"])
    const alone = say("company")
    await clock.advance(5)
    expect(await alone).toBe("1")
  })

  test("what has a prompt or a draft of its own is heard alone", async () => {
    const { pool, say } = open({ piecesMax: 3, clock: realClock })
    await pool.ready()
    const release = occupy(pool)
    const request = { prompt: "Ada", words: true, draft: { tokens: [1], fixed: 0 } }
    const alone = pool.recognise(piece("request", second, request), never)
    const others = Promise.all([say("company"), say("company")])
    await release()
    expect((await alone).segments[0]?.text).toBe(` ${JSON.stringify({ prompt: "Ada", words: true, interim: false, draft: request.draft })}`)
    expect(await others).toEqual(["2", "2"])
  })

  test("one that brings the engine down does not take its company with it", async () => {
    const { pool, say, clock, tap } = open({ piecesMax: 3 })
    await pool.ready()
    const release = occupy(pool)
    const before = say("company")
    const poison = failure(pool.recognise(piece("die"), never))
    const behind = say("company")
    await release()
    expect(await before).toBe("3")
    await clock.advance(5)
    expect((await poison).message).toContain("2 engine processes failed on it")
    await tap.seen(BACKS_OFF)
    await clock.advance(250)
    expect(await behind).toBe("1")
  })

  test("one given up lets the other be heard to its end", async () => {
    const { pool, say, tap } = open({ piecesMax: 2 })
    await pool.ready()
    const release = occupy(pool)
    const stop = new AbortController()
    const gone = failure(pool.recognise(piece("until cancelled"), stop.signal))
    const stays = say("company")
    await release()
    expect(await stays).toBe("2")
    stop.abort()
    expect((await gone).code).toBe("aborted")
    expect(await say("pid")).toBe(String((await tap.seen(READY)).pid))
  })

  test("an engine that holds on to them is killed once nobody waits for any, not before", async () => {
    const { pool, say, clock, tap } = open({ piecesMax: 3 })
    await pool.ready()
    const release = occupy(pool)
    const stops = [new AbortController(), new AbortController()]
    const outcomes = stops.map(({ signal }) => failure(pool.recognise(piece("hang"), signal)))
    const begun = say("company")
    await release()
    expect(await begun).toBe("3")
    stops[0]?.abort()
    await clock.advance(5_000)
    expect(tap.lines.filter(({ event }) => event === ENDED)).toEqual([])
    stops[1]?.abort()
    await clock.advance(500)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "cancel" })
    for (const outcome of outcomes) expect((await outcome).code).toBe("aborted")
  })

  test("they have the time of all of them", async () => {
    const { pool, say, clock, tap } = open({ piecesMax: 3 })
    await pool.ready()
    const release = occupy(pool)
    const outcomes = [1, 2].map(() => failure(pool.recognise(piece("hang"), never)))
    const begun = say("company")
    await release()
    expect(await begun).toBe("3")
    // 10 s, and for each twice its second of audio and ten times the warm-up of 100 ms.
    await clock.advance(19_000)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "timeout", detail: "gave no answer within 19000 ms" })
    await pool.close()
    for (const outcome of outcomes) expect((await outcome).code).toBe("aborted")
  })
})

describe("interims", () => {
  const interim = { urgency: "interim" } as const

  test("wait for everything else", async () => {
    const { pool } = open()
    await pool.ready()
    const release = occupy(pool)
    const done: string[] = []
    const all = (["interim", "long", "short"] as const).map((urgency) =>
      pool.recognise(piece("echo", second, { urgency }), never).then(() => done.push(urgency)),
    )
    await release()
    await Promise.all(all)
    expect(done).toEqual(["short", "long", "interim"])
  })

  test("make room at once for what is finished; their engine lives on", async () => {
    const before = await dropped("preempted")
    const { pool, say, tap } = open()
    await pool.ready()
    const heard = failure(pool.recognise(piece("until cancelled", second, interim), never))
    expect(await say("pid")).toBe(String((await tap.seen(READY)).pid))
    expect(await heard).toMatchObject({ code: "overloaded", retryable: true })
    expect(await dropped("preempted")).toBe(before + 1)
  })

  test("make room for one only, where one waits, and none where an engine is idle", async () => {
    const { pool, say, tap } = open({ engines: 2 })
    await tap.seen(READY, 2)
    await turn()
    const stop = new AbortController()
    const hear = () => failure(pool.recognise(piece("until cancelled", second, interim), stop.signal))
    const interims = [hear()]
    expect(await say("echo")).toBe("0")
    interims.push(hear())
    expect(await say("echo")).toBe("0")
    stop.abort()
    const codes = (await Promise.all(interims)).map(({ code }) => code)
    expect(codes.toSorted()).toEqual(["aborted", "overloaded"])
  })

  test("do not make room for a piece of a long utterance", async () => {
    const { pool } = open()
    await pool.ready()
    const stop = new AbortController()
    const heard = failure(pool.recognise(piece("until cancelled", second, interim), stop.signal))
    const long = pool.recognise(piece("echo", second, { urgency: "long" }), never)
    await turn()
    stop.abort()
    expect((await heard).code).toBe("aborted")
    expect((await long).segments).toHaveLength(1)
  })

  test("never cost an engine its life by being given up", async () => {
    const { pool, say, clock, tap } = open()
    await pool.ready()
    const heard = failure(pool.recognise(piece("hang", second, interim), never))
    const waits = say("pid")
    expect((await heard).code).toBe("overloaded")
    await clock.advance(12_999)
    expect(tap.lines.filter(({ event }) => event === ENDED)).toEqual([])
    await clock.advance(1)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "timeout" })
    expect(await waits).toBe(String((await tap.seen(READY, 2)).pid))
  })

  test("are refused when four wait for each engine", async () => {
    const before = await dropped("ceiling")
    const { pool } = open()
    await pool.ready()
    const release = occupy(pool)
    const waiting = [1, 2, 3, 4].map(() => pool.recognise(piece("echo", second, interim), never))
    expect(await failure(pool.recognise(piece("echo", second, interim), never))).toMatchObject({ code: "overloaded", retryable: true })
    expect(await dropped("ceiling")).toBe(before + 1)
    await release()
    expect(await Promise.all(waiting)).toHaveLength(4)
  })

  test("leave the queue when nobody waits for them any more", async () => {
    const before = await dropped("stale")
    const { pool, say } = open()
    await pool.ready()
    const release = occupy(pool)
    const stop = new AbortController()
    const stale = failure(pool.recognise(piece("die", second, interim), stop.signal))
    stop.abort()
    expect((await stale).code).toBe("aborted")
    expect(await dropped("stale")).toBe(before + 1)
    await release()
    expect(await say("echo")).toBe("0")
  })
})

describe("an engine dies", () => {
  test("its piece is tried once more and gets its words", async () => {
    const before = await restarts("signal")
    const { say, tap } = open()
    expect(await say("die once")).toMatch(/^\d+$/)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "signal", detail: "died of SIGABRT" })
    expect(await restarts("signal")).toBe(before + 1)
  })

  test("its piece is told of as waiting and heard, twice", async () => {
    const spans = await told(async (tracer) => {
      const trace = tracer.request("asked", null, {})
      await open().pool.recognise(piece("die once", second, { trace }), never)
      trace.end()
    })
    expect(treeOf(spans.at(-1), spans)).toEqual(["asked", ["engine queue"], ["decode: unavailable"], ["engine queue"], ["decode"]])
    const tries = spans.filter(({ name }) => name === "decode")
    expect(tries.map(({ fields }) => [fields["xrx_stt.attempt"], fields["xrx_stt.engine_ended"]])).toEqual([
      [1, "signal"],
      [2, undefined],
    ])
  })

  test("a piece that brings down two engines fails by name; the one behind it does not", async () => {
    const { pool, say, clock, tap } = open()
    const poison = failure(pool.recognise(piece("die"), never))
    const behind = say("echo")
    const error = await poison
    expect(error.code).toBe("unavailable")
    expect(error.message).toContain("died of SIGABRT")
    expect(await tap.seen(BACKS_OFF)).toMatchObject({ waitMs: 250 })
    await clock.advance(250)
    expect(await behind).toBe("0")
  })

  test("one that dies idle is replaced before anybody asks", async () => {
    const { say, tap } = open()
    const { pid } = await tap.seen(READY)
    process.kill(Number(pid), "SIGKILL")
    await tap.seen(READY, 2)
    expect(await say("pid")).not.toBe(String(pid))
  })

  test("what it last wrote on stderr is logged, and no more than that", async () => {
    const { pool, tap } = open()
    await failure(pool.recognise(piece("exit"), never))
    const line = await tap.seen(ENDED)
    expect(line).toMatchObject({ cause: "exit", detail: "left with exit code 3" })
    expect(String(line.stderr)).toEndWith("the last line")
    expect(String(line.stderr).length).toBeLessThanOrEqual(1_000)
  })

  test("restarts come later and later; after the fourth end in a row callers are told instead of kept", async () => {
    const { pool, say, clock, tap } = open()
    const waitsMs = [0, 250, 500, 1_000]
    for (const [index, waitMs] of waitsMs.entries()) {
      const { pid } = await tap.seen(READY, index + 1)
      process.kill(Number(pid), "SIGABRT")
      if (waitMs > 0) expect(await tap.seen(BACKS_OFF, index)).toMatchObject({ waitMs })
      if (waitMs < 1_000) await clock.advance(waitMs)
    }
    expect(await failure(say("echo"))).toMatchObject({ code: "unavailable", retryable: true })
    await clock.advance(999)
    expect(tap.lines.filter(({ event }) => event === READY)).toHaveLength(4)
    await clock.advance(1)
    expect(await pool.ready()).toBeUndefined()
    expect(await say("echo")).toBe("0")
  })

  test("a piece whose engines somebody else keeps killing is heard in the end", async () => {
    const { say, clock, tap } = open()
    const heard = say("killed thrice")
    expect(await tap.seen(BACKS_OFF)).toMatchObject({ waitMs: 250 })
    await clock.advance(250)
    expect(await tap.seen(BACKS_OFF, 2)).toMatchObject({ waitMs: 500 })
    await clock.advance(500)
    expect(await heard).toBe("heard in the end")
  })

  test("a piece that goes on to have its engines killed fails by name", async () => {
    const { pool, clock, tap } = open()
    const error = failure(pool.recognise(piece("killed always"), never))
    for (const [index, waitMs] of [250, 500, 1_000, 1_000, 1_000, 1_000].entries()) {
      expect(await tap.seen(BACKS_OFF, index + 1)).toMatchObject({ waitMs })
      await clock.advance(waitMs)
    }
    expect((await error).message).toContain("8 engine processes failed on it; the last died of SIGKILL")
  })

  test("engines that somebody else keeps killing soon come back, and callers wait for them, though not for ever", async () => {
    const { say, clock, tap } = open()
    const killNext = async (ends: number) => process.kill(Number((await tap.seen(READY, ends)).pid), "SIGKILL")
    await killNext(1)
    for (const [index, waitMs] of [250, 500, 1_000, 1_000].entries()) {
      await killNext(index + 2)
      expect(await tap.seen(BACKS_OFF, index + 1)).toMatchObject({ waitMs })
      if (index < 3) await clock.advance(waitMs)
    }
    const heard = say("echo")
    await clock.advance(1_000)
    expect(await heard).toBe("0")
    for (let ends = 6; ends < 10; ends++) {
      await clock.advance(6_000)
      await killNext(ends)
      if (ends > 6) await tap.seen(BACKS_OFF, ends - 2)
    }
    expect(await failure(say("echo"))).toMatchObject({ code: "unavailable", retryable: true })
  })
})

describe("an engine grows too heavy", () => {
  test("it works on until another one is ready, then leaves; that is no failure", async () => {
    const before = await restarts("recycled")
    const { pool, say, tap } = open()
    const old = await say("grow")
    const { pid } = await tap.seen(READY, 2)
    await turn()
    expect(await say("pid")).toBe(String(pid))
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "closed" })
    await turn()
    expect(await say("pid")).toBe(String(pid))
    expect(await restarts("recycled")).toBe(before + 1)
    expect(tap.lines.filter(({ event, level }) => event === ENDED && level !== "debug")).toEqual([])
    await pool.close()
    expect(isAlive(old)).toBe(false)
  })

  test("the piece in its hands is finished first", async () => {
    const { pool, say, tap } = open()
    const old = await say("grow")
    const stop = new AbortController()
    const held = failure(pool.recognise(piece("until cancelled"), stop.signal))
    await tap.seen(READY, 2)
    expect(isAlive(old)).toBe(true)
    stop.abort()
    await held
    expect(await say("pid")).toBe(String((await tap.seen(READY, 2)).pid))
  })

  test("it stays if there is no room for another one", async () => {
    const { say, tap } = open({ load: "refuse but first" })
    const old = await say("grow")
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "refused" })
    expect(await say("pid")).toBe(old)
  })

  test("if it dies while another one loads, there is one engine and no more", async () => {
    const { pool, say, tap } = open()
    const pid = await say("grow and die once")
    await tap.seen(ENDED, 2)
    expect(await Promise.all([say("pid"), say("pid")])).toEqual([pid, pid])
    await pool.close()
    expect(tap.lines.filter((line) => line.event === READY && isAlive(line.pid))).toEqual([])
  })
})

describe("an engine is stuck", () => {
  test("it is killed at its deadline; after the second time the piece fails with timeout", async () => {
    const { pool, clock, tap } = open()
    await pool.ready()
    const outcome = failure(pool.recognise(piece("hang"), never))
    await turn()
    // 10 s, twice the second of audio, ten times the warm-up of 100 ms.
    await clock.advance(12_999)
    expect(tap.lines.filter(({ event }) => event === ENDED)).toEqual([])
    await clock.advance(1)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "timeout" })
    await tap.seen(READY, 2)
    await turn()
    await clock.advance(13_000)
    expect((await outcome).code).toBe("timeout")
  })

  test("one that never gets ready is killed too, and in the end the failure is told", async () => {
    const { pool, clock, tap } = open({ load: "hang" })
    const outcome = failure(pool.ready())
    await turn()
    for (const waitMs of [0, 250, 500, 1_000]) {
      await clock.advance(180_000)
      if (waitMs === 1_000) break
      if (waitMs > 0) await tap.seen(BACKS_OFF, waitMs / 250)
      else await tap.seen(ENDED).then(turn)
      await clock.advance(waitMs)
    }
    expect((await outcome).message).toContain("took too long to load")
  })
})

describe("a caller gives up", () => {
  test("at once, and an engine that lets go lives on", async () => {
    const { pool, say, tap } = open()
    await pool.ready()
    const stop = new AbortController()
    const outcome = failure(pool.recognise(piece("until cancelled"), stop.signal))
    stop.abort()
    expect((await outcome).code).toBe("aborted")
    expect(await say("pid")).toBe(String((await tap.seen(READY)).pid))
  })

  test("an engine that does not let go is killed and replaced", async () => {
    const { pool, say, clock, tap } = open()
    await pool.ready()
    const stop = new AbortController()
    const outcome = failure(pool.recognise(piece("hang"), stop.signal))
    const behind = say("pid")
    await turn()
    stop.abort()
    expect((await outcome).code).toBe("aborted")
    await clock.advance(499)
    expect(tap.lines.filter(({ event }) => event === ENDED)).toEqual([])
    await clock.advance(1)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "cancel" })
    expect(await behind).toBe(String((await tap.seen(READY, 2)).pid))
  })

  test("while waiting, and the piece never reaches an engine", async () => {
    const { pool, say, tap } = open()
    await pool.ready()
    const [holding, waiting] = [new AbortController(), new AbortController()]
    const held = failure(pool.recognise(piece("until cancelled"), holding.signal))
    const outcome = failure(pool.recognise(piece("die"), waiting.signal))
    waiting.abort()
    expect((await outcome).code).toBe("aborted")
    holding.abort()
    await held
    expect(await say("echo")).toBe("0")
    expect(tap.lines.filter(({ event }) => event === ENDED)).toEqual([])
  })

  test("before asking", async () => {
    expect((await failure(open().pool.recognise(piece("echo"), AbortSignal.abort()))).code).toBe("aborted")
  })
})

describe("loading", () => {
  test("an engine that says it cannot load is not started again, and its line is what callers hear", async () => {
    const { pool, clock, tap } = open({ load: "refuse", engines: 2 })
    const early = failure(pool.recognise(piece("echo"), never))
    expect(await failure(pool.ready())).toMatchObject({ code: "unavailable", message: "the model is not there" })
    expect((await early).message).toBe("the model is not there")
    expect((await failure(pool.recognise(piece("echo"), never))).message).toBe("the model is not there")
    await clock.advance(60_000)
    expect(tap.lines.filter(({ event }) => event === ENDED)).toHaveLength(2)
    expect(clock.waiting).toBe(0)
  })

  test("one engine of two is enough", async () => {
    const { pool, say, tap } = open({ load: "refuse but first", engines: 2 })
    await pool.ready()
    await tap.seen("engine process given up")
    expect(await say("echo")).toBe("0")
  })

  test("how many engines are ready, of how many, is told until they are closed", async () => {
    const told = async () =>
      (await registry.metrics())
        .split("\n")
        .filter((line) => /^xrx_stt_engines_/.test(line))
        .map((line) => line.replace("xrx_stt_engines_", ""))
    const { pool, tap } = open({ load: "refuse but first", engines: 2 })
    expect(await told()).toEqual(["wanted 2", "ready 0"])
    await pool.ready()
    await tap.seen("engine process given up")
    expect(await told()).toEqual(["wanted 2", "ready 1"])
    await pool.close()
    expect(await told()).toEqual(["wanted 0", "ready 0"])
  })

  test("an engine that works no longer is not ready", async () => {
    const { pool, say, tap } = open({ engines: 2 })
    const ready = async () => (await enginesReady.get()).values[0]?.value
    await tap.seen(READY, 2)
    await pool.ready()
    expect(await ready()).toBe(2)
    const dead = failure(say("die"))
    await tap.seen(ENDED)
    await turn()
    expect(await ready()).toBe(1)
    await dead
  })

  test("restarts are told for every cause from the beginning", async () => {
    open()
    const causes = (await engineRestarts.get()).values.map(({ labels }) => labels.cause)
    expect(causes).toEqual(expect.arrayContaining(["exit", "signal", "timeout", "cancel", "refused", "spawn", "recycled"]))
  })

  test("an engine that dies while it loads gets four tries", async () => {
    const { pool, clock, tap } = open({ load: "die" })
    const outcome = failure(pool.ready())
    for (const waitMs of [250, 500]) {
      await tap.seen(BACKS_OFF, waitMs / 250)
      await clock.advance(waitMs)
    }
    expect((await outcome).message).toContain("died of SIGABRT")
    expect(tap.lines.filter(({ event }) => event === ENDED)).toHaveLength(4)
  })

  test("an engine that dies at each load is started again and again, later and later, while another one works", async () => {
    const { pool, clock, tap, say } = open({ load: "die but first", engines: 2 })
    await pool.ready()
    for (const [nth, waitMs] of [250, 500, 1000, 2000, 4000].entries()) {
      await tap.seen(BACKS_OFF, nth + 1)
      expect(tap.lines.findLast(({ event }) => event === BACKS_OFF)).toMatchObject({ waitMs })
      await clock.advance(waitMs)
    }
    expect(await say("echo")).toBe("0")
    expect(tap.lines.filter(({ event }) => event === "engine process given up")).toEqual([])
  })

  test("a program that is not there is a failure with its name", async () => {
    const { pool } = open({ command: ["/nowhere/xrx-stt"], clock: { now: () => 0, after: (_, callback) => realClock.after(0, callback) } })
    expect((await failure(pool.ready())).message).toContain("/nowhere/xrx-stt")
  })

  test("pieces wait for a model that is still on its way", async () => {
    const model = Promise.withResolvers<Init>()
    const { pool, say } = open({ init: model.promise })
    const [ready, said] = [pool.ready(), say("echo")]
    model.resolve(init)
    await ready
    expect(await said).toBe("0")
  })

  test("a model that never comes is the failure of everything", async () => {
    const model = Promise.withResolvers<Init>()
    const { pool } = open({ init: model.promise })
    const outcomes = [failure(pool.ready()), failure(pool.recognise(piece("echo"), never))]
    model.reject(new EngineError("unavailable", "no such model"))
    for (const outcome of outcomes) expect((await outcome).message).toBe("no such model")
    expect((await failure(pool.ready())).message).toBe("no such model")
  })
})

describe("closing", () => {
  test("ends what runs and what waits, every process and every timer; twice is once", async () => {
    const { pool, clock, tap } = open({ engines: 2 })
    await Promise.all([tap.seen(READY), tap.seen(READY, 2)])
    const outcomes = [1, 2, 3].map(() => failure(pool.recognise(piece("hang"), never)))
    await Promise.all([pool.close(), pool.close()])
    for (const outcome of outcomes) expect((await outcome).code).toBe("aborted")
    for (const { pid } of tap.lines.filter(({ event }) => event === READY)) expect(isAlive(pid)).toBe(false)
    expect(clock.waiting).toBe(0)
    expect((await failure(pool.recognise(piece("echo"), never))).code).toBe("aborted")
    expect((await failure(pool.ready())).code).toBe("aborted")
  })

  test("while an engine backs off leaves no timer behind", async () => {
    const { pool, clock, tap } = open()
    for (const end of [1, 2]) {
      process.kill(Number((await tap.seen(READY, end)).pid), "SIGKILL")
      await tap.seen(ENDED, end)
    }
    await tap.seen(BACKS_OFF)
    expect(clock.waiting).toBe(1)
    await pool.close()
    expect(clock.waiting).toBe(0)
  })

  test("before the model came starts nothing", async () => {
    const model = Promise.withResolvers<Init>()
    const { pool, tap } = open({ init: model.promise })
    const ready = failure(pool.ready())
    await pool.close()
    model.resolve(init)
    expect((await ready).code).toBe("aborted")
    await turn()
    expect(tap.lines).toEqual([])
  })
})
