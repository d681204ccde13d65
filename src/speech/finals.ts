/**
 * The words that one stream owes: each utterance that ended goes to the transcriber under a permit, and the answers come out
 * in the order in which the utterances ended. Knows no boundary and no partial.
 */
import { msFromSamples, samplesFromMs } from "../audio/pcm.ts"
import type { Clock } from "../clock.ts"
import { type Context, EngineError, type Transcriber, type Utterance } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { finalSeconds, forcedPrefixes, queueWaitSeconds, utterances } from "../metrics.ts"
import type { Permits } from "../permits.ts"
import { asPart } from "../tracing.ts"
import type { EndCause, SpeechEvent } from "./events.ts"
import { type Ended, finalOf } from "./final-event.ts"
import type { Standing } from "./interims.ts"
import type { Transcript } from "./transcript.ts"
import { continued, respelled, withPrefix } from "./units.ts"

/**
 * How many utterances of one stream may hold or await a permit. Two, so that a client who sends the next utterance early
 * keeps a second engine busy; no more, so that one who sends fifty does not fill the queue in which the others wait.
 */
export const UTTERANCES_AT_ONCE = 2

/** Utterances above this leave a permit to the others: eight minutes of speech keep an engine busy for twenty seconds. */
export const LONG_SAMPLES = samplesFromMs(60_000)

export type Outcome = Transcript | EngineError

/** What is to be asked. */
export interface Asked {
  readonly utterance: Utterance
  /** Its `Utterance.context`, which may not be known yet: it is not asked before. Null, also later: it has none. */
  readonly context: Promise<Context | null> | null
}

/** Words asked for. */
export interface Attempt {
  /** Never rejects. */
  readonly outcome: Promise<Outcome>
  /** Nobody wants them any more. */
  abort(): void
}

/** What happened before the utterance ended. */
export interface ToldBefore {
  /** The same words asked for already; if that fails, they are asked for again. */
  readonly tried: Attempt | null
  /** The words MUST begin with these. */
  readonly standing: Standing | null
}

export interface Finals {
  /** An utterance ended. The result is what is told of it. */
  end(ended: Ended, asked: Asked, told: ToldBefore): Promise<Outcome>
  /** An utterance without audio ended: there is nothing to ask. */
  endEmpty(ended: Ended): void
  /** An utterance is lost, with the cause of its end. */
  fail(utterance: number, cause: EndCause | null, error: unknown): void
  /** The open utterance is forgotten; null if there was none. */
  clear(utterance: number | null): void
  /** Asks for words at once, under a permit. */
  attempt(asked: Asked): Attempt
  /** Logs what a transcriber must not throw, and gives the error to tell instead. */
  mistake(thrown: unknown): EngineError
  /** Whether an utterance that ended still waits for others of this stream, or would. */
  readonly full: boolean
  /** Samples of ended utterances whose words are owed. */
  readonly owedSamples: number
  /** `onDone` is called once, as soon as nothing is owed. */
  finish(): void
  /** All work is aborted; nothing is told afterwards. */
  close(): void
}

export interface FinalsOptions {
  readonly transcriber: Transcriber
  readonly permits: Permits
  readonly clock: Clock
  readonly log: Log
  readonly session: string
  /** As StreamOptions.client. */
  readonly client?: string | undefined
  /** Whether finals carry the times of their words. */
  readonly words: boolean
  readonly push: (event: SpeechEvent) => void
  readonly onDone: () => void
}

interface Owed {
  readonly endedAtMs: number
  readonly sampleCount: number
  /** Set once known; waits here for those before it. */
  tell: (() => void) | null
}

