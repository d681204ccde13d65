import { describe, expect, test } from "bun:test"
import { createUtteranceSpans, type UtteranceSpans } from "../../src/server/utterance-spans.ts"
import type { FinalEvent, SpeechEvent } from "../../src/speech/events.ts"
import { connect, socketUrl } from "../support/client.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"
import { told } from "../support/told.ts"

const start = (utterance: number): SpeechEvent => ({ type: "speech_start", utterance, atMs: 0 })
const end = (utterance: number): SpeechEvent => ({ type: "speech_end", utterance, atMs: 900 })
const final = (utterance: number, changes: Partial<FinalEvent> = {}): SpeechEvent => {
  const heard = { text: "words", startMs: 100, endMs: 900, language: "en", confidence: null, avgLogprob: null, noSpeechProb: null }
  return { type: "final", utterance, segment: 0, end: true, cause: "endpoint", words: null, ...heard, ...changes }
}

/** The spans of utterances, in the order in which they ended. */
async function utterances(tell: (spans: UtteranceSpans) => unknown) {
  const spans = await told((tracer) => tell(createUtteranceSpans(tracer.request("asked", null, {}), { session: "s1" })))
  return spans.filter(({ name }) => name === "utterance")
}

const note = (spans: UtteranceSpans, ...events: readonly SpeechEvent[]) => {
  for (const event of events) spans.note(event, undefined)
}

describe("the span of an utterance", () => {
  test("holds what is known of it, over all of its finals, and when its speech ended", async () => {
    const [span] = await utterances((spans) => {
      note(spans, start(0), final(0, { end: false, startMs: 100, endMs: 500 }), end(0))
      spans.note(final(0, { text: "", startMs: 500, endMs: 1000 }), 0.25)
    })
    expect(span).toMatchObject({ events: ["speech_end"], failed: false })
    expect(span?.fields).toEqual({
      "session.id": "s1",
      "xrx_stt.utterance": 0,
      "xrx_stt.outcome": "text",
      "xrx_stt.cause": "endpoint",
      "xrx_stt.audio_seconds": 0.9,
      "xrx_stt.reply_seconds": 0.25,
      "xrx_stt.language": "en",
    })
  })

  test("is one for each, also while the words of one are owed and the next one speaks", async () => {
    const spans = await utterances((spans) => note(spans, start(0), end(0), start(1), final(0), end(1), final(1, { text: "" })))
    expect(spans.map(({ fields }) => [fields["xrx_stt.utterance"], fields["xrx_stt.outcome"]])).toEqual([
      [0, "text"],
      [1, "silence"],
    ])
  })

  test("is the one that its engine adds to", async () => {
    const [span] = await utterances((spans) => {
      spans.of(0).add({ fallbackTo: "whisper" })
      note(spans, final(0))
    })
    expect(span?.fields).toMatchObject({ "xrx_stt.fallback_to": "whisper", "xrx_stt.outcome": "text" })
  })

  test("fails with the code of a failure, and never with its message", async () => {
    const message = "it said goodbye"
    const [span] = await utterances((spans) => note(spans, { type: "failed", utterance: 0, cause: "commit", code: "timeout", message }))
    expect(span).toMatchObject({ failed: true, fields: { "error.type": "timeout", "xrx_stt.outcome": "timeout" } })
    expect(JSON.stringify(span)).not.toContain("goodbye")
  })

  test("ends when its client forgets it, or leaves", async () => {
    const spans = await utterances((spans) => {
      note(spans, { type: "cleared", utterance: null }, start(0), { type: "cleared", utterance: 0 }, start(1))
      spans.close()
      spans.of(2)
      spans.close()
    })
    expect(spans.map(({ fields, failed }) => [fields["xrx_stt.outcome"], failed])).toEqual([
      ["cleared", false],
      ["aborted", false],
      ["aborted", false],
    ])
  })
})

test("an engine that hears streams tells of its utterances, too", async () => {
  const spans = await told(async (tracer) => {
    const { server } = serve({ tracer })
    const client = await connect(socketUrl(server.url, "mode=events"))
    client.send(audio(7))
    client.send(audio(0))
    client.send(JSON.stringify({ type: "close" }))
    await client.closed
  })
  const [request] = spans.filter(({ name }) => name === "GET /api/v1/ws")
  const [utterance, ...others] = spans.filter(({ name }) => name === "utterance")
  expect(others).toEqual([])
  expect(utterance).toMatchObject({
    links: [request?.spanId],
    events: ["speech_end"],
    fields: { "xrx_stt.engine": "scripted", "xrx_stt.mode": "events", "xrx_stt.outcome": "text" },
  })
})
