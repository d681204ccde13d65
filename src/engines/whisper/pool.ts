/**
 * The engine processes and the pieces that wait for them: hands out the pieces as the queue says, gives those of a dead engine
 * another try, and takes an engine from what is still being spoken when something finished waits. Knows no utterance, no threshold
 * and no model.
 */
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { batchPieces, interimsDropped, piecesWaiting, pieceWaitSeconds } from "../../metrics.ts"
import { failureOf, type Span } from "../../tracing.ts"
import { EngineError } from "../engine.ts"
import { createCompany } from "./company.ts"
import type { Ending } from "./engine-process.ts"
import type { Failed, Init, Piece, Result } from "./ipc.ts"
import { openPlace, type Place } from "./place.ts"
import { createQueue, type Sharing, type Urgency, type Waiting } from "./queue.ts"
import { watchStrength } from "./strength.ts"

/** The engines of two tries died of it: a third would take another one down. */
const TRIES = 2
/** Who kills engines from outside does not ask what they work on, so that it says little against the piece. */
const TRIES_FROM_OUTSIDE = 8

/** Interims that may wait for each engine: more of them would be stale when their turn comes. */
const INTERIMS_WAITING_PER_ENGINE = 4

export type Recognised = Pick<Result, "language" | "segments">

export interface PieceToRecognise extends Omit<Piece, "id" | "interim"> {
  readonly urgency: Urgency
  /** As Utterance.live. */
  readonly live: boolean
  /** As Utterance.crowd. */
  readonly crowd?: string | undefined
  /** As Utterance.trace. */
  readonly trace?: Span | undefined
}

