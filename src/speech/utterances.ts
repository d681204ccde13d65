/**
 * Lifts a Transcriber to an Engine: finds the utterances in each client's stream, asks for their words, and tells what
 * happened in the order of the vocabulary. Ties the pure pieces beside it together; knows no wire and no provider.
 */

import { msFromSamples } from "../audio/pcm.ts"
import { type Clock, realClock } from "../clock.ts"
import { type Engine, EngineError, type Language, type Stream, type StreamOptions, type Transcriber } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { speculations } from "../metrics.ts"
import type { Permits } from "../permits.ts"
import type { Span } from "../tracing.ts"
import { type BoundariesOptions, createHeardBoundaries, createToldBoundaries, type Mark } from "./boundaries.ts"
import type { End, Start } from "./endpointer.ts"
import { createEventQueue } from "./event-queue.ts"
import type { SpeechEvent } from "./events.ts"
import { type Asked, type Attempt, createFinals } from "./finals.ts"
import { createPartials } from "./partials.ts"
import { type Before, createPast } from "./past.ts"
import { createTape } from "./tape.ts"
import type { VoiceActivityDetector } from "./vad/vad.ts"

export interface LiftOptions {
  /** Shared by everybody who uses this transcriber. */
  readonly permits: Permits
  /** Not touched by streams without endpointing. */
  readonly vad: VoiceActivityDetector
  readonly clock?: Clock
  readonly log: Log
}

