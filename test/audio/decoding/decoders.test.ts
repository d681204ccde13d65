import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { join } from "node:path"
import type { Decoder } from "../../../src/audio/decoding/decoder.ts"
import { EngineError } from "../../../src/engines/engine-error.ts"
import { quietOpus, silentFlac, silentOpus } from "../../support/bombs.ts"
import { handClock } from "../../support/clock.ts"
import { DECODE_COMMAND, decodeAll, decodeOptions, inSlices, openDecoder, recording } from "../../support/decoding.ts"
import { isGone } from "../../support/gone.ts"
import { tone, wavBytes } from "../../support/wav-bytes.ts"

/** Processes start slowly on a busy machine. */
setDefaultTimeout(30_000)

const READY = "decoding process ready"
const ENDED = "decoding process ended"
const SCRIPTED = [process.execPath, join(import.meta.dir, "../../support/scripted-decoder.ts")]

const opened: Decoder[] = []
afterEach(async () => {
  for (const decoder of opened.splice(0)) await decoder.close()
})

function open(options: Parameters<typeof openDecoder>[0] = {}) {
  const opening = openDecoder(options)
  opened.push(opening.decoder)
  return opening
}

/** Scripts instead of files: see scripted-decoder.ts. */
const scripted = (options: Parameters<typeof openDecoder>[0] = {}) => open({ command: SCRIPTED, ...options })

const says = (word: string) => Buffer.from(word)

const failure = (work: Promise<unknown>) =>
  work.then(
    () => "it went well",
    (error: unknown) => error,
  )

const secondsOfTone = (seconds: number) => wavBytes({ rateHz: 16_000, channels: [tone(440, 16_000, seconds)], width: "s16" })

/** A source of one word; `taken` resolves when that is on its way to the process. */
function until(word: string) {
  const asked = Promise.withResolvers<void>()
  async function* source() {
    asked.resolve()
    yield says(word)
  }
  return { source: source(), taken: asked.promise }
}

/** Tells how much of it was read, and whether it was let go. */
function watched(bytes: Uint8Array, sliceBytes: number) {
  const seen = { slices: 0, closed: false }
  async function* slices() {
    try {
      for await (const slice of inSlices(bytes, sliceBytes)) {
        seen.slices++
        yield slice
      }
    } finally {
      seen.closed = true
    }
  }
  return { seen, source: slices() }
}

describe("limits of a recording", () => {
  test("one that lasts longer than allowed is refused, after the pieces that came before", async () => {
    const { decoder } = open()
    const pieces: Int16Array[] = []
    const work = (async () => {
      for await (const piece of decoder.decodeRecording(secondsOfTone(20), decodeOptions({ maxSeconds: 10 }))) pieces.push(piece)
    })()
    expect(await failure(work)).toMatchObject({
      name: "EngineError",
      code: "bad_audio",
      message: "longer than 10 seconds",
      retryable: false,
    })
    expect(pieces.length).toBeGreaterThan(0)
  })

  test("one of more bytes than allowed is refused, and its sender let go", async () => {
    const { decoder } = open()
    const { seen, source } = watched(secondsOfTone(20), 1000)
    expect(await failure(decodeAll(decoder, source, { maxBytes: 100_000 }))).toMatchObject({
      code: "bad_audio",
      message: "more than 100000 bytes",
    })
    expect(seen).toEqual({ slices: 101, closed: true })
    expect(await failure(decodeAll(decoder, secondsOfTone(20), { maxBytes: 100_000 }))).toMatchObject({ message: "more than 100000 bytes" })
    expect((await decodeAll(decoder, secondsOfTone(1))).length).toBe(16_000)
  })

  test.each([
    ["FLAC", silentFlac(36_000)],
    ["Opus", silentOpus(36_000)],
  ] as const)("hours of silence in some kB of %s are found out before a stretch of them is heard", async (_, bomb) => {
    const { decoder } = open()
    let samples = 0
    const work = (async () => {
      for await (const piece of decoder.decodeRecording(bomb, decodeOptions())) samples += piece.length
    })()
    expect(await failure(work)).toMatchObject({ code: "bad_audio", message: "hardly any data for its length" })
    expect(samples / 16_000).toBeLessThan(120)
  })

  test.each([8_000, 16_000, 48_000] as const)(
    "minutes of digital silence as the usual encoder writes it at %i Hz are no bomb",
    async (rateHz) => {
      const { decoder } = open()
      expect((await decodeAll(decoder, silentFlac(300, rateHz, 4096))).length).toBeGreaterThan(299 * 16_000)
    },
  )

  test("minutes of Opus of a line on which nobody speaks are no bomb", async () => {
    const { decoder } = open()
    expect((await decodeAll(decoder, quietOpus(300))).length).toBeGreaterThan(299 * 16_000)
  })
})

