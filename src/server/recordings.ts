/**
 * Whole recordings over the engine that the sockets use: decoded, cut at pauses into stretches that can be heard side by side,
 * and told in order. Knows no wire, no container and no engine by name.
 */
import type { Decoder } from "../audio/decoding/decoder.ts"
import { msFromSamples, SAMPLE_RATE_HZ, samplesFromMs } from "../audio/pcm.ts"
import { type Clock, pause } from "../clock.ts"
import { Refused } from "../dialects/door.ts"
import type { RecordingOptions, RecordingPart, RecordingSource, Recordings } from "../dialects/recordings.ts"
import { EngineError, type Transcriber } from "../engines/engine.ts"
import { audioSeconds, queueWaitSeconds, recordingsWaiting, utterances } from "../metrics.ts"
import { createPermits, type Permits, type Work } from "../permits.ts"
import { shiftedBy } from "../speech/transcript.ts"
import { asPart, failureOf, noSpan, type Span } from "../tracing.ts"
import { type RecordingLimits, readRaw, stretchesOf } from "./stretches.ts"

/** What whole recordings need beside the engine of the sockets. */
export interface RecordingEngine {
  /** The one behind that engine. */
  readonly transcriber: Transcriber
  /** Its permits, which the sockets share: a long recording leaves them half. */
  readonly permits: Permits
  readonly decoder: Decoder
  /** Recordings that may wait for their turn. */
  readonly waitingMax: number
  /** How long a short one may wait for engines. Default: as long as it takes. */
  readonly waitingMs?: number | undefined
}

/** Who asks, and where it is told what becomes of it. */
interface Asker {
  /** Of the metrics. */
  readonly label: string
  readonly client: string | undefined
  readonly trace: Span
}

/** Ten hours: a symposium, and what a phone call that nobody hung up comes to. */
export const RECORDING_SECONDS_MAX = 36_000

/** Above this a stretch leaves a permit to the utterances of live streams. */
const LONG_SAMPLES = samplesFromMs(60_000)

/** Stretches of one recording that hold or await a permit: while the oldest ends, the next keeps the engines busy. */
const STRETCHES_AT_ONCE = 2

/** Half a minute as samples: somebody waits for its words, and would sooner come again, or go elsewhere, than wait for long. */
const SHORT_BYTES_MAX = 1_000_000

/** A recording that has begun is not refused for want of room: it asks again. */
const RETRY_MS = 500

