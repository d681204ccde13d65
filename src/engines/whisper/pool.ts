/**
 * The engine processes and the pieces that wait for them: first come, first served; an engine that dies is started again and
 * its piece is tried once more; one that grew too heavy makes room for a new one. Knows no utterance, no threshold and no model.
 */
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { engineRestarts } from "../../metrics.ts"
import { EngineError, type Language } from "../engine.ts"
import { type Ending, type EngineProcess, startEngineProcess } from "./engine-process.ts"
import type { Init, Result } from "./ipc.ts"

/** The engines of two tries died of it: a third would take another one down. */
const TRIES = 2

/** Before the second restart in a row without a recognised piece between; each further one waits twice as long. The first waits not at all. */
const BACK_OFF_MS = 250
const BACK_OFF_MAX_MS = 30_000

/**
 * After so many ends in a row an engine is given up if it was never ready, and while it backs off it no longer counts as
 * one that a caller can wait for.
 */
const HOPELESS_ENDS = 4

export type Recognised = Pick<Result, "language" | "segments">

export interface Pool {
  /**
   * The words of one piece of at most 28 s. Rejects with an EngineError: `aborted`, at once, after `signal`; `unavailable` or
   * `timeout` when the piece brought down two engines, or no engine runs. What waits here has no ceiling of its own: callers
   * MUST hold a permit for each piece.
   */
  recognise(samples: Int16Array, language: Language, signal: AbortSignal): Promise<Recognised>
  /** Resolves while an engine is ready, else as soon as one is; rejects with an EngineError once none can ever be. */
  ready(): Promise<void>
  /** Idempotent. Rejects what waits or runs with `aborted` and kills the engines; settles when they are gone. */
  close(): Promise<void>
}

export interface PoolOptions {
  /** What each engine loads; may still be on its way. Its rejection is what `ready` and `recognise` reject with. */
  readonly init: Promise<Init>
  /** How many processes. */
  readonly engines: number
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly log: Log
}

interface Job {
  readonly samples: Int16Array
  readonly language: Language
  readonly signal: AbortSignal
  readonly resolve: (recognised: Recognised) => void
  readonly reject: (error: unknown) => void
  tries: number
}

/** Where one process lives, and the next one after it. */
interface Place {
  /** `hopeless`: backing off after many ends; `lost`: given up. */
  state: "starting" | "ready" | "hopeless" | "lost"
  /** Hands a job to the idle process, or `undefined` to let it go. Absent while it is not idle. */
  hand?: ((job: Job | undefined) => void) | undefined
}

interface Served {
  readonly recognisedAny: boolean
  /** Ready to work in its place. Absent if the engine is gone. */
  readonly successor: EngineProcess | undefined
}

