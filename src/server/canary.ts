/**
 * A known recording that the engine is asked for now and then, so that whoever asks for readiness is told of words that came, and
 * not of processes that run. Knows no engine and no recording.
 */
import { type Clock, realClock } from "../clock.ts"
import { EngineError, type Transcriber } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { canaries, canaryOk } from "../metrics.ts"
import type { Permits } from "../permits.ts"

/** A clip of 3 s each time costs a third of a percent of a core. */
export const CANARY_EVERY_MS = 30_000
/** After one that failed. */
export const CANARY_AGAIN_MS = 2_000
/** With a permit; an utterance so short is answered in a tenth of that on any machine that can serve at all. */
export const CANARY_DEADLINE_MS = 10_000
/** One may meet an engine that is about to be replaced. */
const FAILURES_MAX = 2

export interface CanaryOptions {
  readonly transcriber: Transcriber
  /** Those of the utterances: it waits as they do. */
  readonly permits: Permits
  readonly samples: Int16Array
  /** Of the samples. */
  readonly language: string
  readonly isUnderstood: (text: string) => boolean
  readonly clock?: Clock
  readonly log: Log
}

export interface Canary {
  /** Why utterances would not be understood, as far as is known: one line. Undefined once the recording was, until it twice was not. */
  readonly whyNot: string | undefined
  /** Resolves when the recording is understood for the first time. */
  readonly understood: Promise<void>
  /** Idempotent. */
  close(): void
}

/** Begins as soon as the transcriber is ready. */
export function startCanary({ transcriber, permits, samples, language, isUnderstood, clock = realClock, log }: CanaryOptions): Canary {
  const closing = new AbortController()
  let whyNot: string | undefined = "no recording was transcribed yet"
  const first = Promise.withResolvers<void>()
  let failures = 0
  let cancelNext = () => {}
  canaryOk.set({ engine: transcriber.name }, 0)
  transcriber.ready().then(look, () => {})

  async function look() {
    if (closing.signal.aborted) return
    const outcome = await ask()
    if (closing.signal.aborted) return
    canaries.inc({ outcome })
    judge(outcome)
    cancelNext = clock.after(failures > 0 ? CANARY_AGAIN_MS : CANARY_EVERY_MS, look)
  }

  function judge(outcome: string) {
    // Whoever is busy is not ill: what may wait, may wait.
    if (outcome === "overloaded") return
    const was = whyNot
    failures = outcome === "understood" ? 0 : failures + 1
    if (failures === 0) {
      whyNot = undefined
      first.resolve()
    } else if (failures >= FAILURES_MAX) {
      whyNot = `a known recording is not understood: ${outcome}`
    }
    canaryOk.set({ engine: transcriber.name }, whyNot === undefined ? 1 : 0)
    if (failures > 0) log.warn("canary failed", { engine: transcriber.name, outcome, failures })
    else if (was !== undefined) log.info("canary understood", { engine: transcriber.name })
  }

  /** What became of it: understood, misheard, or the code of a failure. */
  async function ask(): Promise<string> {
    const over = new AbortController()
    const abort = () => over.abort()
    closing.signal.addEventListener("abort", abort)
    let late = false
    let cancelDeadline = () => {}
    let release = () => {}
    try {
      release = await permits.take(over.signal)
      cancelDeadline = clock.after(CANARY_DEADLINE_MS, () => {
        late = true
        over.abort()
      })
      const { text } = await transcriber.transcribe({ samples: samples.slice(), language }, over.signal)
      return isUnderstood(text) ? "understood" : "misheard"
    } catch (thrown) {
      if (late) return "timeout"
      return thrown instanceof EngineError ? thrown.code : "unavailable"
    } finally {
      cancelDeadline()
      release()
      closing.signal.removeEventListener("abort", abort)
    }
  }

  return {
    get whyNot() {
      return whyNot
    },
    understood: first.promise,
    close() {
      closing.abort()
      cancelNext()
      canaryOk.remove({ engine: transcriber.name })
    },
  }
}
