/**
 * Lifts a Transcriber to an Engine whose utterances end where the caller says so: gathers audio, hands each utterance to
 * the transcriber under a permit, and puts the answers back in order. Knows no endpointer, no wire and no provider.
 */
import { msFromSamples, samplesFromMs } from "../audio/pcm.ts"
import { type Clock, realClock } from "../clock.ts"
import { type Engine, EngineError, type Stream, type StreamOptions, type Transcriber } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { finalSeconds, utterances } from "../metrics.ts"
import { createEventQueue } from "./event-queue.ts"
import type { EndCause, FinalEvent, SpeechEvent } from "./events.ts"
import { createGathering } from "./gathering.ts"
import type { Permits } from "./permits.ts"
import { joinTexts, type Transcript } from "./transcript.ts"

/**
 * How many utterances of one stream may hold or await a permit. Two, so that a client who sends the next utterance early
 * keeps a second engine busy; no more, so that one who sends fifty does not fill the queue in which the others wait.
 */
export const UTTERANCES_AT_ONCE = 2

/** Utterances above this leave a permit to the others: eight minutes of speech keep an engine busy for twenty seconds. */
export const LONG_SAMPLES = samplesFromMs(60_000)

export interface LiftOptions {
  /** Shared by everybody who uses this transcriber. */
  readonly permits: Permits
  readonly clock?: Clock
  readonly log: Log
}

interface Pending {
  readonly utterance: number
  readonly cause: EndCause
  readonly startSample: number
  readonly sampleCount: number
  readonly committedAtMs: number
  /** Given to the transcriber, then let go: null from that moment on. */
  samples: Int16Array | null
  /** Set once known; waits here for the utterances before it. */
  outcome: Transcript | EngineError | null
}

/** Closing the engine closes the transcriber. */
export function liftTranscriber(transcriber: Transcriber, options: LiftOptions): Engine {
  const streams = new Set<Stream>()
  let closed = false

  return {
    name: transcriber.name,
    get model() {
      return transcriber.model
    },
    endpoints: false,
    open(streamOptions) {
      const stream = openStream(transcriber, options, streamOptions, () => streams.delete(stream))
      streams.add(stream)
      if (closed) stream.close()
      return stream
    },
    ready: () => transcriber.ready(),
    async close() {
      closed = true
      for (const stream of [...streams]) stream.close()
      await transcriber.close()
    },
  }
}

