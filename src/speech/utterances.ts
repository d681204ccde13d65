/**
 * Lifts a Transcriber to an Engine: finds the utterances in each client's stream, asks for their words, and tells what
 * happened in the order of the vocabulary. Ties the pure pieces beside it together; knows no wire and no provider.
 */

import { msFromSamples } from "../audio/pcm.ts"
import { type Clock, realClock } from "../clock.ts"
import {
  type Engine,
  EngineError,
  type Language,
  type Stream,
  type StreamOptions,
  type Transcriber,
  type Utterance,
} from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { speculations } from "../metrics.ts"
import { type BoundariesOptions, createHeardBoundaries, createToldBoundaries, type Mark } from "./boundaries.ts"
import type { End } from "./endpointer.ts"
import { createEventQueue } from "./event-queue.ts"
import type { SpeechEvent } from "./events.ts"
import { type Attempt, createFinals } from "./finals.ts"
import type { Permits } from "./permits.ts"
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
  /** Its final, begun in a pause that may be its end. */
  speculation: { readonly endSample: number; readonly asked: Utterance; readonly attempt: Attempt } | null
}

function openStream(transcriber: Transcriber, options: LiftOptions, streamOptions: StreamOptions, onEnded: () => void): Stream {
  const { permits, vad, clock = realClock, log } = options
  const { session, endpointing, words } = streamOptions
  let { language, prompt } = streamOptions
  const engine = transcriber.name
  const queue = createEventQueue<SpeechEvent>()
  const tape = createTape()
  let utteranceCount = 0
  let open: Open | null = null
  /** Finished or closed: takes nothing more. */
  let sealed = false

  const finals = createFinals({ transcriber, permits, clock, log, session, words, push: queue.push, onDone: end })
  const hooks: BoundariesOptions = { tell, onJudged: () => tape.drop(boundaries.keptFromSample) }
  const boundaries = endpointing ? createHeardBoundaries(vad, endpointing, hooks) : createToldBoundaries(tape.read, hooks)

  function end() {
    queue.end()
    onEnded()
  }

  function tell(mark: Mark) {
    if (mark.type === "start") begin(mark.startSample)
    else if (mark.type === "pause") speculate(mark.endSample)
    else if (mark.type === "resume") dropSpeculation()
    else if (mark.type === "end") endUtterance(mark)
    else if (mark.type === "empty") endEmpty(mark.atSample)
    else if (mark.type === "clear") clear()
    else if (mark.type === "lost") finals.fail(forget() ?? utteranceCount++, mark.cause, mark.error)
    else if (mark.type === "configure") {
      language = mark.changes.language ?? language
      prompt = mark.changes.prompt ?? prompt
    } else finish(mark.error)
  }

  function begin(startSample: number) {
    open = { utterance: utteranceCount++, startSample, language, prompt, speculation: null }
    if (endpointing) queue.push({ type: "speech_start", utterance: open.utterance, atMs: msFromSamples(startSample) })
  }

  function askedOf({ startSample, language, prompt }: Open, endSample: number): Utterance {
    return { samples: tape.read(startSample, endSample), language, prompt, words }
  }

  /** Only where words may be thrown away, and while nobody waits: a third of the attempts is for nothing. */
  function speculate(endSample: number) {
    if (!open || !transcriber.interims || permits.waiting > 0 || finals.full) return
    const asked = askedOf(open, endSample)
    open.speculation = { endSample, asked, attempt: finals.attempt(asked) }
  }

  function dropSpeculation() {
    if (!open?.speculation) return
    open.speculation.attempt.abort()
    open.speculation = null
    speculations.inc({ engine, outcome: "dropped" })
  }

  function endUtterance({ cause, endSample, atSample }: End) {
    if (!open) return
    const { utterance, startSample } = open
    if (endpointing) queue.push({ type: "speech_end", utterance, atMs: msFromSamples(atSample) })
    if (open.speculation?.endSample !== endSample) dropSpeculation()
    const { asked, attempt } = open.speculation ?? { asked: askedOf(open, endSample), attempt: null }
    if (attempt) speculations.inc({ engine, outcome: "used" })
    finals.end({ utterance, cause, startSample, endSample }, asked, attempt)
    open = null
    tape.drop(boundaries.keptFromSample)
  }

  function endEmpty(atSample: number) {
    finals.endEmpty({ utterance: utteranceCount++, cause: "commit", startSample: atSample, endSample: atSample })
  }

  function clear() {
    finals.clear(forget())
    tape.drop(boundaries.keptFromSample)
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
    const utterance = open?.utterance ?? null
    open = null
    return utterance
  }

  return {
    accept(samples) {
      if (sealed) return
      tape.add(samples)
      boundaries.accept(samples)
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
      dropSpeculation()
      boundaries.close()
      finals.close()
      open = null
      tape.drop(tape.endSample)
      queue.cut()
      onEnded()
    },
  }
}
