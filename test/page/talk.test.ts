import { describe, expect, test } from "bun:test"
import { talkOfRecording } from "../../src/page/flow/recording.ts"
import { type Change, changed, latencies, NEW_TALK, type Talk, textOf } from "../../src/page/flow/talk.ts"
import { readEvent, type WireEvent } from "../../src/page/flow/wire.ts"

function talkOf(...changes: readonly Change[]): Talk {
  return changes.reduce(changed, NEW_TALK)
}

const connected = (baseMs = 0): Change => ({ type: "connected", baseMs })
const event = (event: WireEvent, nowMs = 0): Change => ({ type: "event", event, nowMs })

const speechStart = event({ type: "speech_start", utt: 0, at_ms: 100 })
const partial = (text: string, stable: number, seg = 0) =>
  event({ type: "partial", utt: 0, seg, text, stable, start_ms: 100, end_ms: 900, lag_ms: 40 })

function final(text: string, more: Partial<Extract<WireEvent, { type: "final" }>> = {}): WireEvent {
  return { type: "final", utt: 0, seg: 0, text, start_ms: 100, end_ms: 1500, end: true, language: "en", ...more }
}

const words = [
  { text: "one", start_ms: 200, end_ms: 500, confidence: 0.9 },
  { text: "two", start_ms: 500, end_ms: 1000, confidence: 0.8 },
]

describe("a talk", () => {
  test("shows interim words that replace each other until they are settled", () => {
    const during = talkOf(connected(), speechStart, partial("one", 0), partial("one two", 3))
    expect(during.utterances).toMatchObject([{ status: "open", segments: [{ text: "one two", stable: 3, settled: false }] }])
    const after = changed(during, event(final("One two."), 2000))
    expect(after.utterances).toMatchObject([{ status: "done", segments: [{ text: "One two.", settled: true }] }])
  })

  test("tells the latency from the end of the last word, the wait for silence included", () => {
    expect(talkOf(connected(), event(final("one two", { words }), 1640)).utterances[0]?.latencyMs).toBe(640)
  })

  test("tells it from the end of the utterance where the engine has no times of words", () => {
    expect(talkOf(connected(), event(final("one two"), 1640)).utterances[0]?.latencyMs).toBe(140)
  })

  test("knows the middle and the slowest of the latencies, of those that somebody waited for", () => {
    const finals = [300, 900, 500].map((waitMs, utt) => event(final("one", { utt }), 1500 + waitMs))
    expect(latencies(talkOf(connected(), ...finals))).toEqual({ count: 3, middleMs: 500, slowestMs: 900 })
    expect(latencies(talkOf(connected(), ...finals.slice(0, 2)))).toEqual({ count: 2, middleMs: 600, slowestMs: 900 })
    expect(latencies(talkOf(connected(), speechStart))).toBeUndefined()
  })

  test("keeps no utterance in which nothing was said", () => {
    expect(talkOf(connected(), speechStart, partial("one", 0), event(final(""), 2000)).utterances).toEqual([])
  })

  test("puts the segments of a long utterance one after the other", () => {
    const first = event(final("one", { end: false }))
    const second = event(final("two", { seg: 1, start_ms: 1500, end_ms: 2000 }))
    const [utterance] = talkOf(connected(), speechStart, first, partial("tw", 0, 1), second).utterances
    expect(utterance && textOf(utterance)).toBe("one two")
    expect(utterance?.segments).toHaveLength(2)
  })

  test("changes only the utterance that an event is about, so that the others need not be drawn again", () => {
    const before = talkOf(connected(), event(final("one")))
    const after = changed(before, event({ type: "speech_start", utt: 1, at_ms: 3000 }))
    expect(after.utterances[0]).toBe(before.utterances[0]!)
    expect(after.utterances).toHaveLength(2)
  })

  test("names the failure of an utterance in its place", () => {
    const { utterances } = talkOf(connected(), speechStart, event({ type: "failed", utt: 0, code: "timeout", message: "too slow" }))
    expect(utterances).toMatchObject([{ status: "failed", failure: "too slow" }])
  })

  test("forgets what was cleared", () => {
    expect(talkOf(connected(), speechStart, event({ type: "cleared", utt: 0 })).utterances).toEqual([])
  })

  test("knows nothing of events that it cannot read", () => {
    for (const text of ["", "null", "{}", '{"type":"smell"}', "[1]"]) expect(readEvent(text)).toBeUndefined()
  })
})

describe("a connection that breaks", () => {
  test("leaves settled words and takes open ones back, for they are heard again from the first unanswered sound", () => {
    const next = event({ type: "speech_start", utt: 1, at_ms: 2000 })
    const broken = talkOf(connected(), event(final("one")), next, { type: "disconnected" })
    expect(broken.utterances).toHaveLength(1)
    expect(broken.answeredMs).toBe(1500)
  })

  test("keeps the segments that were settled of an utterance that was not", () => {
    const broken = talkOf(connected(), speechStart, event(final("one", { end: false })), partial("tw", 0, 1), { type: "disconnected" })
    expect(broken.utterances).toMatchObject([{ status: "done", endMs: 1500, segments: [{ text: "one" }] }])
  })

  test("has its times from the tape, and its utterances beside those of the one before", () => {
    const again = talkOf(connected(), event(final("one")), { type: "disconnected" }, connected(1500), event(final("two", { words }), 4000))
    expect(again.utterances.map(({ startMs }) => startMs)).toEqual([100, 1600])
    expect(again.utterances[1]).toMatchObject({
      latencyMs: 1500,
      segments: [{ words: [{ startMs: 1700 }, { startMs: 2000, endMs: 2500 }] }],
    })
    expect(new Set(again.utterances.map(({ id }) => id)).size).toBe(2)
  })
})

test("a recording becomes utterances, each with its own words and every word once", () => {
  const { utterances } = talkOfRecording(
    {
      language: "english",
      duration: 3,
      segments: [
        { text: " One two.", start: 0.1, end: 1 },
        { text: " Three.", start: 1.5, end: 3 },
      ],
      words: [
        { word: "One", start: 0.05, end: 0.5 },
        { word: "two.", start: 1.2, end: 1.4 },
        { word: "Three.", start: 1.5, end: 3.1 },
      ],
    },
    "base",
  )
  expect(utterances.map(textOf)).toEqual(["One two.", "Three."])
  expect(utterances.map(({ segments }) => segments[0]?.words.map(({ text }) => text))).toEqual([["One", "two."], ["Three."]])
  expect(utterances[1]).toMatchObject({ startMs: 1500, endMs: 3000, latencyMs: null })
})
