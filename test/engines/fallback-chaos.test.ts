import { expect, test } from "bun:test"
import { createDeepgram } from "../../src/engines/deepgram.ts"
import type { Candidate } from "../../src/engines/fallback.ts"
import { createFallback } from "../../src/engines/fallback.ts"
import { createGroq } from "../../src/engines/groq.ts"
import { transcribeByStreams } from "../../src/engines/streamed.ts"
import { silentLog } from "../../src/log.ts"
import { createPermits } from "../../src/permits.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { type Call, startDeepgram } from "../support/deepgram-upstream.ts"
import { energyVad } from "../support/energy-vad.ts"
import { startGroqUpstream, verbose } from "../support/groq-upstream.ts"
import { randomFrom } from "../support/random.ts"

const CLIENTS = 8
const UTTERANCES_EACH = 12
const DEADLINE_MS = 150
/** Both deadlines, and what a busy machine adds. */
const WORDS_WITHIN_MS = 2 * DEADLINE_MS + 1_500

/** An utterance that says who said it, and which it is. */
const spoken = (client: number, utterance: number) => new Int16Array(4_000).fill(1_000 + client * 100 + utterance)
const nameOf = (samples: Int16Array) => `number ${samples[0]}`

/** Answers rightly, or stalls, breaks off, refuses or lies, as chance has it. */
function moody(random: () => number) {
  return startGroqUpstream(({ samples }, index) => {
    const mood = random()
    if (mood < 0.3) return Response.json(verbose(nameOf(samples)))
    if (mood < 0.5) return new Promise<Response>(() => {})
    if (mood < 0.6) return new Response('{"text": "los')
    if (mood < 0.7) return Response.json({ text: { not: "words" } })
    if (mood < 0.8) return new Response("<html>")
    return Response.json({ error: {} }, { status: [500, 503, 429, 401, 404][index % 5] ?? 500 })
  })
}

function moodyDeepgram(random: () => number) {
  const upstream = startDeepgram()
  upstream.onCall = (call: Call) => {
    const mood = random()
    call.onWire = () => {
      if (mood < 0.2) return call.drop()
      if (mood < 0.3) return call.close(1011)
      if (call.wire.at(-1) !== "Finalize" || mood < 0.5) return
      if (mood < 0.6) return call.say('{"type":"Results"')
      call.results(nameOf(call.audio()), { fromFinalize: true })
    }
  }
  return upstream
}

async function heard(events: AsyncIterable<SpeechEvent>, onFinal: () => void) {
  const all: SpeechEvent[] = []
  for await (const event of events) {
    all.push(event)
    onFinal()
  }
  return all
}

test.each([1, 2, 3])("whatever the clouds do, each utterance gets its own words once, in order and in time (seed %d)", async (seed) => {
  const random = randomFrom(seed)
  const groq = moody(random)
  const deepgram = moodyDeepgram(random)
  const sound = startGroqUpstream(({ samples }) => Response.json(verbose(nameOf(samples))))
  const groqAt = (baseUrl: string) =>
    createGroq({ apiKey: "gsk_1", baseUrl, noSpeechThreshold: 0.7, deadlineMs: DEADLINE_MS, log: silentLog })
  const cloud = createDeepgram({ apiKey: "dg_1", baseUrl: deepgram.url, counts: false, log: silentLog })
  const candidates: readonly [Candidate, ...Candidate[]] = [
    { transcriber: groqAt(groq.url), deadlineMs: DEADLINE_MS },
    { transcriber: transcribeByStreams(cloud, 32), deadlineMs: DEADLINE_MS },
    // As one in this program: nobody bounds it.
    { transcriber: groqAt(sound.url), deadlineMs: null },
  ]
  const whole = createFallback({ candidates, waitingMax: 64, log: silentLog })
  const permits = createPermits({ atOnce: whole.concurrency, waitingMax: 64 })
  const engine = liftTranscriber(whole, { permits, vad: energyVad(), log: silentLog })

  async function speak(client: number) {
    const stream = engine.open({ session: `client ${client}`, language: "en", endpointing: null, interims: false, words: false })
    let answered = Promise.withResolvers<void>()
    const reading = heard(stream.events, () => answered.resolve())
    let slowestMs = 0
    for (let utterance = 0; utterance < UTTERANCES_EACH; utterance++) {
      answered = Promise.withResolvers<void>()
      const askedAtMs = performance.now()
      stream.accept(spoken(client, utterance))
      stream.commit()
      await answered.promise
      slowestMs = Math.max(slowestMs, performance.now() - askedAtMs)
    }
    stream.finish()
    return { events: await reading, slowestMs }
  }

  const all = await Promise.all(Array.from({ length: CLIENTS }, (_, client) => speak(client)))
  for (const [client, { events, slowestMs }] of all.entries()) {
    const told = events.map((event) => (event.type === "final" && event.end ? event.text : event.type))
    expect(told).toEqual(Array.from({ length: UTTERANCES_EACH }, (_, utterance) => nameOf(spoken(client, utterance))))
    expect(slowestMs).toBeLessThan(WORDS_WITHIN_MS)
  }
  expect(permits.taken).toBe(0)
  // Chance had its way with each of them.
  expect(groq.asked.length).toBeGreaterThan(2)
  expect(deepgram.dials).toBeGreaterThan(2)
  expect(sound.asked.length).toBeGreaterThan(2)
  await engine.close()
  await deepgram.emptied()
  await Promise.all([groq.stop(), deepgram.stop(), sound.stop()])
})