function openStream(transcriber: Transcriber, options: LiftOptions, { language, session }: StreamOptions, onEnded: () => void): Stream {
  const { permits, clock = realClock, log } = options
  const engine = transcriber.name
  const abort = new AbortController()
  const queue = createEventQueue<SpeechEvent>()
  /** Utterances whose terminator is still owed, in order of commit. */
  const owed: Pending[] = []
  /** The part of `owed` that no permit was asked for yet. */
  const unstarted: Pending[] = []
  let running = 0
  const gathered = createGathering()
  let acceptedSamples = 0
  let pendingSamples = 0
  let utteranceCount = 0
  /** Finished or closed: takes nothing more. */
  let sealed = false

  function endUtterance(cause: EndCause) {
    const samples = gathered.take()
    const pending: Pending = {
      utterance: utteranceCount++,
      cause,
      startSample: acceptedSamples - samples.length,
      sampleCount: samples.length,
      committedAtMs: clock.now(),
      samples,
      outcome: samples.length === 0 ? { text: "", language: null, segments: [] } : null,
    }
    owed.push(pending)
    if (pending.outcome === null) unstarted.push(pending)
    startMore()
    deliver()
  }

  function startMore() {
    while (running < UTTERANCES_AT_ONCE) {
      const pending = unstarted.shift()
      if (!pending) return
      running++
      void answer(pending)
    }
  }

  /** Never rejects. */
  async function answer(pending: Pending) {
    pending.outcome = await transcribe(pending)
    running--
    startMore()
    deliver()
  }

  async function transcribe(pending: Pending): Promise<Transcript | EngineError> {
    let release = () => {}
    try {
      release = await permits.take(abort.signal, { long: pending.sampleCount > LONG_SAMPLES })
      const samples = pending.samples ?? new Int16Array()
      pending.samples = null
      return await transcriber.transcribe({ samples, language }, abort.signal)
    } catch (thrown) {
      return thrown instanceof EngineError ? thrown : unexpected(thrown)
    } finally {
      release()
    }
  }

  function unexpected(thrown: unknown): EngineError {
    // Its message may quote anything, so the log gets only where it came from.
    const where = thrown instanceof Error ? thrown.stack?.split("\n").find((line) => line.trimStart().startsWith("at ")) : undefined
    log.error("transcriber broke its promise", { session, engine, error: thrown instanceof Error ? thrown.name : typeof thrown, where })
    return new EngineError("unavailable", "the engine failed in a way it should not")
  }

  /** Hands out every answer whose turn has come. */
  function deliver() {
    for (let head = owed[0]; head && head.outcome !== null; head = owed[0]) {
      owed.shift()
      pendingSamples -= head.sampleCount
      if (head.outcome instanceof EngineError) deliverFailure(head, head.outcome)
      else deliverWords(head, head.outcome)
    }
    if (sealed && owed.length === 0) {
      queue.end()
      onEnded()
    }
  }

  function deliverFailure({ utterance, sampleCount, committedAtMs }: Pending, { code, message, providerCode }: EngineError) {
    const tookMs = Math.round(clock.now() - committedAtMs)
    log.warn("utterance failed", { session, engine, utterance, code, message, providerCode, audioMs: msFromSamples(sampleCount), tookMs })
    utterances.inc({ engine, outcome: code })
    queue.push({ type: "failed", utterance, code, message })
  }

  function deliverWords(pending: Pending, transcript: Transcript) {
    const { utterance, sampleCount, committedAtMs } = pending
    const tookMs = clock.now() - committedAtMs
    const finals = finalsOf(pending, transcript)
    log.debug("utterance ended", {
      session,
      engine,
      utterance,
      audioMs: msFromSamples(sampleCount),
      tookMs: Math.round(tookMs),
      segments: finals.length,
      characters: transcript.text.length,
    })
    utterances.inc({ engine, outcome: transcript.text === "" ? "silence" : "text" })
    // An utterance without audio asked nothing of the engine and would only flatter it.
    if (sampleCount > 0) finalSeconds.observe({ engine }, tookMs / 1000)
    for (const final of finals) queue.push(final)
  }

  return {
    accept(samples) {
      if (sealed) return
      acceptedSamples += samples.length
      pendingSamples += samples.length
      gathered.add(samples)
    },
    commit() {
      if (!sealed) endUtterance("commit")
    },
    finish() {
      sealed = true
      if (gathered.sampleCount > 0) endUtterance("close")
      else deliver()
    },
    events: queue.events,
    get pendingSamples() {
      return pendingSamples
    },
    close() {
      sealed = true
      utterances.inc({ engine, outcome: "aborted" }, owed.length)
      owed.length = 0
      unstarted.length = 0
      gathered.take()
      pendingSamples = 0
      queue.cut()
      abort.abort()
      onEnded()
    },
  }
}

/** One final a segment; one for the whole if there are no segments, or if they do not add up to the text. */
function finalsOf({ utterance, cause, startSample, sampleCount }: Pending, { text, language, segments }: Transcript): FinalEvent[] {
  const utteranceStartMs = msFromSamples(startSample)
  const utteranceEndMs = msFromSamples(startSample + sampleCount)
  const within = (ms: number) => Math.min(utteranceStartMs + Math.max(0, Math.round(ms)), utteranceEndMs)
  const whole = { text, startMs: utteranceStartMs, endMs: utteranceEndMs, avgLogprob: null, noSpeechProb: null }

  const spoken = segments
    .map((segment) => ({ ...segment, text: joinTexts([segment.text]), startMs: within(segment.startMs), endMs: within(segment.endMs) }))
    .filter((segment) => segment.text !== "")
  const parts = spoken.length > 0 && joinTexts(spoken.map((segment) => segment.text)) === text ? spoken : [whole]
  return parts.map(({ text, startMs, endMs, avgLogprob, noSpeechProb }, index) => {
    return { type: "final", utterance, text, startMs, endMs, end: index === parts.length - 1, cause, language, avgLogprob, noSpeechProb }
  })
}
