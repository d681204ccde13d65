import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EngineError } from "../../../src/engines/engine.ts"
import { vadRestarts, vadWindowsWaiting } from "../../../src/metrics.ts"
import { createVoiceActivityDetector, type DetectorOptions } from "../../../src/speech/vad/detector.ts"
import { type VoiceActivityDetector, WINDOW_SAMPLES } from "../../../src/speech/vad/vad.ts"
import { clip } from "../../support/clips.ts"
import { handClock } from "../../support/clock.ts"
import { tapLog } from "../../support/log.ts"
import { COMPANY, DIE, DIE_ONCE, HANG_ONCE } from "../../support/scripted-vad.ts"

const ROOT = join(import.meta.dir, "../../..")
const READY = "voice activity process ready"
const ENDED = "voice activity process ended"
const BACKS_OFF = "voice activity process waits for its restart"

const opened: { vad: VoiceActivityDetector; dir: string }[] = []
afterEach(async () => {
  for (const { vad, dir } of opened.splice(0)) {
    await vad.close()
    rmSync(dir, { recursive: true })
  }
})

function openDetector(options: Partial<DetectorOptions>, env: Record<string, string> = {}) {
  const tap = tapLog()
  const dir = mkdtempSync(join(tmpdir(), "vad-"))
  const base = { PATH: process.env.PATH, SCRIPT_DIR: dir }
  const vad = createVoiceActivityDetector({ command: [], env: { ...base, ...env }, cacheDirs: [], log: tap.log, ...options })
  opened.push({ vad, dir })
  return { vad, tap, dir }
}

/** The real process. */
const real = () => openDetector({ command: [process.execPath, join(ROOT, "src/main.ts"), "__vad"] })

/** One without a model, which does what the samples say. */
function scripted(load = "ok") {
  const clock = handClock()
  const command = [process.execPath, join(ROOT, "test/support/scripted-vad.ts")]
  return { ...openDetector({ command, clock }, { SCRIPT_LOAD: load }), clock }
}

/** A stream that collects; `heard(n)` resolves with the first n probabilities, `failed` with the error. */
function listen(vad: VoiceActivityDetector) {
  const probabilities: number[] = []
  const groups: number[] = []
  const failures: unknown[] = []
  const failure = Promise.withResolvers<EngineError>()
  let waiter: { count: number; resolve: () => void } | undefined
  const stream = vad.open(
    (more) => {
      probabilities.push(...more)
      groups.push(more.length)
      if (waiter && probabilities.length >= waiter.count) waiter.resolve()
    },
    (error) => {
      failures.push(error)
      if (error instanceof EngineError) failure.resolve(error)
      else failure.reject(error)
    },
  )
  return {
    ...stream,
    probabilities,
    groups,
    failures,
    failed: failure.promise,
    heard(count: number) {
      return new Promise<readonly number[]>((resolve) => {
        waiter = { count, resolve: () => resolve(probabilities) }
        if (probabilities.length >= count) waiter.resolve()
      })
    },
  }
}

/** Windows whose first samples are these, for the scripted process. */
function windows(...firsts: number[]): Int16Array {
  const samples = new Int16Array(firsts.length * WINDOW_SAMPLES)
  for (const [at, first] of firsts.entries()) samples[at * WINDOW_SAMPLES] = first
  return samples
}

const wholeWindows = (samples: Int16Array) => Math.floor(samples.length / WINDOW_SAMPLES)

async function probabilitiesOf(vad: VoiceActivityDetector, samples: Int16Array, sliceSamples: number): Promise<readonly number[]> {
  const stream = listen(vad)
  for (let at = 0; at < samples.length; at += sliceSamples) {
    stream.accept(samples.slice(at, at + sliceSamples))
    if (at % 5 === 0) await new Promise(setImmediate)
  }
  const heard = await stream.heard(wholeWindows(samples))
  stream.close()
  return heard
}

async function restarts(cause: string): Promise<number> {
  const { values } = await vadRestarts.get()
  return values.find(({ labels }) => labels.cause === cause)?.value ?? 0
}

const windowsWaiting = async () => (await vadWindowsWaiting.get()).values[0]?.value

