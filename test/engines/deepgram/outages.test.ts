import { describe, expect, test } from "bun:test"
import { handshakeFailure, stalled } from "../../../src/engines/deepgram/failures.ts"
import { createOutage } from "../../../src/engines/deepgram/outage.ts"
import { DEFAULT_TIMINGS } from "../../../src/engines/deepgram/timings.ts"
import { audioDroppedSeconds, upstreamErrors } from "../../../src/metrics.ts"
import {
  audio,
  clock,
  countOf,
  deepgram,
  engineAt,
  failed,
  LOST,
  open,
  owing,
  speak,
  tap,
  turn,
  useDeepgram,
} from "../../support/deepgram-bench.ts"
import { type Call, startRudeUpstream } from "../../support/deepgram-upstream.ts"

useDeepgram()

describe("a socket lost in the middle of an utterance", () => {
  const losses: [string, (call: Call) => void, string | undefined][] = [
    ["by close 1011", (call) => call.close(1011, "NET-0000 something went wrong"), "NET-0000"],
    ["by close 1000 that nobody asked for", (call) => call.close(1000), "1000"],
    ["without a close frame", (call) => call.drop(), "1006"],
    [
      "after a message of type Error",
      (call) => call.say(JSON.stringify({ type: "Error", description: "x y", message: "z", variant: "UPSTREAM" })),
      "UPSTREAM",
    ],
  ]
  test.each(losses)("%s is dialled again, and hears again what was not answered", async (_, lose, providerCode) => {
    const errors = await countOf(upstreamErrors, { engine: "deepgram", code: "unavailable" })
    const stream = open()
    const call = await speak(stream, 0, 3_000)
    call.results("Zebras graze", { end: 1.2, words: [{ start: 0.1, end: 1 }] })
    call.results("at noon and", { end: 3, final: false })
    await owing(stream, 1800)
    lose(call)
    expect(await tap.seen(LOST)).toMatchObject({ level: "warn", session: "s1", code: "unavailable", providerCode, owedMs: 1_800 })
    stream.accept(audio(3_000, 3_500))
    expect(deepgram.dials).toBe(1)
    await clock.advance(250)
    const second = await deepgram.call(1)
    await second.heard(2_300 * 16)
    stream.accept(audio(3_500, 4_000))
    await second.heard(2_800 * 16)
    expect(second.audio()).toEqual(audio(1_200, 4_000))
    second.results("at noon.", { end: 2, speechFinal: true, words: [{ start: 0.3, end: 1.8 }] })
    expect(await stream.next()).toEqual(turn("Zebras graze at noon.", 100, 3_000))
    second.results("Lions.", { end: 2.8, speechFinal: true })
    expect(await stream.next()).toEqual(turn("Lions.", 3_200, 4_000, { utterance: 1 }))
    expect(await countOf(upstreamErrors, { engine: "deepgram", code: "unavailable" })).toBe(errors + 1)
  })

  test("answers the commits that were waiting, in order", async () => {
    const stream = open()
    stream.accept(audio(0, 1_000))
    stream.commit()
    stream.accept(audio(1_000, 2_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    call.drop()
    await tap.seen(LOST)
    await clock.advance(250)
    const second = await deepgram.call(1)
    await second.got("Finalize")
    second.results("One.", { fromFinalize: true })
    await second.got("Finalize", 2)
    second.results("Two.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("One.", 0, 1_000, { cause: "commit" }))
    expect(await stream.next()).toEqual(turn("Two.", 1_000, 2_000, { utterance: 1, cause: "commit" }))
    expect(second.wire).toEqual(["audio 16000", "Finalize", "audio 16000", "Finalize"])
  })

  test("with nothing unanswered is dialled again by the next audio only", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    call.results("Zebras.", { speechFinal: true })
    await stream.next()
    call.close(1011, "NET-0001")
    await tap.seen(LOST)
    await clock.advance(30_000)
    expect(deepgram.dials).toBe(1)
    const second = await speak(stream, 1_000, 2_000, 1)
    expect(second.audio()).toEqual(audio(1_000, 2_000))
    second.results("", { speechFinal: true })
    await owing(stream, 0)
    second.drop()
    await tap.seen(LOST, 2)
    const third = await speak(stream, 2_000, 3_000, 2)
    expect(third.audio()).toEqual(audio(2_000, 3_000))
  })

  test("gives what was heard before, then tells what is lost, if nobody answers any more", async () => {
    deepgram.handshakes = ["accept", 401]
    const stream = open()
    const call = await speak(stream, 0, 2_000)
    call.results("Zebras", { end: 1 })
    await owing(stream, 1_000)
    call.drop()
    await tap.seen(LOST)
    await clock.advance(250)
    expect(await stream.next()).toEqual(turn("Zebras", 0, 1_000))
    expect(await stream.next()).toEqual(failed("unauthorized", 1, null))
  })

  test("is an outage of its own if Deepgram got on in between", async () => {
    const stream = open()
    stream.accept(audio(0, 8_000))
    for (let index = 0; index < 8; index++) {
      const call = await deepgram.call(index)
      await call.heard((8 - index) * 16_000)
      call.results(`zebra${index}`, { end: 1 })
      await owing(stream, (7 - index) * 1_000)
      if (index === 7) break
      call.drop()
      await tap.seen(LOST, index + 1)
      await clock.advance(250)
    }
    deepgram.calls[7]!.utteranceEnd(1)
    expect(await stream.next()).toEqual(turn("zebra0 zebra1 zebra2 zebra3 zebra4 zebra5 zebra6 zebra7", 0, 8_000))
  })

  test("while it was being finished gives the last words all the same", async () => {
    deepgram.answersCloseStream = false
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    stream.finish()
    await call.got("CloseStream")
    call.drop()
    await tap.seen(LOST)
    await clock.advance(250)
    const second = await deepgram.call(1)
    await second.got("CloseStream")
    second.results("Zebras.")
    second.metadata()
    second.close(1000)
    expect(await stream.rest()).toEqual([turn("Zebras.", 0, 1_000, { cause: "close" })])
    expect(second.wire).toEqual(["audio 16000", "CloseStream", "closed 1000"])
  })

  test("is dialled in vain only so often when each new socket drops at once", async () => {
    deepgram.onCall = (call) => {
      // An open socket and an empty result prove nothing.
      call.results("", { start: 0, end: 0 })
      call.close(1011)
    }
    const stream = open()
    stream.accept(audio(0, 1_000))
    stream.commit()
    for (let lost = 1; lost <= 6; lost++) {
      await tap.seen(LOST, lost)
      await clock.advance(250 * 2 ** (lost - 1))
    }
    expect(await stream.next()).toEqual(failed("unavailable"))
    expect(deepgram.dials).toBe(6)
  })

  test("after Deepgram said that it was done is not missed", async () => {
    deepgram.answersCloseStream = false
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    stream.finish()
    await call.got("CloseStream")
    call.results("Zebras.", { end: 0.9 })
    call.metadata()
    call.close(1011)
    expect(await stream.rest()).toEqual([turn("Zebras.", 0, 900, { cause: "close" })])
    expect(deepgram.dials).toBe(1)
  })

  test("is not dialled again for audio that Deepgram cannot read", async () => {
    const stream = open()
    stream.accept(audio(0, 1_000))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    call.close(1008, "DATA-0000")
    expect(await stream.next()).toEqual(failed("bad_audio"))
    expect(deepgram.dials).toBe(1)
  })

  test("lets the oldest audio go beyond the ceiling, and still ends the utterance", async () => {
    const dropped = await countOf(audioDroppedSeconds, { engine: "deepgram" })
    const stream = open(engineAt(deepgram.url, { timings: { heldMaxMs: 2_000 } }))
    for (let ms = 0; ms < 5_000; ms += 500) stream.accept(audio(ms, ms + 500))
    stream.commit()
    const call = await deepgram.call(0)
    await call.got("Finalize")
    expect(call.audio()).toEqual(audio(3_000, 5_000))
    call.results("Zebras.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Zebras.", 3_000, 5_000, { cause: "commit" }))
    expect(await tap.seen("audio dropped")).toMatchObject({ reason: "ceiling", audioMs: 500 })
    expect(await countOf(audioDroppedSeconds, { engine: "deepgram" })).toBeCloseTo(dropped + 3, 6)
  })
})

test("audio that is let go before it was sent does not shift the times of what follows", async () => {
  const stream = open(engineAt(deepgram.url, { timings: { heldMaxMs: 2_000 } }))
  stream.accept(audio(0, 500))
  stream.commit()
  const call = await deepgram.call(0)
  await call.got("Finalize")
  for (let ms = 500; ms < 5_500; ms += 500) stream.accept(audio(ms, ms + 500))
  stream.commit()
  call.results("Zebras.", { fromFinalize: true })
  expect(await stream.next()).toEqual(turn("Zebras.", 0, 500, { cause: "commit" }))
  await call.got("Finalize", 2)
  expect(call.audio().subarray(8_000)).toEqual(audio(3_500, 5_500))
  call.results("Lions.", { end: 2.5, fromFinalize: true, words: [{ start: 0.6, end: 2 }] })
  expect(await stream.next()).toEqual(turn("Lions.", 3_600, 5_000, { utterance: 1, cause: "commit" }))
})

describe("a handshake", () => {
  test.each([
    [401, "unauthorized"],
    [403, "unauthorized"],
    [402, "unauthorized"],
    [400, "unavailable"],
  ] as const)(
    "refused with %i is not tried again: the utterance fails, and so do others until it has cooled down",
    async (status, code) => {
      deepgram.handshakes = [status, "accept"]
      const stream = open()
      stream.accept(audio(0, 1_000))
      stream.commit()
      expect(await stream.next()).toEqual(failed(code))
      expect(await tap.seen(LOST)).toMatchObject({ code, providerCode: String(status), retryable: false })
      stream.accept(audio(1_000, 2_000))
      stream.commit()
      expect(await stream.next()).toEqual(failed(code, 1))
      await clock.advance(1_999)
      expect(deepgram.dials).toBe(1)
      await clock.advance(1)
      stream.accept(audio(2_000, 3_000))
      stream.commit()
      const call = await deepgram.call(0)
      await call.got("Finalize")
      call.results("Zebras.", { fromFinalize: true })
      expect(await stream.next()).toEqual(turn("Zebras.", 2_000, 3_000, { utterance: 2, cause: "commit" }))
      expect(call.audio()).toEqual(audio(2_000, 3_000))
      expect(deepgram.dials).toBe(2)
    },
  )

  test.each([
    [503, "unavailable"],
    [429, "rate_limited"],
  ] as const)("refused with %i is tried again, and nobody notices if that helps", async (status, code) => {
    deepgram.handshakes = [status, status, "accept"]
    const stream = open()
    stream.accept(audio(0, 1_000))
    stream.commit()
    expect(await tap.seen(LOST)).toMatchObject({ code, providerCode: String(status), retryable: true })
    await clock.advance(250)
    await tap.seen(LOST, 2)
    await clock.advance(500)
    const call = await deepgram.call(0)
    await call.got("Finalize")
    call.results("Zebras.", { fromFinalize: true })
    expect(await stream.next()).toEqual(turn("Zebras.", 0, 1_000, { cause: "commit" }))
    expect(call.audio()).toEqual(audio(0, 1_000))
  })

  test("refused again and again fails what is owed, once each", async () => {
    deepgram.handshakes = [503]
    const stream = open()
    stream.accept(audio(0, 1_000))
    stream.commit()
    stream.accept(audio(1_000, 2_000))
    stream.commit()
    stream.finish()
    for (let lost = 1; lost <= 6; lost++) {
      await tap.seen(LOST, lost)
      await clock.advance(250 * 2 ** (lost - 1))
    }
    expect(await stream.rest()).toEqual([failed("unavailable", 0), failed("unavailable", 1)])
    expect(deepgram.dials).toBe(6)
  })

  test("at a port where nobody listens fails as unavailable", async () => {
    const nobody = Bun.serve({ port: 0, fetch: () => new Response() })
    const url = `ws://localhost:${nobody.port}`
    await nobody.stop(true)
    const stream = open(engineAt(url))
    stream.accept(audio(0, 1_000))
    stream.commit()
    for (let lost = 1; lost <= 6; lost++) {
      expect(await tap.seen(LOST, lost)).toMatchObject({ code: "unavailable", providerCode: "ECONNREFUSED" })
      await clock.advance(250 * 2 ** (lost - 1))
    }
    expect(await stream.next()).toEqual(failed("unavailable"))
  })

  test("that is never answered has a deadline, and the whole outage has one too", async () => {
    deepgram.handshakes = ["hang"]
    const stream = open()
    stream.accept(audio(0, 1_000))
    stream.commit()
    await deepgram.dialled(1)
    await clock.advance(4_999)
    expect(tap.lines).toEqual([])
    await clock.advance(1)
    await clock.advance(250)
    await deepgram.dialled(2)
    await clock.advance(5_000)
    await clock.advance(500)
    await deepgram.dialled(3)
    await clock.advance(5_000)
    await clock.advance(1_000)
    await deepgram.dialled(4)
    await clock.advance(5_000)
    expect(await stream.next()).toEqual(failed("timeout"))
    expect(tap.lines.filter((line) => line.event === LOST)).toHaveLength(4)
  })

  test("that keeps failing is told once in a continuous stream, until Deepgram is back", async () => {
    deepgram.handshakes = [401, 401, 401, "accept"]
    const stream = open()
    stream.accept(audio(0, 1_000))
    expect(await stream.next()).toEqual(failed("unauthorized", 0, null))
    stream.accept(audio(1_000, 2_000))
    await clock.advance(2_000)
    await tap.seen(LOST, 2)
    stream.accept(audio(2_000, 3_000))
    await clock.advance(4_000)
    await tap.seen(LOST, 3)
    stream.accept(audio(3_000, 4_000))
    await clock.advance(8_000)
    const call = await deepgram.call(0)
    await call.heard(16_000)
    expect(call.audio()).toEqual(audio(3_000, 4_000))
    call.results("Zebras.", { speechFinal: true })
    expect(await stream.next()).toEqual(turn("Zebras.", 3_000, 4_000, { utterance: 1 }))
    expect(deepgram.dials).toBe(4)
  })

  test("that failed ends a finished stream at once, without another dial", async () => {
    deepgram.handshakes = [401]
    const stream = open()
    stream.accept(audio(0, 1_000))
    expect(await stream.next()).toEqual(failed("unauthorized", 0, null))
    stream.accept(audio(1_000, 2_000))
    await clock.advance(2_000)
    await tap.seen(LOST, 2)
    stream.accept(audio(2_000, 3_000))
    stream.finish()
    expect(await stream.rest()).toEqual([failed("unauthorized", 1, "close")])
    expect(deepgram.dials).toBe(2)
  })

  test.each([
    ["Unexpected server response: 401", "unauthorized", false, "401"],
    ["Unexpected server response: 404", "unavailable", false, "404"],
    ["Unexpected server response: 408", "unavailable", true, "408"],
    ["Unexpected server response: 429", "rate_limited", true, "429"],
    ["Unexpected server response: 500", "unavailable", true, "500"],
    ["Expected 101 status code: 403", "unauthorized", false, "403"],
    ["TIMEOUT", "timeout", true, undefined],
    ["connect ECONNREFUSED 127.0.0.1:1", "unavailable", true, "ECONNREFUSED"],
    ["getaddrinfo ENOTFOUND api.example", "unavailable", true, "ENOTFOUND"],
    ["", "unavailable", true, undefined],
  ] as const)("that ends in %p is %s", (sdkMessage, code, retryable, providerCode) => {
    const error = handshakeFailure(sdkMessage)
    expect({ ...error, providerCode: error.providerCode }).toMatchObject({ code, retryable })
    expect(error.providerCode).toBe(providerCode)
  })
})

test("an outage is waited out ever longer, and ever longer again once it was given up", () => {
  const outage = createOutage(clock, DEFAULT_TIMINGS)
  const waits = () => Array.from({ length: 6 }, () => outage.failed(stalled()))
  expect(waits()).toEqual([250, 500, 1_000, 2_000, 4_000, null])
  const cooling = [outage.coolingMs]
  for (let dial = 0; dial < 5; dial++) {
    expect(outage.failed(stalled())).toBe(null)
    cooling.push(outage.coolingMs)
  }
  expect(cooling).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  outage.over()
  expect(outage.coolingMs).toBe(0)
  expect(waits()).toEqual([250, 500, 1_000, 2_000, 4_000, null])
})

describe("an upstream that", () => {
  test("answers in time is not left, however much it just got", async () => {
    const stream = open()
    for (let ms = 0; ms < 9_000; ms += 1_000) {
      const call = await speak(stream, ms, ms + 1_000)
      call.results("")
      await owing(stream, 0)
      await clock.advance(1_000)
    }
    const call = await speak(stream, 9_000, 14_000)
    await clock.advance(1_900)
    call.results("Zebras.", { speechFinal: true })
    expect(await stream.next()).toEqual(turn("Zebras.", 9_000, 14_000))
    expect(deepgram.dials).toBe(1)
  })

  test("falls silent is left for a new socket, which hears again what was not answered", async () => {
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    call.results("Zebras", { end: 1 })
    await owing(stream, 0)
    for (let ms = 1_000; ms < 10_900; ms += 1_000) {
      stream.accept(audio(ms, ms + 1_000))
      await clock.advance(1_000)
    }
    expect(await tap.seen(LOST)).toMatchObject({ code: "timeout" })
    await call.closed
    stream.accept(audio(11_000, 11_500))
    await clock.advance(250)
    const second = await deepgram.call(1)
    await second.heard(10_500 * 16)
    expect(second.audio()).toEqual(audio(1_000, 11_500))
    second.results("graze.", { end: 10.5, speechFinal: true, words: [{ start: 0.5, end: 1 }] })
    expect(await stream.next()).toEqual(turn("Zebras graze.", 0, 2_000))
  })

  test("is mute for good fails once", async () => {
    const stream = open()
    let ms = 0
    async function speakFor(seconds: number) {
      for (let second = 0; second < seconds; second++, ms += 1_000) {
        stream.accept(audio(ms, ms + 1_000))
        await clock.advance(1_000)
      }
    }
    for (let lost = 0; lost < 3; lost++) {
      await speakFor(1)
      const call = await deepgram.call(lost)
      await call.heard(16_000)
      await speakFor(10)
      expect(tap.lines.filter((line) => line.event === LOST)).toHaveLength(lost + 1)
    }
    expect(await stream.next()).toEqual(failed("timeout", 0, null))
    expect(stream.pendingSamples).toBeLessThanOrEqual(16_000)
    expect(tap.lines.filter((line) => line.event === "utterance failed")).toHaveLength(1)
  })

  test("is quiet because it got next to nothing is no failure", async () => {
    const stream = open()
    const call = await speak(stream, 0, 500)
    await clock.advance(59_000)
    expect(tap.lines.filter((line) => line.level === "warn")).toEqual([])
    await clock.advance(1_000)
    expect(await call.closed).toBe(1_000)
    await tap.seen("upstream closed")
    expect(stream.pendingSamples).toBe(0)
    expect(call.wire.filter((entry) => entry !== "KeepAlive")).toEqual(["audio 8000", "Finalize", "CloseStream", "closed 1000"])
  })

  test("talks nonsense is heard for the rest, and the nonsense is counted", async () => {
    const unreadable = await countOf(upstreamErrors, { engine: "deepgram", code: "unreadable" })
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    const nonsense = [
      "not json",
      "null",
      "[]",
      "7",
      "{}",
      '{"type":7}',
      '{"type":"Results"}',
      '{"type":"UtteranceEnd"}',
      new Uint8Array([1, 2]),
    ]
    for (const message of nonsense) call.say(message)
    call.say('{"type":"Results","start":-1,"duration":1e400,"is_final":true,"channel":{"alternatives":[]}}')
    call.say('{"type":"SpeechStarted","channel":[0,1],"timestamp":0.1}')
    call.say('{"type":"SomethingNew"}')
    call.say('{"type":"Results","start":0,"duration":0.5,"is_final":true,"channel":{"alternatives":[]}}')
    call.results("Zebras.", { start: 0, end: 1e9, speechFinal: true, words: [{ start: 0.5, end: 1e9 }] })
    expect(await stream.next()).toEqual(turn("Zebras.", 500, 1_000))
    expect(await countOf(upstreamErrors, { engine: "deepgram", code: "unreadable" })).toBe(unreadable + nonsense.length + 1)
    expect(tap.lines.filter((line) => line.event === "upstream message unreadable")).toHaveLength(1)
  })

  test("ignores CloseStream is cut off, and the open utterance fails", async () => {
    deepgram.answersCloseStream = false
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    stream.finish()
    await call.got("CloseStream")
    await clock.advance(5_000)
    expect(await stream.rest()).toEqual([failed("timeout", 0, "close")])
    await call.closed
  })

  test("gave everything and then does not hang up costs nothing", async () => {
    deepgram.answersCloseStream = false
    const stream = open()
    const call = await speak(stream, 0, 1_000)
    stream.finish()
    await call.got("CloseStream")
    call.results("Zebras.", { end: 0.98 })
    call.metadata()
    await owing(stream, 20)
    await clock.advance(5_000)
    expect(await stream.rest()).toEqual([turn("Zebras.", 0, 980, { cause: "close" })])
    await call.closed
  })

  test("breaks the protocol after CloseStream has not answered it, though the SDK reports close 1000", async () => {
    const rude = startRudeUpstream({ reads: true })
    const stream = open(engineAt(rude.url))
    stream.accept(audio(0, 1_000))
    stream.finish()
    await tap.seen("upstream open")
    rude.garble()
    expect(await tap.seen(LOST)).toMatchObject({ code: "unavailable", providerCode: "1006", owedMs: 1_000 })
    stream.close()
    await rude.emptied()
    rude.stop()
  })

  test("never answers a close frame is terminated", async () => {
    const rude = startRudeUpstream({ reads: true })
    const stream = open(engineAt(rude.url))
    stream.accept(audio(0, 1_000))
    await tap.seen("upstream open")
    stream.close()
    await rude.emptied()
    rude.stop()
  })

  test("stops reading takes no more of our memory than the ceiling, and is left", async () => {
    const rude = startRudeUpstream({ reads: false })
    const stream = open(engineAt(rude.url, { timings: { unsentMaxBytes: 64 * 1024 } }))
    stream.accept(audio(0, 280_000))
    await tap.seen("upstream open")
    await clock.advance(10_000)
    expect(await tap.seen(LOST)).toMatchObject({ code: "timeout", owedMs: 280_000 })
    rude.resume()
    await rude.emptied()
    expect(rude.bytes).toBeLessThan(280_000 * 32 * 0.9)
    stream.close()
    rude.stop()
  })
})