export function createRecordings(
  engine: RecordingEngine,
  limits: RecordingLimits,
  clock: Clock,
): (label: string, client?: string, trace?: Span) => Recordings {
  const { transcriber, permits, decoder, waitingMax, waitingMs = Number.POSITIVE_INFINITY } = engine
  const admissions = createPermits({ atOnce: transcriber.concurrency, waitingMax, onWaiting: (count) => recordingsWaiting.set(count) })

  async function* transcribe(
    { label, client, trace }: Asker,
    source: RecordingSource,
    options: RecordingOptions,
    outer: AbortSignal,
  ): AsyncGenerator<RecordingPart, void> {
    if (options.translate && !transcriber.translates) throw noTranslation(transcriber)
    const work = { long: lengthOf(source) > SHORT_BYTES_MAX, client }
    const untilMs = clock.now() + (work.long ? Number.POSITIVE_INFINITY : waitingMs)
    const turn = () => inTime(untilMs, outer, (signal) => admissions.take(signal, work))
    const leave = await asPart(trace, "queue", {}, turn)
    const over = new AbortController()
    const signal = AbortSignal.any([outer, over.signal])
    const inWork: Promise<RecordingPart>[] = []
    try {
      const samples = options.raw
        ? readRaw(piecesOf(source), options.raw, limits, clock)
        : decoder.decodeRecording(piecesOf(source), { ...decodeOptions(options, signal), work })
      let startSample = 0
      let utterance = 0
      for await (const stretch of stretchesOf(asReading(trace, samples))) {
        signal.throwIfAborted()
        audioSeconds.inc({ mode: label }, stretch.length / SAMPLE_RATE_HZ)
        const fields = { engine: transcriber.name, utterance: utterance++, audioSeconds: stretch.length / SAMPLE_RATE_HZ }
        const place = { startSample, client, untilMs }
        const part = asPart(trace, "utterance", fields, (trace) => hear(stretch, { ...place, trace }, options, signal))
        // Whoever awaits it, may do so after others failed.
        part.catch(() => {})
        inWork.push(part)
        startSample += stretch.length
        if (inWork.length === STRETCHES_AT_ONCE) yield await (inWork.shift() as Promise<RecordingPart>)
      }
      for (const part of inWork.splice(0)) yield await part
    } finally {
      over.abort()
      leave()
    }
  }

  function decodeOptions({ channel }: RecordingOptions, signal: AbortSignal) {
    return { signal, maxSeconds: limits.secondsMax, maxBytes: limits.bytesMax, channel }
  }

  async function hear(
    samples: Int16Array,
    { startSample, client, untilMs, trace }: Stretch,
    options: RecordingOptions,
    signal: AbortSignal,
  ): Promise<RecordingPart> {
    const { language, prompt, words, translate } = options
    const endMs = msFromSamples(startSample + samples.length)
    if (samples.length === 0) return { segments: [], text: "", language: null, endMs }
    const work = { long: samples.length > LONG_SAMPLES, client }
    const turn = () => (startSample > 0 ? permit(work, true, signal) : inTime(untilMs, signal, (inTime) => permit(work, false, inTime)))
    const giveBack = await asPart(trace, "queue", {}, turn)
    try {
      const crowd = permits.crowds(client) ? client : undefined
      const transcript = await transcriber.transcribe({ samples, language, prompt, words, translate, crowd, trace }, signal)
      const { text } = transcript
      const outcome = text === "" ? "silence" : "text"
      utterances.inc({ engine: transcriber.name, outcome })
      trace?.add({ outcome, language: transcript.language })
      const startMs = msFromSamples(startSample)
      const segments = transcript.segments.map((segment) => shiftedBy(segment, startMs))
      return { segments, text, language: text === "" ? null : transcript.language, endMs }
    } catch (thrown) {
      const code = thrown instanceof EngineError ? thrown.code : "unavailable"
      if (!signal.aborted) utterances.inc({ engine: transcriber.name, outcome: code })
      throw thrown
    } finally {
      giveBack()
    }
  }

  /** What is taken, unless that takes too long. */
  async function inTime(untilMs: number, outer: AbortSignal, take: (signal: AbortSignal) => Promise<() => void>): Promise<() => void> {
    if (untilMs === Number.POSITIVE_INFINITY) return await take(outer)
    const late = new AbortController()
    const cancel = clock.after(Math.max(0, untilMs - clock.now()), () => late.abort())
    try {
      return await take(AbortSignal.any([outer, late.signal]))
    } catch (thrown) {
      if (!late.signal.aborted || outer.aborted) throw thrown
      throw new EngineError("overloaded", `no engine was free within ${waitingMs} ms`, { retryable: true })
    } finally {
      cancel()
    }
  }

  async function permit(work: Work, begun: boolean, signal: AbortSignal): Promise<() => void> {
    const waitsSinceMs = clock.now()
    for (;;) {
      try {
        const giveBack = await permits.take(signal, work)
        queueWaitSeconds.observe({ engine: transcriber.name }, (clock.now() - waitsSinceMs) / 1000)
        return giveBack
      } catch (thrown) {
        if (!begun || !(thrown instanceof EngineError) || thrown.code !== "overloaded") throw thrown
        await pause(RETRY_MS, clock, signal)
      }
    }
  }

  return (label, client, trace = noSpan) => ({
    transcribe: (source, options, signal) => endedBy(signal, transcribe({ label, client, trace }, source, options, signal)),
  })
}

interface Stretch {
  /** Within the recording. */
  readonly startSample: number
  readonly client: string | undefined
  /** By the clock: the first one must not wait longer for its permit. */
  readonly untilMs: number
  readonly trace: Span | undefined
}

/** In bytes; of what is still coming, infinite. */
function lengthOf(source: RecordingSource): number {
  return Array.isArray(source) ? source.reduce((sum, { length }) => sum + length, 0) : Number.POSITIVE_INFINITY
}

async function* piecesOf(source: RecordingSource): AsyncGenerator<Uint8Array, void> {
  yield* source
}

/** The same parts; they end with the signal also while nobody asks for the next one, and never as if that were all. */
function endedBy<Part>(signal: AbortSignal, parts: AsyncGenerator<Part, void>): AsyncIterableIterator<Part> {
  // What it throws, it throws to whoever asked; its end alone is nobody's business.
  const end = () => void parts.return().catch(() => {})
  signal.addEventListener("abort", end, { once: true })
  const told: AsyncIterableIterator<Part> = {
    async next() {
      const next = await parts.next()
      if (!next.done) return next
      signal.throwIfAborted()
      signal.removeEventListener("abort", end)
      return next
    },
    async return() {
      signal.removeEventListener("abort", end)
      return await parts.return()
    },
    [Symbol.asyncIterator]: () => told,
  }
  return told
}

/** The same samples; how long it took to have them, with the waits for whoever hears them, is a part of the trace. */
async function* asReading(trace: Span, samples: AsyncIterable<Int16Array>): AsyncGenerator<Int16Array, void> {
  const reading = trace.part("read recording")
  try {
    yield* samples
    reading.end()
  } catch (thrown) {
    reading.end(failureOf(thrown))
    throw thrown
  } finally {
    // Unless it has an end.
    reading.end({ code: "aborted" })
  }
}

function noTranslation({ name, model }: Transcriber): Refused {
  return new Refused({ reason: "unsupported", status: 400, message: `${name} does not translate with the model ${model}` })
}

/** For an engine that only hears live streams. */
export function noRecordings(provider: string): Recordings {
  return {
    // biome-ignore lint/correctness/useYield: it has no words
    async *transcribe() {
      const message = `recordings need STT_PROVIDER=faster_whisper or groq: ${provider} is used for live streams only`
      throw new Refused({ reason: "unsupported", status: 501, message, retryable: false })
    },
  }
}