describe("voice activity, with the model", () => {
  test("hears speech in a recording and none before it", async () => {
    const { vad } = real()
    const samples = await clip("ps_sense_and_sensibility_01_austen_64kb-0930")
    const heard = await probabilitiesOf(vad, samples, samples.length)
    expect(heard).toHaveLength(wholeWindows(samples))
    expect(Math.max(...heard.slice(0, 8))).toBeLessThan(0.5)
    expect(Math.min(...heard.slice(12, 30))).toBeGreaterThan(0.9)
  })

  test("gives the same numbers, to the last bit, for any slicing and any company of other streams", async () => {
    const { vad } = real()
    const samples = await clip("ps_sense_and_sensibility_01_austen_64kb-0930")
    const other = await clip("ps_sense_and_sensibility_01_austen_64kb-0870")
    const whole = await probabilitiesOf(vad, samples, samples.length)
    const others = Promise.all([160, 1_000, 48_000].map((slice) => probabilitiesOf(vad, other.subarray(slice), slice)))
    for (const slice of [100, 511, 512, 513, 4_096]) expect(await probabilitiesOf(vad, samples, slice)).toEqual(whole)
    const together = await Promise.all([320, 777, 513, 16_000].map((slice) => probabilitiesOf(vad, samples, slice)))
    expect(together).toEqual([whole, whole, whole, whole])
    await others
  }, 20_000)

  test("carries on with the same numbers when its process is killed in between", async () => {
    const { vad, tap } = real()
    const samples = await clip("ps_sense_and_sensibility_01_austen_64kb-0930")
    const whole = await probabilitiesOf(vad, samples, samples.length)
    const stream = listen(vad)
    stream.accept(samples.subarray(0, 20_000))
    await stream.heard(16)
    process.kill((await tap.seen(READY)).pid as number, "SIGKILL")
    stream.accept(samples.subarray(20_000))
    expect(await stream.heard(whole.length)).toEqual(whole)
    expect(stream.failures).toEqual([])
    await tap.seen(READY, 2)
  })

  test("lets a stream in between the portions of another that brings a minute at once", async () => {
    const { vad } = real()
    const minute = listen(vad)
    minute.accept(new Int16Array(60 * 16_000))
    await minute.heard(1)
    expect(await probabilitiesOf(vad, new Int16Array(WINDOW_SAMPLES), WINDOW_SAMPLES)).toHaveLength(1)
    expect(minute.probabilities.length).toBeLessThan(100)
    await minute.heard(1875)
    expect(Math.max(...minute.groups)).toBe(8)
  })

  test("starts nothing before it is needed, and ready starts it", async () => {
    const { vad, tap } = real()
    expect(tap.lines).toEqual([])
    await vad.ready()
    expect(tap.lines).toMatchObject([{ event: READY }])
    await vad.ready()
  })

  test("ends its process with it", async () => {
    const { vad, tap } = real()
    await vad.ready()
    const pid = (await tap.seen(READY)).pid as number
    await vad.close()
    expect(() => process.kill(pid, 0)).toThrow()
    await vad.close()
  })

  test("says why when it can never start", async () => {
    const { vad } = openDetector({ command: ["/nowhere/to/be/found"], clock: { ...handClock(), after: atOnce } })
    const stream = listen(vad)
    stream.accept(new Int16Array(5_000))
    expect(await stream.failed).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("voice activity cannot be detected"),
    })
    await expect(vad.ready()).rejects.toBeInstanceOf(EngineError)
    expect(stream.probabilities).toEqual([])
  })
})

/** A clock whose waits are over at once. */
function atOnce(_ms: number, callback: () => void) {
  const immediate = setImmediate(callback)
  return () => clearImmediate(immediate)
}

describe("streams of voice activity", () => {
  test("hear each window once, in order, each with the state of its own stream", async () => {
    const { vad } = scripted()
    const streams = [100, 200, 300].map((first) => ({ first, ...listen(vad) }))
    for (let at = 0; at < 20; at++) for (const { accept, first } of streams) accept(windows(first))
    for (const { heard, first } of streams) expect(await heard(20)).toEqual(Array.from({ length: 20 }, (_, at) => first + at))
  })

  test("whose windows come in one turn of the event loop go in one message, up to eight of each", async () => {
    const { vad } = scripted()
    await vad.ready()
    const streams = Array.from({ length: 10 }, () => listen(vad))
    for (const { accept } of streams) accept(windows(COMPANY, COMPANY))
    for (const { heard } of streams) expect(await heard(2)).toEqual([10_020, 10_020])
    const [long] = streams
    long?.accept(windows(...Array(10).fill(COMPANY)))
    expect(await long?.heard(12)).toEqual([10_020, 10_020, ...Array(8).fill(1_008), 1_002, 1_002])
  })

  test("beyond sixty-four wait for the next message, the longest waiting first", async () => {
    const { vad } = scripted()
    await vad.ready()
    const streams = Array.from({ length: 70 }, () => listen(vad))
    for (const { accept } of streams) accept(windows(COMPANY))
    for (const [at, { heard }] of streams.entries()) expect(await heard(1)).toEqual([at < 64 ? 64_064 : 6_006])
  })

  test("are never called from within accept, and nothing is heard of less than a window", async () => {
    const { vad } = scripted()
    await vad.ready()
    const stream = listen(vad)
    stream.accept(windows(1))
    stream.accept(windows(2).subarray(0, 511))
    expect(stream.groups).toEqual([])
    expect(await stream.heard(1)).toEqual([1])
    stream.accept(new Int16Array(0))
    stream.accept(new Int16Array(1))
    expect(await stream.heard(2)).toEqual([1, 3])
  })

  test("hear nothing once they are closed, not even what was on its way", async () => {
    const { vad } = scripted()
    await vad.ready()
    const [closed, other] = [listen(vad), listen(vad)]
    closed.accept(windows(...Array(20).fill(1)))
    other.accept(windows(1))
    await new Promise(setImmediate)
    closed.close()
    closed.close()
    closed.accept(windows(1))
    await other.heard(1)
    other.accept(windows(1))
    await other.heard(2)
    expect(closed.probabilities).toEqual([])
    expect(await windowsWaiting()).toBe(0)
  })

  test("are counted by the windows that wait", async () => {
    const { vad } = scripted("hang")
    const [stream, other] = [listen(vad), listen(vad)]
    stream.accept(new Int16Array(5 * WINDOW_SAMPLES + 100))
    other.accept(new Int16Array(3 * WINDOW_SAMPLES))
    expect(await windowsWaiting()).toBe(8)
    other.close()
    expect(await windowsWaiting()).toBe(5)
    await vad.close()
    expect(await windowsWaiting()).toBe(0)
  })
})