export function createFinals({ transcriber, permits, clock, log, session, client, words, push, onDone }: FinalsOptions): Finals {
  const engine = transcriber.name
  const attempts = new Set<AbortController>()
  /** In the order in which they ended. */
  const owed: Owed[] = []
  /** Start the work of those for which no permit was asked yet. */
  const unstarted: (() => void)[] = []
  let running = 0
  let owedSamples = 0
  let finished = false
  let closed = false

  function attempt(asked: Asked): Attempt {
    const controller = new AbortController()
    attempts.add(controller)
    const outcome = transcribe(asked, controller.signal).finally(() => attempts.delete(controller))
    return { outcome, abort: () => controller.abort() }
  }

  async function transcribe({ utterance, context: known }: Asked, signal: AbortSignal): Promise<Outcome> {
    let release = () => {}
    try {
      const context = known && (await known)
      const waitsSinceMs = clock.now()
      const work = { long: utterance.samples.length > LONG_SAMPLES, client, session }
      release = await asPart(utterance.trace, "queue", {}, () => permits.take(signal, work))
      queueWaitSeconds.observe({ engine }, (clock.now() - waitsSinceMs) / 1000)
      const crowd = permits.crowds(client) ? client : undefined
      return await transcriber.transcribe({ ...utterance, ...(context && { context }), crowd }, signal)
    } catch (thrown) {
      return thrown instanceof EngineError ? thrown : mistake(thrown)
    } finally {
      release()
    }
  }

  function mistake(thrown: unknown): EngineError {
    // Its message may quote anything, so the log gets only where it came from.
    const where = thrown instanceof Error ? thrown.stack?.split("\n").find((line) => line.trimStart().startsWith("at ")) : undefined
    log.error("transcriber broke its promise", { session, engine, error: thrown instanceof Error ? thrown.name : typeof thrown, where })
    return new EngineError("unavailable", "the engine failed in a way it should not")
  }

  function owe(sampleCount: number, tell: Owed["tell"]): Owed {
    const entry = { endedAtMs: clock.now(), sampleCount, tell }
    owed.push(entry)
    owedSamples += sampleCount
    return entry
  }

  function startMore() {
    while (running < UTTERANCES_AT_ONCE) {
      const start = unstarted.shift()
      if (!start) return
      start()
    }
  }

  /** Hands out every answer whose turn has come. */
  function deliver() {
    for (let head = owed[0]; head?.tell; head = owed[0]) {
      owed.shift()
      owedSamples -= head.sampleCount
      head.tell()
    }
    if (!finished || owed.length > 0) return
    finished = false
    onDone()
  }

  function tellFailure(ended: Pick<Ended, "utterance"> & { cause: EndCause | null }, { sampleCount, endedAtMs }: Owed, error: EngineError) {
    const { utterance, cause } = ended
    const { code, message, providerCode } = error
    const tookMs = Math.round(clock.now() - endedAtMs)
    log.warn("utterance failed", { session, engine, utterance, code, message, providerCode, audioMs: msFromSamples(sampleCount), tookMs })
    utterances.inc({ engine, outcome: code })
    push({ type: "failed", utterance, cause, code, message })
  }

  function tellWords(ended: Ended, { sampleCount, endedAtMs }: Owed, transcript: Transcript) {
    const tookMs = clock.now() - endedAtMs
    const { utterance, cause } = ended
    const audioMs = msFromSamples(sampleCount)
    const characters = transcript.text.length
    log.debug("utterance ended", { session, engine, utterance, cause, audioMs, tookMs: Math.round(tookMs), characters })
    utterances.inc({ engine, outcome: transcript.text === "" ? "silence" : "text" })
    // An utterance without audio asked nothing of the engine and would only flatter it.
    if (sampleCount > 0) finalSeconds.observe({ engine }, tookMs / 1000)
    push(finalOf(ended, transcript, words))
  }

  async function answer(ended: Ended, entry: Owed, asked: Asked, { tried, standing }: ToldBefore) {
    running++
    let outcome = await (tried ?? attempt(asked)).outcome
    if (tried && outcome instanceof EngineError && !closed) outcome = await attempt(asked).outcome
    if (standing && !(outcome instanceof EngineError) && !closed) outcome = await begunWith(standing, outcome, asked)
    running--
    const known = outcome
    if (closed) return known
    entry.tell = () => (known instanceof EngineError ? tellFailure(ended, entry, known) : tellWords(ended, entry, known))
    startMore()
    deliver()
    return known
  }

  /**
   * Words that were told as standing stand: seldom the engine has thought better of them. If it is not plain what follows them then, it is
   * made to go on from them, for which the listener waits as long again.
   */
  async function begunWith(standing: Standing, transcript: Transcript, asked: Asked): Promise<Transcript> {
    const same = respelled(standing.text, transcript.text)
    if (same !== null) return { ...transcript, text: same }
    forcedPrefixes.inc({ engine })
    const joined = continued(standing.text, transcript.text)
    if (joined !== null) return { ...transcript, text: joined }
    const { draft } = standing
    const forced = draft ? await attempt({ ...asked, utterance: { ...asked.utterance, draft } }).outcome : transcript
    const better = forced instanceof EngineError ? transcript : forced
    return { ...better, text: withPrefix(standing.text, better.text) }
  }

  return {
    end(ended, asked, told) {
      const entry = owe(ended.endSample - ended.startSample, null)
      const { promise, resolve } = Promise.withResolvers<Outcome>()
      const start = () => void answer(ended, entry, asked, told).then(resolve)
      if (told.tried) start()
      else unstarted.push(start)
      startMore()
      return promise
    },
    endEmpty(ended) {
      const entry: Owed = owe(0, () => tellWords(ended, entry, { text: "", language: null, segments: [] }))
      deliver()
    },
    fail(utterance, cause, error) {
      const known = error instanceof EngineError ? error : mistake(error)
      const entry: Owed = owe(0, () => tellFailure({ utterance, cause }, entry, known))
      deliver()
    },
    clear(utterance) {
      owe(0, () => push({ type: "cleared", utterance }))
      deliver()
    },
    attempt,
    mistake,
    get full() {
      return running >= UTTERANCES_AT_ONCE
    },
    get owedSamples() {
      return owedSamples
    },
    finish() {
      finished = true
      deliver()
    },
    close() {
      closed = true
      utterances.inc({ engine, outcome: "aborted" }, owed.length)
      owed.length = 0
      unstarted.length = 0
      owedSamples = 0
      for (const controller of attempts) controller.abort()
    },
  }
}