export interface Pool {
  /**
   * The words of one piece. Rejects with an EngineError: `aborted`, at once, after `signal`; `unavailable` or `timeout` when the
   * piece brought down two engines, or no engine runs; `overloaded`, retryable, an interim for which there is no room, also later.
   * What else waits here has no ceiling of its own: callers MUST hold a permit for it.
   */
  recognise(piece: PieceToRecognise, signal: AbortSignal): Promise<Recognised>
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

interface Job extends Waiting {
  readonly piece: Omit<Piece, "id">
  /** Aborts when nobody waits for it any more. */
  readonly stop: AbortController
  /** Since it came, or came back. */
  waitsSinceMs: number
  readonly resolve: (recognised: Recognised) => void
  readonly reject: (error: unknown) => void
  tries: number
  readonly trace: Span | undefined
  /** What it does now, as part of that: waits, or is heard. */
  now: Span | undefined
}

export function createPool({ init, engines, command, env, clock, log }: PoolOptions): Pool {
  let places: Place[] = []
  /** What a busy engine works on. */
  const inWork = new Map<Place, readonly Job[]>()
  const open = new Set<Job>()
  const readiness = new Set<PromiseWithResolvers<void>>()
  const queue = createQueue<Job>({
    engines,
    enginesOf: (crowd) => [...inWork.values()].filter((batch) => batch[0]?.crowd === crowd).length,
    interimsMax: engines * INTERIMS_WAITING_PER_ENGINE,
    onWaiting: (urgency, count) => piecesWaiting.set({ urgency }, count),
  })
  const company = createCompany(clock, dispatch)
  const strength = watchStrength(engines)
  let lost: unknown
  let closed = false

  init.then(
    (message) => {
      if (closed) return
      const options = { init: message, command, env, clock, log, onChange }
      places = Array.from({ length: engines }, (_, own) => openPlace({ ...options, othersLive: () => othersLive(own) }))
    },
    (error) => giveUp(error),
  )

  return {
    async recognise({ urgency, live, crowd, trace, ...piece }, signal) {
      if (signal.aborted) throw abandoned()
      const refusal = whyNone()
      if (refusal) throw refusal
      const { promise, resolve, reject } = Promise.withResolvers<Recognised>()
      const answers = { resolve, reject, waitsSinceMs: clock.now(), trace, now: trace?.part("engine queue", { urgency }) }
      const job = createJob({ ...piece, interim: urgency === "interim" }, { urgency, live, crowd }, answers)
      if (!queue.add(job)) throw noRoom("ceiling")
      if (isAsked(job)) company.came()
      const abort = () => {
        if (queue.remove(job) && urgency === "interim") interimsDropped.inc({ reason: "stale" })
        reject(abandoned())
        job.stop.abort()
      }
      signal.addEventListener("abort", abort)
      open.add(job)
      dispatch()
      try {
        const recognised = await promise
        job.now?.end()
        return recognised
      } catch (thrown) {
        job.now?.end(failureOf(thrown))
        throw thrown
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
      company.close()
      rejectAll(closedError())
      await Promise.all(places.map((place) => place.close()))
      strength.close()
    },
  }

  /** Why no engine will take a job soon; undefined while one may. */
  function whyNone(): unknown {
    if (closed) return closedError()
    if (lost) return lost
    return places.length > 0 && places.every(({ state }) => state === "hopeless" || state === "lost") ? noneRuns() : undefined
  }

  function dispatch() {
    for (;;) {
      const idle = places.filter((place) => place.idle)
      const [place] = idle
      if (place === undefined) return makeRoom()
      const sharing = whoShares(idle.length)
      if (company.returning() > 0 && fewerThan(Math.min(place.piecesMax, queue.shareOfShort(sharing)))) return company.waitForThem()
      const batch = queue.take(sharing, place.piecesMax)
      if (batch.length === 0) return
      void work(place, batch)
    }
  }

  function whoShares(idleEngines: number): Sharing {
    const asked = [...inWork.values()].map((batch) => batch.filter(isAsked).length).filter((count) => count > 0)
    return { idleEngines, busyEngines: asked.length, elsewhere: asked.reduce((sum, count) => sum + count, company.returning()) }
  }

  /** Whether short pieces wait, but fewer than that. */
  function fewerThan(share: number) {
    return queue.ready("short") > 0 && queue.ready("short") < share
  }

  /** Never rejects. */
  async function work(place: Place, batch: readonly Job[]) {
    batchPieces.observe(batch.length)
    inWork.set(place, batch)
    for (const job of batch) {
      job.tries++
      pieceWaitSeconds.observe({ urgency: job.urgency }, (clock.now() - job.waitsSinceMs) / 1000)
      job.now?.end()
      job.now = job.trace?.part("decode", { pieces: batch.length, attempt: job.tries })
    }
    const pieces = batch.map(({ piece, stop }) => ({ ...piece, signal: stop.signal }))
    const unanswered = new Set(batch)
    const onAnswer = (index: number, answer: Result | Failed) => {
      const job = batch[index]
      if (job === undefined) return
      unanswered.delete(job)
      if (isAsked(job) && !job.stop.signal.aborted) company.answered()
      if (answer.type === "result") job.resolve(answer)
      else job.reject(new EngineError(answer.code, answer.message))
    }
    const ending = await place.recognise(pieces, { onAnswer, patient: isInterim(batch) })
    inWork.delete(place)
    if (ending) tryAgain([...unanswered], ending)
    dispatch()
  }

  /** Frees an engine from interims for each short piece that waits, unless one comes free already. */
  function makeRoom() {
    const busy = [...inWork.values()]
    const freed = busy.filter((batch) => batch.every(({ stop }) => stop.signal.aborted)).length
    const preemptible = busy.filter((batch) => isInterim(batch) && !batch.every(({ stop }) => stop.signal.aborted))
    for (const batch of preemptible.slice(0, Math.max(0, queue.ready("short") - freed))) {
      for (const job of batch.filter(({ stop }) => !stop.signal.aborted)) {
        job.reject(noRoom("preempted"))
        job.stop.abort()
      }
    }
  }

  function tryAgain(jobs: readonly Job[], { cause, detail, fromOutside }: Ending) {
    const tries = fromOutside ? TRIES_FROM_OUTSIDE : TRIES
    const again: Job[] = []
    for (const job of jobs) {
      if (!open.has(job) || job.stop.signal.aborted) continue
      job.now?.add({ engineEnded: cause })
      job.now?.end({ code: cause === "timeout" ? "timeout" : "unavailable" })
      job.now = job.trace?.part("engine queue", { urgency: job.urgency })
      job.waitsSinceMs = clock.now()
      if (job.tries < tries) again.push(job)
      else
        job.reject(
          new EngineError(
            cause === "timeout" ? "timeout" : "unavailable",
            `${job.tries} engine processes failed on it; the last ${detail}`,
          ),
        )
    }
    queue.putBack(again)
    refuseIfNoneRuns()
  }

  function othersLive(own: number): boolean {
    return places.some(({ state }, place) => place !== own && (state === "ready" || state === "starting"))
  }

  function onChange() {
    strength.tell(places.filter(({ state }) => state === "ready").length)
    if (places.some(({ state }) => state === "ready")) {
      for (const waiter of readiness) waiter.resolve()
      readiness.clear()
    }
    const whyLost = places.every(({ state }) => state === "lost") ? places.at(-1)?.whyLost : undefined
    if (whyLost !== undefined) return giveUp(new EngineError("unavailable", whyLost))
    refuseIfNoneRuns()
    dispatch()
  }

  function refuseIfNoneRuns() {
    const refusal = whyNone()
    if (refusal) for (const job of queue.clear()) job.reject(refusal)
  }

  function giveUp(error: unknown) {
    lost = error
    rejectAll(error)
  }

  function rejectAll(error: unknown) {
    queue.clear()
    for (const job of [...open]) job.reject(error)
    for (const waiter of readiness) waiter.reject(error)
    readiness.clear()
  }
}

function createJob(
  piece: Omit<Piece, "id">,
  { urgency, live, crowd }: Pick<Job, "urgency" | "live" | "crowd">,
  answers: Pick<Job, "resolve" | "reject" | "waitsSinceMs" | "trace" | "now">,
): Job {
  const job: Job = {
    ...answers,
    piece,
    urgency,
    live,
    crowd,
    sampleCount: piece.samples.length,
    stop: new AbortController(),
    tries: 0,
    // The texts of a batch are written in step, from one start. And an engine died in its company: it may be the cause.
    get alone() {
      return piece.draft !== null || piece.context !== undefined || piece.prompt !== "" || job.tries > 0
    },
  }
  return job
}

/** Its caller waits for it, and asks for the next one when it is there. */
const isAsked = ({ urgency, live }: Job) => urgency === "short" && !live

const isInterim = (batch: readonly Job[]) => batch.every(({ urgency }) => urgency === "interim")

function abandoned(): EngineError {
  return new EngineError("aborted", "the caller gave up")
}

function closedError(): EngineError {
  return new EngineError("aborted", "the engines are closed")
}

function noneRuns(): EngineError {
  return new EngineError("unavailable", "no engine process runs: they keep ending", { retryable: true })
}

function noRoom(reason: "ceiling" | "preempted"): EngineError {
  interimsDropped.inc({ reason })
  const message = reason === "ceiling" ? "too many interims wait already" : "the engine was needed for what is finished"
  return new EngineError("overloaded", message, { retryable: true })
}