describe("a voice activity process", () => {
  test("that dies is replaced at once, and its unanswered windows are heard once", async () => {
    const { vad, clock } = scripted()
    const before = await restarts("signal")
    const [stream, other] = [listen(vad), listen(vad)]
    stream.accept(windows(1, 2, 3))
    await stream.heard(3)
    stream.accept(windows(4, DIE_ONCE, 6))
    other.accept(windows(7))
    stream.accept(windows(8))
    expect(await stream.heard(7)).toEqual([1, 3, 5, 7, DIE_ONCE + 4, 11, 14])
    expect(await other.heard(1)).toEqual([7])
    expect([stream.failures, other.failures]).toEqual([[], []])
    expect(await restarts("signal")).toBe(before + 1)
    expect(clock.waiting).toBe(0)
  })

  test("that is stuck is killed after ten seconds, and the next one answers", async () => {
    const { vad, clock, tap, dir } = scripted()
    await vad.ready()
    const stream = listen(vad)
    stream.accept(windows(1, HANG_ONCE))
    await until(() => existsSync(join(dir, "hung")))
    await clock.advance(9_999)
    expect(tap.lines.filter(({ event }) => event === ENDED)).toEqual([])
    await clock.advance(1)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "timeout" })
    expect(await stream.heard(2)).toEqual([1, HANG_ONCE + 1])
  })

  test("that does not load within a minute is killed", async () => {
    const { vad, clock, tap } = scripted("hang")
    listen(vad)
    await clock.advance(60_000)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "timeout", detail: "took too long to load" })
  })

  test("that keeps dying of the same windows fails every stream once, after ever longer waits", async () => {
    const { vad, clock, tap } = scripted()
    const [stream, other] = [listen(vad), listen(vad)]
    stream.accept(windows(DIE))
    for (const [at, waitMs] of [250, 500].entries()) {
      expect(await tap.seen(BACKS_OFF, at + 1)).toMatchObject({ endsInARow: at + 2, waitMs })
      expect(stream.failures).toEqual([])
      await clock.advance(waitMs)
    }
    expect(says(await stream.failed)).toBe("unavailable: voice activity cannot be detected: its process died of SIGKILL")
    expect(await other.failed).toMatchObject({ code: "unavailable" })
    expect([stream.failures.length, other.failures.length]).toEqual([1, 1])
    expect(await tap.seen(BACKS_OFF, 3)).toMatchObject({ endsInARow: 4, waitMs: 1_000 })
    const third = listen(vad)
    expect(third.failures).toEqual([])
    expect(await third.failed).toMatchObject({ code: "unavailable" })

    await clock.advance(1_000)
    await tap.seen(READY, 5)
    await new Promise(setImmediate)
    await vad.ready()
    const fourth = listen(vad)
    fourth.accept(windows(9))
    expect(await fourth.heard(1)).toEqual([9])
    expect([stream.failures.length, other.failures.length, third.failures.length]).toEqual([1, 1, 1])
  })

  test("that refuses to load fails the streams with its reason, and is tried again", async () => {
    const { vad, tap } = scripted("refuse once")
    const stream = listen(vad)
    const waits = vad.ready().catch((error) => says(error))
    expect(await waits).toBe("unavailable: voice activity cannot be detected: the model is not there")
    expect(says(await stream.failed)).toStartWith("unavailable")
    await tap.seen(READY)
    await new Promise(setImmediate)
    await vad.ready()
  })

  test("that says something before it dies is quoted in the log", async () => {
    const { vad, tap } = scripted("die")
    listen(vad)
    expect(await tap.seen(ENDED)).toMatchObject({ cause: "exit", detail: "left with exit code 3", stderr: "the last line" })
  })

  test("is waited for no longer once the detector is closed", async () => {
    const { vad, clock } = scripted("hang")
    const stream = listen(vad)
    const waits = vad.ready()
    stream.accept(windows(1))
    const closing = vad.close()
    await expect(waits).rejects.toMatchObject({ code: "aborted" })
    await closing
    expect([stream.probabilities, stream.failures, clock.waiting]).toEqual([[], [], 0])
    expect(await listen(vad).failed).toMatchObject({ code: "aborted" })
    await expect(vad.ready()).rejects.toMatchObject({ code: "aborted" })
  })
})

const says = ({ code, message }: EngineError) => `${code}: ${message}`

async function until(condition: () => boolean) {
  while (!condition()) await new Promise(setImmediate)
}