/** Closing the engine closes the transcriber; the detector belongs to whoever made it. */
export function liftTranscriber(transcriber: Transcriber, options: LiftOptions): Engine {
  const streams = new Set<Stream>()
  let closed = false

  return {
    name: transcriber.name,
    get model() {
      return transcriber.model
    },
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

/** The utterance that is being spoken. */
interface Open {
  readonly utterance: number
  readonly startSample: number
  readonly language: Language
  readonly prompt: string | undefined
  readonly before: Before | null
  readonly trace: Span | undefined
  /** Its final, begun in a pause that may be its end. */
  speculation: Speculation | null
}

interface Speculation {
  readonly endSample: number
  readonly asked: Asked
  readonly attempt: Attempt
}

function openStream(transcriber: Transcriber, options: LiftOptions, streamOptions: StreamOptions, onEnded: () => void): Stream {
  const { permits, vad, clock = realClock, log } = options
  const { session, client, endpointing, words } = streamOptions
  let { language, prompt } = streamOptions
  const engine = transcriber.name
  const queue = createEventQueue<SpeechEvent>()
  const tape = createTape()
  let utteranceCount = 0
  let open: Open | null = null
  /** Finished or closed: takes nothing more. */
  let sealed = false

  const finals = createFinals({ transcriber, permits, clock, log, session, client, words, push: queue.push, onDone: end })
  const partials =
    streamOptions.interims && transcriber.interims
      ? createPartials({ transcriber, tape, clock, push: queue.push, onMistake: finals.mistake })
      : null
  /** Who tells where utterances end wants each to be heard by itself. */
  const past = endpointing && transcriber.hearsContext ? createPast(tape) : null
  const hooks: BoundariesOptions = { tell, onJudged }
  const boundaries = endpointing ? createHeardBoundaries(vad, endpointing, hooks) : createToldBoundaries(tape.read, hooks)

  function end() {
    queue.end()
    onEnded()
  }

  function dropUnneeded() {
    tape.drop(past?.keptFromSample(boundaries.keptFromSample) ?? boundaries.keptFromSample)
  }

  function onJudged() {
    dropUnneeded()
    partials?.heard(boundaries.judgedSamples)
  }

  function tell(mark: Mark) {
    if (mark.type === "start") begin(mark)
    else if (mark.type === "pause") pause(mark.endSample)
    else if (mark.type === "resume") resume()
    else if (mark.type === "end") endUtterance(mark)
    else if (mark.type === "empty") endEmpty(mark.atSample)
    else if (mark.type === "clear") clear()
    else if (mark.type === "lost") finals.fail(forget() ?? utteranceCount++, mark.cause, mark.error)
    else if (mark.type === "configure") {
      language = mark.changes.language ?? language
      prompt = mark.changes.prompt ?? prompt
    } else finish(mark.error)
  }

  function begin({ startSample, speechSample, uncutSample }: Start) {
    const before = past?.before(startSample, language) ?? null
    const utterance = utteranceCount++
    open = { utterance, startSample, language, prompt, before, trace: streamOptions.trace?.(utterance), speculation: null }
    if (endpointing) queue.push({ type: "speech_start", utterance: open.utterance, atMs: msFromSamples(startSample) })
    partials?.begin(open, speechSample, uncutSample)
  }

  function askedOf({ startSample, language, prompt, before, trace }: Open, endSample: number): Asked {
    const context = before?.(endSample) ?? null
    const live = endpointing !== null
    return { utterance: { samples: tape.read(startSample, endSample), language, prompt, words, live, trace }, context }
  }

  /** The final begins here only where words may be thrown away, and while there is room: a third of the attempts is for nothing. */
  function pause(endSample: number) {
    partials?.pause(endSample)
    if (!open || !transcriber.interims || finals.full || isBusy()) return
    partials?.abort()
    const asked = askedOf(open, endSample)
    const speculation = { endSample, asked, attempt: finals.attempt(asked) }
    open.speculation = speculation
    if (partials) void learn(open, speculation)
  }

  /** Half of what the engine takes at once is enough to keep it at work. */
  function isBusy(): boolean {
    return permits.waiting > 0 || permits.taken >= transcriber.concurrency / 2
  }

  /** What is said again if nothing more comes, is also the latest of what was said. */
  async function learn(asker: Open, speculation: Speculation) {
    const outcome = await speculation.attempt.outcome
    if (open === asker && asker.speculation === speculation && !(outcome instanceof EngineError)) {
      partials?.learn(outcome, speculation.endSample)
    }
  }

  function resume() {
    partials?.resume(boundaries.judgedSamples)
    dropSpeculation()
  }

  function dropSpeculation() {
    if (!open?.speculation) return
    open.speculation.attempt.abort()
    open.speculation = null
    speculations.inc({ engine, outcome: "dropped" })
  }

  function endUtterance({ cause, endSample, atSample }: End) {
    if (!open) return
    const { utterance, startSample, language } = open
    if (endpointing) queue.push({ type: "speech_end", utterance, atMs: msFromSamples(atSample) })
    // Between a pause and its end nothing was said, so both end their audio at the same sample.
    const { asked, attempt } = open.speculation ?? { asked: askedOf(open, endSample), attempt: null }
    if (attempt) speculations.inc({ engine, outcome: "used" })
    const told = { tried: attempt, standing: partials?.end() ?? null }
    const outcome = finals.end({ utterance, cause, startSample, endSample }, asked, told)
    past?.add({ startSample, endSample, language, outcome })
    open = null
    dropUnneeded()
  }

  function endEmpty(atSample: number) {
    finals.endEmpty({ utterance: utteranceCount++, cause: "commit", startSample: atSample, endSample: atSample })
  }

  function clear() {
    finals.clear(forget())
    past?.forget()
    dropUnneeded()
  }

  /** A stream that cannot hear ends of itself: to end utterances only where told would leave most clients without words for ever. */
  function finish(error: unknown) {
    if (error !== null)
      log.error("voice activity detection lost", { session, engine, code: error instanceof EngineError ? error.code : null })
    sealed = true
    finals.finish()
  }

  /** Returns which utterance that was. */
  function forget(): number | null {
    dropSpeculation()
    partials?.end()
    const utterance = open?.utterance ?? null
    open = null
    return utterance
  }

  return {
    accept(samples) {
      if (sealed) return
      tape.add(samples)
      boundaries.accept(samples)
      partials?.heard(boundaries.judgedSamples)
    },
    commit() {
      if (!sealed) boundaries.commit()
    },
    clear() {
      if (!sealed) boundaries.clear()
    },
    configure(changes) {
      if (!sealed) boundaries.configure(changes)
    },
    finish() {
      if (sealed) return
      sealed = true
      boundaries.finish()
    },
    events: queue.events,
    get pendingSamples() {
      return tape.endSample - (open?.startSample ?? boundaries.judgedSamples) + finals.owedSamples
    },
    close() {
      sealed = true
      forget()
      boundaries.close()
      finals.close()
      tape.drop(tape.endSample)
      queue.cut()
      onEnded()
    },
  }
}
