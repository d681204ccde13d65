import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { Histogram } from "prom-client"
import { firstInterimSeconds, replySeconds } from "../../src/metrics.ts"
import { createReplyTimes } from "../../src/server/reply-times.ts"
import type { FinalEvent, SpeechEvent } from "../../src/speech/events.ts"
import { connect, socketUrl } from "../support/client.ts"
import { type HandClock, handClock } from "../support/clock.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const labels = { engine: "scripted", mode: "clocked" }

let clock: HandClock
beforeEach(() => {
  clock = handClock()
})
afterEach(() => {
  for (const metric of [firstInterimSeconds, replySeconds]) metric.remove(labels)
})

/** How many were seen, and their sum in seconds. */
async function seen(metric: Histogram<"engine" | "mode">) {
  const { values } = await metric.get()
  const mine = (name: string) => values.find((value) => value.metricName?.endsWith(name) && value.labels.mode === labels.mode)?.value ?? 0
  return { count: mine("_count"), sum: mine("_sum") }
}

const start = (utterance: number): SpeechEvent => ({ type: "speech_start", utterance, atMs: 0 })
const end = (utterance: number): SpeechEvent => ({ type: "speech_end", utterance, atMs: 900 })
const partial = (utterance: number, text: string): SpeechEvent => {
  return { type: "partial", utterance, segment: 0, text, stable: 0, startMs: 0, endMs: 500, lagMs: 0 }
}
const final = (utterance: number, changes: Partial<FinalEvent> = {}): SpeechEvent => {
  const heard = {
    text: "words",
    startMs: 0,
    endMs: 900,
    language: "en",
    confidence: null,
    avgLogprob: null,
    noSpeechProb: null,
    words: null,
  }
  return { type: "final", utterance, segment: 0, end: true, cause: "endpoint", ...heard, ...changes }
}

describe("the times of replies", () => {
  test("run from the start of speech to the first interim with words, once an utterance", async () => {
    const times = createReplyTimes(labels, clock)
    times.note(start(0), null)
    await clock.advance(300)
    times.note(partial(0, ""), null)
    await clock.advance(200)
    times.note(partial(0, "go"), null)
    await clock.advance(200)
    times.note(partial(0, "go on"), null)
    expect(await seen(firstInterimSeconds)).toEqual({ count: 1, sum: 0.5 })
  })

  test("run from the end of speech to its final, also when the next one speaks already", async () => {
    const times = createReplyTimes(labels, clock)
    times.note(start(0), null)
    times.note(end(0), null)
    await clock.advance(100)
    times.note(start(1), null)
    await clock.advance(100)
    times.note(end(1), null)
    times.note(final(0), null)
    await clock.advance(50)
    times.note(final(1), null)
    expect(await seen(replySeconds)).toEqual({ count: 2, sum: 0.25 })
  })

  test("run from the commit where there is one, and to the last of its finals", async () => {
    const times = createReplyTimes(labels, clock)
    await clock.advance(1_000)
    times.note(final(0, { end: false }), 900)
    await clock.advance(1_000)
    times.note(final(0, { cause: "commit" }), 900)
    expect(await seen(replySeconds)).toEqual({ count: 1, sum: 1.1 })
  })

  test("are those of real clients, by the engine and the mode of each", async () => {
    const { server, engine } = serve()
    const line = `xrx_stt_reply_seconds_count{engine="${engine.name}",mode="utterance"}`
    const counted = async () => {
      const page = await (await fetch(new URL("/metrics", server.url))).text()
      return Number(
        page
          .split("\n")
          .find((one) => one.startsWith(line))
          ?.slice(line.length) ?? 0,
      )
    }
    const before = await counted()
    const client = await connect(socketUrl(server.url))
    for (let turn = 0; turn < 3; turn++) {
      client.send(audio(1))
      await client.next()
    }
    expect(await counted()).toBe(before + 3)
  })

  test("count no utterance without audio, none that failed or was cleared, and none whose end nobody heard", async () => {
    const times = createReplyTimes(labels, clock)
    times.note(final(0, { cause: "commit", endMs: 0 }), 0)
    for (const utterance of [1, 2]) times.note(end(utterance), null)
    times.note({ type: "failed", utterance: 1, cause: "endpoint", code: "timeout", message: "late" }, null)
    times.note({ type: "cleared", utterance: 2 }, null)
    for (const utterance of [1, 2, 3]) times.note(final(utterance), null)
    expect(await seen(replySeconds)).toEqual({ count: 0, sum: 0 })
  })
})