describe("a reader of pieces", () => {
  test("slows the sender down: no more is read than the piece in its hand needs", async () => {
    const { decoder } = open()
    const { seen, source } = watched(secondsOfTone(600), 16_000)
    const pieces = decoder.decodeRecording(source, decodeOptions())[Symbol.asyncIterator]()
    await pieces.next()
    await pieces.next()
    const seconds = 4
    const headSeconds = 3
    expect(seen.slices).toBeLessThanOrEqual((seconds + headSeconds) * 2)
    await pieces.return?.()
    expect(seen.closed).toBe(true)
  })

  test("that goes away leaves the process to the next file", async () => {
    const { decoder, lines } = open()
    for await (const piece of decoder.decodeRecording(secondsOfTone(60), decodeOptions())) {
      expect(piece.length).toBeGreaterThan(0)
      break
    }
    expect((await decodeAll(decoder, secondsOfTone(1))).length).toBe(16_000)
    expect(lines.filter(({ event }) => event === READY)).toHaveLength(1)
  })

  test("gets errors of its sender as they are, and the process is free again", async () => {
    const { decoder, lines } = open()
    const gone = new Error("the line is dead")
    async function* dying() {
      yield secondsOfTone(60).subarray(0, 200_000)
      throw gone
    }
    expect(await failure(decodeAll(decoder, dying()))).toBe(gone)
    expect((await decodeAll(decoder, secondsOfTone(1))).length).toBe(16_000)
    expect(lines.filter(({ event }) => event === READY)).toHaveLength(1)
  })
})

describe("long recordings", () => {
  test("leave a process to short ones for as long as they are read", async () => {
    const { decoder } = open({ processes: 2 })
    const work = { long: true }
    const readers = [1, 2].map(() => decoder.decodeRecording(secondsOfTone(60), decodeOptions({ work }))[Symbol.asyncIterator]())
    const begun = readers.map((reader) => reader.next())
    await begun[0]
    expect((await decodeAll(decoder, secondsOfTone(2))).length).toBe(32_000)
    await readers[0]?.return?.()
    expect((await begun[1])?.done).toBe(false)
  })
})

describe("giving up", () => {
  test("before the start, or while the sender says nothing, ends with `aborted`", async () => {
    const { decoder } = open()
    expect(await failure(decodeAll(decoder, secondsOfTone(1), { signal: AbortSignal.abort() }))).toMatchObject({ code: "aborted" })
    const abort = new AbortController()
    async function* silentSender() {
      yield secondsOfTone(60).subarray(0, 1000)
      abort.abort()
      await new Promise(() => {})
    }
    expect(await failure(decodeAll(decoder, silentSender(), { signal: abort.signal }))).toMatchObject({ code: "aborted" })
    expect((await decodeAll(decoder, secondsOfTone(1))).length).toBe(16_000)
  })

  test("in the middle of a file that goes on for ever kills its process", async () => {
    const { decoder, seen } = scripted()
    const abort = new AbortController()
    const work = failure(decodeAll(decoder, says("hang"), { signal: abort.signal }))
    await seen(READY)
    abort.abort()
    expect(await work).toMatchObject({ code: "aborted" })
    expect((await decodeAll(decoder, says("well"))).length).toBe(32)
  })

  test("by closing the decoder ends what runs and what waits", async () => {
    const { decoder, seen } = scripted()
    const works = [failure(decodeAll(decoder, says("hang"))), failure(decodeAll(decoder, says("well")))]
    await seen(READY)
    await decoder.close()
    for (const work of works) expect(await work).toMatchObject({ code: "aborted" })
    expect(await failure(decodeAll(decoder, says("well")))).toMatchObject({ code: "aborted" })
  })
})

