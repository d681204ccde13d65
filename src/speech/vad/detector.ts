/**
 * The one detector of the server: keeps the voice activity process alive and brings it the windows of all streams, one message
 * at a time. What a dying process left unanswered goes to the next one, so a stream notices nothing but the delay. Knows
 * neither the model nor what the probabilities are for.
 */
import { type Clock, realClock } from "../../clock.ts"
import { EngineError } from "../../engines/engine-error.ts"
import type { Log } from "../../log.ts"
import { vadRestarts } from "../../metrics.ts"
import { createGathering } from "./gathering.ts"
import type { VoiceActivityDetector } from "./vad.ts"
import { type Ending, startVadProcess, type VadProcess } from "./vad-process.ts"

/** Before the second restart in a row without an answer between; each further one waits twice as long. The first waits not at all. */
const BACK_OFF_MS = 250
const BACK_OFF_MAX_MS = 30_000

/** After so many ends in a row nobody is asked to wait for the process any more. It is still tried again. */
const HOPELESS_ENDS = 4

export interface DetectorOptions {
  /** Starts this program again as its voice activity process. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folders that may be written to, best first. */
  readonly cacheDirs: readonly string[]
  /** Default: the real one. */
  readonly clock?: Clock
  readonly log: Log
}

/**
 * Its process starts at `ready` or with the first stream. What waits for it here has no ceiling of its own: callers MUST bound
 * the samples whose probabilities they still wait for.
 */
export function createVoiceActivityDetector({ command, env, cacheDirs, clock = realClock, log }: DetectorOptions): VoiceActivityDetector {
  /** Ends a wait for windows, and a wait for the next restart. */
  let wake = () => {}
  let hurry = () => {}
  const gathering = createGathering(() => wake())
  const readiness = new Set<PromiseWithResolvers<void>>()
  let supervised: Promise<void> | undefined
  let running: VadProcess | undefined
  let isReady = false
  /** Why nobody may wait now. */
  let refusal: EngineError | undefined
  let closed = false

  return {
    open(hear, fail) {
      start()
      const stream = gathering.open(hear, fail)
      // Never from within this call.
      if (refusal) queueMicrotask(() => refusal && gathering.end(refusal))
      return stream
    },
    async ready() {
      start()
      if (refusal) throw refusal
      if (isReady) return
      const waiter = Promise.withResolvers<void>()
      readiness.add(waiter)
      return waiter.promise
    },
    async close() {
      closed = true
      refuse(new EngineError("aborted", "the voice activity detector is closed"))
      gathering.end()
      running?.kill()
      hurry()
      await supervised
    },
  }

  function start() {
    if (!closed) supervised ??= supervise()
  }

  async function supervise() {
    for (let endsInARow = 0; !closed; ) {
      running = startVadProcess({ type: "init", cacheDirs }, { command, env, clock, log })
      const answeredAny = (await running.ready) && (await serve(running))
      isReady = false
      const ending = await running.ended
      if (closed) return
      endsInARow = answeredAny ? 1 : endsInARow + 1
      vadRestarts.inc({ cause: ending.cause })
      if (endsInARow >= HOPELESS_ENDS || ending.cause === "refused") giveUp(ending)
      await backOff(endsInARow)
    }
  }

  /** Returns when the process is gone; true if it answered at least once. */
  async function serve(process: VadProcess): Promise<boolean> {
    let gone = false
    let answeredAny = false
    process.ended.then(() => {
      gone = true
      wake()
    })
    if (closed) return false
    isReady = true
    refusal = undefined
    for (const waiter of readiness) waiter.resolve()
    readiness.clear()
    for (;;) {
      while (!gone && !gathering.waiting) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      // What still comes in this turn of the event loop goes together.
      await new Promise(setImmediate)
      if (gone) return answeredAny
      const message = gathering.message()
      // Whoever waited may have closed its stream meanwhile.
      if (!message) continue
      const answer = await process.hear(message)
      if (!answer) return answeredAny
      answeredAny = true
      if (!closed) gathering.answer(answer)
    }
  }

  async function backOff(endsInARow: number) {
    if (endsInARow < 2) return
    const ms = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MS * 2 ** (endsInARow - 2))
    log.warn("voice activity process waits for its restart", { endsInARow, waitMs: ms })
    const over = Promise.withResolvers<void>()
    hurry = over.resolve
    const stop = clock.after(ms, over.resolve)
    await over.promise
    stop()
  }

  function giveUp({ cause, detail }: Ending) {
    const why = cause === "refused" ? detail : `its process ${detail}`
    log.error("voice activity cannot be detected", { cause, detail })
    refuse(new EngineError("unavailable", `voice activity cannot be detected: ${why}`, { retryable: true }))
    gathering.end(refusal)
  }

  function refuse(error: EngineError) {
    refusal = error
    for (const waiter of readiness) waiter.reject(error)
    readiness.clear()
  }
}
