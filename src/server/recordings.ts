/**
 * Whole recordings over the engine that the sockets use: decoded, cut at pauses into stretches that can be heard side by side,
 * and told in order. Knows no wire, no container and no engine by name.
 */
import type { Decoder } from "../audio/decoding/decoder.ts"
import { type AudioFormat, bytesPerSecond, createAudioReader } from "../audio/input.ts"
import { joinSamples, msFromSamples, SAMPLE_RATE_HZ, samplesFromMs } from "../audio/pcm.ts"
import { type Clock, pause } from "../clock.ts"
import { Refused } from "../dialects/door.ts"
import type { RecordingOptions, RecordingPart, Recordings } from "../dialects/recordings.ts"
import { EngineError, type Transcriber } from "../engines/engine.ts"
import { audioSeconds, queueWaitSeconds, recordingsWaiting, utterances } from "../metrics.ts"
import { quietestPlace } from "../speech/pauses.ts"
import { createPermits, type Permits, type Work } from "../speech/permits.ts"
import { shiftedBy } from "../speech/transcript.ts"
import { asPart, failureOf, noSpan, type Span } from "../tracing.ts"

/** What whole recordings need beside the engine of the sockets. */
export interface RecordingEngine {
  /** The one behind that engine. */
  readonly transcriber: Transcriber
  /** Its permits, which the sockets share: a long recording leaves them half. */
  readonly permits: Permits
  readonly decoder: Decoder
  /** Recordings that may wait for their turn. */
  readonly waitingMax: number
}

export interface RecordingLimits {
  readonly bytesMax: number
  readonly secondsMax: number
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

/** A stretch that is heard as one: long enough to keep several engines busy with its pieces, short enough to show progress. */
const STRETCH_SAMPLES = samplesFromMs(120_000)

/** The pause before the next stretch is looked for in the end of this one. */
const SEARCH_SAMPLES = samplesFromMs(15_000)

/** A last stretch shorter than this gives an engine too little to go by. */
const TAIL_MIN_SAMPLES = samplesFromMs(2_000)

/** Above this a stretch leaves a permit to the utterances of live streams. */
const LONG_SAMPLES = samplesFromMs(60_000)

/** Stretches of one recording that hold or await a permit: while the oldest ends, the next keeps the engines busy. */
const STRETCHES_AT_ONCE = 2

/** A recording that has begun is not refused for want of room: it asks again. */
const RETRY_MS = 500

export function createRecordings(
  engine: RecordingEngine,
  limits: RecordingLimits,
  clock: Clock,
): (label: string, client?: string, trace?: Span) => Recordings {
  const { transcriber, permits, decoder, waitingMax } = engine
  const admissions = createPermits({ atOnce: transcriber.concurrency, waitingMax, onWaiting: (count) => recordingsWaiting.set(count) })

  async function* transcribe(
    { label, client, trace }: Asker,
    source: AsyncIterable<Uint8Array> | Uint8Array,
    options: RecordingOptions,
    outer: AbortSignal,
  ): AsyncGenerator<RecordingPart, void> {
    if (options.translate && !transcriber.translates) throw noTranslation(transcriber)
    const leave = await asPart(trace, "queue", {}, () => admissions.take(outer, { long: false, client }))
    const over = new AbortController()
    const signal = AbortSignal.any([outer, over.signal])
    const inWork: Promise<RecordingPart>[] = []
    try {
      const samples = options.raw
        ? readRaw(source, options.raw, limits, clock)
        : decoder.decodeRecording(source, decodeOptions(options, signal))
      let startSample = 0
      let utterance = 0
      for await (const stretch of stretchesOf(asReading(trace, samples))) {
        signal.throwIfAborted()
        audioSeconds.inc({ mode: label }, stretch.length / SAMPLE_RATE_HZ)
        const fields = { engine: transcriber.name, utterance: utterance++, audioSeconds: stretch.length / SAMPLE_RATE_HZ }
        const place = { startSample, client }
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
    { startSample, client, trace }: { readonly startSample: number; readonly client: string | undefined; readonly trace: Span | undefined },
    options: RecordingOptions,
    signal: AbortSignal,
  ): Promise<RecordingPart> {
    const { language, prompt, words, translate } = options
    const endMs = msFromSamples(startSample + samples.length)
    if (samples.length === 0) return { segments: [], text: "", language: null, endMs }
    const work = { long: samples.length > LONG_SAMPLES, client }
    const giveBack = await asPart(trace, "queue", {}, () => permit(work, startSample > 0, signal))
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

/** The same samples, each array but the last at most STRETCH_SAMPLES long and cut at a pause; at least one array. */
async function* stretchesOf(pieces: AsyncIterable<Int16Array>): AsyncGenerator<Int16Array, void> {
  let held: Int16Array[] = []
  let heldSamples = 0
  for await (const piece of pieces) {
    held.push(piece)
    heldSamples += piece.length
    while (heldSamples >= STRETCH_SAMPLES + TAIL_MIN_SAMPLES) {
      const samples = joinSamples(held)
      const from = STRETCH_SAMPLES - SEARCH_SAMPLES
      const cut = from + quietestPlace(samples.subarray(from, STRETCH_SAMPLES))
      yield samples.slice(0, cut)
      held = [samples.slice(cut)]
      heldSamples -= cut
    }
  }
  yield joinSamples(held)
}

/** Sound that takes some ms to read. */
const PART_SECONDS = 2

/** Samples without a container; so much of them in a turn of the event loop, since to resample takes a few ms a second of sound. */
async function* readRaw(
  source: AsyncIterable<Uint8Array> | Uint8Array,
  format: AudioFormat,
  { bytesMax, secondsMax }: RecordingLimits,
  clock: Clock,
): AsyncGenerator<Int16Array, void> {
  const reader = createAudioReader(format)
  const partBytes = PART_SECONDS * bytesPerSecond(format)
  const most = Math.min(bytesMax, secondsMax * bytesPerSecond(format))
  let count = 0
  /** What lies in memory comes without a turn between. */
  let inTurn = 0
  try {
    for await (const chunk of source instanceof Uint8Array ? [source] : source) {
      count += chunk.length
      if (count > most) throw new EngineError("bad_audio", `longer than ${secondsMax} seconds`)
      for (let at = 0; at < chunk.length; at += partBytes) {
        const part = chunk.subarray(at, at + partBytes)
        yield reader.read(part)
        inTurn += part.length
        if (inTurn < partBytes) continue
        inTurn = 0
        await new Promise<void>((resolve) => void clock.after(0, resolve))
      }
    }
    yield reader.end()
  } finally {
    reader.close()
  }
}