describe("a process", () => {
  test("that dies costs its own file only: the next one gets another", async () => {
    const { decoder, lines } = scripted()
    expect(await failure(decodeAll(decoder, says("die")))).toMatchObject({
      code: "bad_audio",
      retryable: false,
      message: "this file cannot be decoded: it broke",
    })
    expect((await decodeAll(decoder, says("well"))).length).toBe(32)
    expect(lines.filter(({ event }) => event === READY)).toHaveLength(2)
    expect(lines.find(({ event }) => event === ENDED)).toMatchObject({ cause: "exit", detail: "left with exit code 3" })
  })

  test("that is killed from outside in the middle of a real file ends that file, and no other", async () => {
    const { decoder, seen } = open({ processes: 2 })
    const bytes = secondsOfTone(60)
    const pieces = decoder.decodeRecording(bytes, decodeOptions())[Symbol.asyncIterator]()
    await pieces.next()
    const { pid } = await seen(READY)
    const other = decodeAll(decoder, bytes)
    process.kill(Number(pid), "SIGKILL")
    const rest = (async () => {
      while (!(await pieces.next()).done);
    })()
    expect(await failure(rest)).toMatchObject({ code: "bad_audio", message: "this file cannot be decoded: it broke" })
    expect((await other).length).toBe(60 * 16_000)
  })

  test("that is stuck is killed at its deadline", async () => {
    const clock = handClock()
    const { decoder, seen } = scripted({ clock })
    const { source, taken } = until("hang")
    const work = failure(decodeAll(decoder, source))
    await seen(READY)
    await taken
    await clock.advance(40_000)
    expect(await work).toMatchObject({ code: "bad_audio", message: "this file cannot be decoded: it takes too long" })
    expect((await decodeAll(decoder, says("well"))).length).toBe(32)
  })

  test.skipIf(process.platform !== "linux")("that turns in circles is killed when it has used its share of a core", async () => {
    const { decoder, seen } = scripted()
    expect(await failure(decodeAll(decoder, says("spin")))).toMatchObject({ message: "this file cannot be decoded: it takes too long" })
    expect(await seen(ENDED)).toMatchObject({ cause: "timeout", detail: "gave no answer within 2000 ms of a core" })
    expect((await decodeAll(decoder, says("well"))).length).toBe(32)
  })

  test.skipIf(process.platform !== "linux")("that eats memory is killed at its ceiling", async () => {
    const { decoder } = scripted()
    expect(await failure(decodeAll(decoder, says("eat"), { maxBytes: 1_000 }))).toMatchObject({
      code: "bad_audio",
      message: "this file cannot be decoded: it takes too much memory",
    })
    expect((await decodeAll(decoder, says("well"))).length).toBe(32)
  })

  test.skipIf(process.platform !== "linux")("ends when its server is killed, even deep in native code", async () => {
    const script = join(import.meta.dir, "../../support/lonely-decoder-parent.ts")
    const parent = Bun.spawn([process.execPath, script], { stdout: "pipe", stdin: "ignore" })
    const { value } = await parent.stdout.getReader().read()
    const pid = Number(new TextDecoder().decode(value))
    expect(pid).toBeGreaterThan(0)
    parent.kill("SIGKILL")
    await parent.exited
    expect(await isGone(pid)).toBe(true)
  })

  test("that does not start is no fault of the file", async () => {
    for (const program of ["/no/such/program", "/bin/false"]) {
      const { decoder } = open({ command: [program] })
      expect(await failure(decodeAll(decoder, says("well")))).toMatchObject({ code: "unavailable", retryable: true })
    }
  })

  test("that is just being let go takes no file more: another is started for it", async () => {
    const clock = handClock()
    const { decoder, seen } = scripted({ clock })
    await decodeAll(decoder, says("well"))
    await clock.advance(60_000)
    // It was killed, but the system has not told of its end yet.
    expect((await decodeAll(decoder, says("well"))).length).toBe(32)
    await seen(READY, 2)
  })

  test("is let go when it was idle for a minute", async () => {
    const clock = handClock()
    const { decoder, seen } = scripted({ clock })
    await decodeAll(decoder, says("well"))
    await clock.advance(59_000)
    await decodeAll(decoder, says("well"))
    await clock.advance(60_000)
    expect(await seen(ENDED)).toMatchObject({ cause: "closed" })
    await decodeAll(decoder, says("well"))
    await seen(READY, 2)
    await decoder.close()
    expect(clock.waiting).toBe(0)
  })

  test("ends with its server", async () => {
    const [program, ...rest] = DECODE_COMMAND
    const child = Bun.spawn([program as string, ...rest], { stdin: "pipe", stdout: "ignore" })
    child.stdin.end()
    expect(await child.exited).toBe(0)
  })
})

describe("more files than processes", () => {
  test("wait for their turn, in order, and no more processes are started", async () => {
    const { decoder, lines } = open({ processes: 2 })
    const bytes = await recording("opus.ogg")
    const lengths = await Promise.all(Array.from({ length: 12 }, async () => (await decodeAll(decoder, bytes)).length))
    expect(new Set(lengths).size).toBe(1)
    expect(lines.filter(({ event }) => event === READY)).toHaveLength(2)
  })

  test("beyond the ceiling are refused with `overloaded`; one that gives up waiting leaves its place", async () => {
    const { decoder } = scripted()
    const abort = new AbortController()
    const running = failure(decodeAll(decoder, says("hang"), { signal: abort.signal }))
    const leaving = new AbortController()
    const waiting = Array.from({ length: 64 }, (_, at) =>
      failure(decodeAll(decoder, says("well"), at === 0 ? { signal: leaving.signal } : {})),
    )
    expect(await failure(decodeAll(decoder, says("well")))).toMatchObject({ code: "overloaded", retryable: true })
    leaving.abort()
    expect(await waiting[0]).toMatchObject({ code: "aborted" })
    const late = failure(decodeAll(decoder, says("well")))
    abort.abort()
    expect(await running).toBeInstanceOf(EngineError)
    for (const work of [...waiting.slice(1), late]) expect(await work).toBe("it went well")
  })
})