export function createPool({ init, engines, command, env, clock, log }: PoolOptions): Pool {
  const places: Place[] = Array.from({ length: engines }, () => ({ state: "starting" }))
  const waiting: Job[] = []
  const open = new Set<Job>()
  const readiness = new Set<PromiseWithResolvers<void>>()
  const running = new Set<EngineProcess>()
  const backOffs = new Set<() => void>()
  let loops: Promise<void>[] = []
  let lost: unknown
  let closed = false

  init.then(
    (message) => {
      if (!closed) loops = places.map((place) => keepRunning(place, message))
    },
    (error) => giveUp(error),
  )

  return {
    async recognise(samples, language, signal) {
      if (signal.aborted) throw abandoned()
      const refusal = whyNone()
      if (refusal) throw refusal
      const { promise, resolve, reject } = Promise.withResolvers<Recognised>()
      const job: Job = { samples, language, signal, resolve, reject, tries: 0 }
      const abort = () => {
        const at = waiting.indexOf(job)
        if (at >= 0) waiting.splice(at, 1)
        reject(abandoned())
      }
      signal.addEventListener("abort", abort)
      open.add(job)
      waiting.push(job)
      dispatch()
      try {
        return await promise
      } finally {
        open.delete(job)
        signal.removeEventListener("abort", abort)
      }
    },
    ready() {
      if (lost) return Promise.reject(lost)
      if (closed) return Promise.reject(closedError())
      if (places.some(({ state }) => state === "ready")) return Promise.resolve()
      const waiter = Promise.withResolvers<void>()
      readiness.add(waiter)
      return waiter.promise
    },
    async close() {
      closed = true
      rejectAll(closedError())
      for (const engine of running) engine.kill()
      for (const wake of backOffs) wake()
      await Promise.all([...loops, ...Array.from(running, ({ ended }) => ended)])
    },
  }

  /** Why no engine will take a job soon; undefined while one may. */
  function whyNone(): unknown {
    if (closed) return closedError()
    if (lost) return lost
    return places.every(({ state }) => state === "hopeless" || state === "lost") ? noneRuns() : undefined
  }

  /** First waiting job to the first idle process. */
  function dispatch() {
    for (const place of places) {
      if (!place.hand) continue
      const job = waiting.shift()
      if (!job) return
      place.hand(job)
    }
  }

  function launch(message: Init): EngineProcess {
    const engine = startEngineProcess(message, { command, env, clock, log })
    running.add(engine)
    engine.ended.then(() => running.delete(engine))
    return engine
  }

  async function keepRunning(place: Place, message: Init) {
    let endsInARow = 0
    let everReady = false
    let engine = launch(message)
    for (;;) {
      if (await engine.ready) {
        everReady = true
        const { recognisedAny, successor } = await serve(place, engine, message)
        if (recognisedAny) endsInARow = 0
        if (successor) {
          engine.kill()
          engineRestarts.inc({ cause: "recycled" })
          engine = successor
          continue
        }
      }
      const ending = await engine.ended
      place.state = "starting"
      if (closed) return
      endsInARow = ending.cause === "cancel" ? 0 : endsInARow + 1
      const hopeless = endsInARow >= HOPELESS_ENDS
      if (!everReady && (hopeless || ending.cause === "refused")) return lose(place, ending)
      if (hopeless) place.state = "hopeless"
      rejectIfNoneRuns()
      await backOff(endsInARow)
      if (closed) return
      place.state = "starting"
      engineRestarts.inc({ cause: ending.cause })
      engine = launch(message)
    }
  }

  /** Has one engine work until it is gone, or idle and its successor ready. */
  async function serve(place: Place, engine: EngineProcess, message: Init): Promise<Served> {
    let gone = false
    let recognisedAny = false
    let successor: EngineProcess | undefined
    engine.ended.then(() => {
      gone = true
      // Its place may be another's by now.
      if (!successor) place.hand?.(undefined)
    })
    engine.grown.then(async () => {
      if (gone || closed) return
      const fresh = launch(message)
      // If there is no room for another one, this one works on, however heavy.
      if (!(await fresh.ready)) return
      if (gone || closed) return fresh.kill()
      successor = fresh
      place.hand?.(undefined)
    })
    place.state = "ready"
    for (const waiter of readiness) waiter.resolve()
    readiness.clear()
    while (!gone && !successor) {
      const job = await nextJob(place)
      if (!job) break
      job.tries++
      const answer = await engine.recognise(job.samples, job.language, job.signal)
      if (answer.type === "result") {
        recognisedAny = true
        job.resolve(answer)
      } else if (answer.type === "failed") {
        job.reject(new EngineError(answer.code, answer.message))
      } else {
        tryAgain(job, await engine.ended)
      }
    }
    return { recognisedAny, successor }
  }

  function nextJob(place: Place): Promise<Job | undefined> {
    return new Promise((resolve) => {
      place.hand = (job) => {
        place.hand = undefined
        resolve(job)
      }
      dispatch()
    })
  }

  function tryAgain(job: Job, { cause, detail }: Ending) {
    if (!open.has(job)) return
    if (job.tries >= TRIES) {
      return job.reject(
        new EngineError(cause === "timeout" ? "timeout" : "unavailable", `${job.tries} engine processes failed on it; the last ${detail}`),
      )
    }
    waiting.unshift(job)
    dispatch()
  }

  async function backOff(endsInARow: number) {
    if (endsInARow < 2) return
    const ms = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MS * 2 ** (endsInARow - 2))
    const over = Promise.withResolvers<void>()
    const stop = clock.after(ms, over.resolve)
    backOffs.add(over.resolve)
    log.warn("engine process waits for its restart", { endsInARow, waitMs: ms })
    await over.promise
    backOffs.delete(over.resolve)
    stop()
  }

  function lose(place: Place, { cause, detail }: Ending) {
    place.state = "lost"
    const why = cause === "refused" ? detail : `an engine process cannot load: it ${detail}`
    log.error("engine process given up", { cause, detail: why })
    if (places.every(({ state }) => state === "lost")) giveUp(new EngineError("unavailable", why))
    else rejectIfNoneRuns()
  }

  function giveUp(error: unknown) {
    lost = error
    rejectAll(error)
  }

  function rejectIfNoneRuns() {
    const refusal = whyNone()
    if (refusal) for (const job of waiting.splice(0)) job.reject(refusal)
  }

  function rejectAll(error: unknown) {
    waiting.length = 0
    for (const job of [...open]) job.reject(error)
    for (const waiter of readiness) waiter.reject(error)
    readiness.clear()
  }
}

function abandoned(): EngineError {
  return new EngineError("aborted", "the caller gave up")
}

function closedError(): EngineError {
  return new EngineError("aborted", "the engines are closed")
}

function noneRuns(): EngineError {
  return new EngineError("unavailable", "no engine process runs: they keep ending", { retryable: true })
}
