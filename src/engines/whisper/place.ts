/**
 * Where one engine process lives, and the next one after it: a process that dies is started again, later and later; one that grew
 * too heavy works on until another one is ready. Knows no queue and no second tries: what a dead process owed is its caller's.
 */
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { engineRestarts } from "../../metrics.ts"
import { type Ending, type EngineProcess, type PieceInHand, type RecogniseOptions, startEngineProcess } from "./engine-process.ts"
import type { Init } from "./ipc.ts"

/** Before the second restart in a row without a recognised piece between; each further one waits twice as long. The first waits not at all. */
const BACK_OFF_MS = 250
const BACK_OFF_MAX_MS = 30_000

/**
 * After so many ends in a row an engine is given up if it was never ready and no other one may be, and while it backs off it no longer counts as
 * one that a caller can wait for.
 */
const HOPELESS_ENDS = 4

/**
 * Engines that somebody else kills, again and again, wait no longer than this: one that rests leaves all that comes to the others,
 * which then never get to work. And until they have done nothing for so long, callers wait for them.
 */
const BACK_OFF_FROM_OUTSIDE_MAX_MS = 1_000
const HOPELESS_FROM_OUTSIDE_MS = 20_000

/** `hopeless`: backing off after many ends; `lost`: given up. */
export type PlaceState = "starting" | "ready" | "hopeless" | "lost"

export interface Place {
  readonly state: PlaceState
  /** Why it is lost: one line. */
  readonly whyLost: string
  /** Whether `recognise` may be called now. */
  readonly idle: boolean
  /** As `EngineProcess.piecesMax` of the one that is here now. */
  readonly piecesMax: number
  /** As `EngineProcess.recognise`, only while idle; null once all pieces are answered, else how the process ended before that. */
  recognise(pieces: readonly PieceInHand[], options: RecogniseOptions): Promise<Ending | null>
  /** Idempotent. Kills its processes and settles when they are gone. */
  close(): Promise<void>
}

export interface PlaceOptions {
  readonly init: Init
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly log: Log
  /** Whether another engine is ready, or may be: then this one may as well come to live. */
  readonly othersLive: () => boolean
  /** Called whenever `state` or `idle` changed, except when it is idle again because `recognise` settled. */
  readonly onChange: () => void
}

export function openPlace({ init, command, env, clock, log, othersLive, onChange }: PlaceOptions): Place {
  const running = new Set<EngineProcess>()
  let state: PlaceState = "starting"
  let whyLost = ""
  /** The process that takes work now. */
  let serving: EngineProcess | undefined
  /** Settles when the work in hand is over. */
  let working: Promise<unknown> | undefined
  let recognisedAny = false
  let recognisedAtMs = clock.now()
  let wake = () => {}
  let closed = false
  const over = keepRunning()

  return {
    get state() {
      return state
    },
    get whyLost() {
      return whyLost
    },
    get idle() {
      return serving !== undefined && working === undefined
    },
    get piecesMax() {
      return serving?.piecesMax ?? 1
    },
    recognise(pieces, options) {
      if (serving === undefined || working) throw new Error("an engine was given work while it was not idle")
      const work = recogniseBy(serving, pieces, options)
      working = work
      return work
    },
    async close() {
      closed = true
      serving = undefined
      for (const engine of running) engine.kill()
      wake()
      await Promise.all([over, ...Array.from(running, ({ ended }) => ended)])
    },
  }

  async function recogniseBy(engine: EngineProcess, pieces: readonly PieceInHand[], { onAnswer, patient = false }: RecogniseOptions) {
    const allAnswered = await engine.recognise(pieces, {
      patient,
      onAnswer(index, answer) {
        if (answer.type === "result") {
          recognisedAny = true
          recognisedAtMs = clock.now()
        }
        onAnswer(index, answer)
      },
    })
    const ending = allAnswered ? null : await engine.ended
    working = undefined
    return ending
  }

  function launch(): EngineProcess {
    const engine = startEngineProcess(init, { command, env, clock, log })
    running.add(engine)
    engine.ended.then(() => running.delete(engine))
    return engine
  }

  function become(next: PlaceState) {
    state = next
    onChange()
  }

  async function keepRunning() {
    let endsInARow = 0
    let everReady = false
    let engine = launch()
    for (;;) {
      if (await engine.ready) {
        everReady = true
        recognisedAny = false
        const successor = await serve(engine)
        if (recognisedAny) endsInARow = 0
        if (successor) {
          engine.kill()
          engineRestarts.inc({ cause: "recycled" })
          engine = successor
          continue
        }
      }
      const ending = await engine.ended
      if (closed) return
      endsInARow = ending.cause === "cancel" ? 0 : endsInARow + 1
      const hopeless = endsInARow >= HOPELESS_ENDS && !(ending.fromOutside && clock.now() - recognisedAtMs < HOPELESS_FROM_OUTSIDE_MS)
      if (!everReady && ((hopeless && !othersLive()) || ending.cause === "refused")) return lose(ending)
      become(hopeless ? "hopeless" : "starting")
      await backOff(endsInARow, ending.fromOutside ? BACK_OFF_FROM_OUTSIDE_MAX_MS : BACK_OFF_MAX_MS)
      if (closed) return
      state = "starting"
      engineRestarts.inc({ cause: ending.cause })
      engine = launch()
    }
  }

  /** Has one process take work until it is gone, or idle and another one ready in its place, which is the result. */
  async function serve(engine: EngineProcess): Promise<EngineProcess | undefined> {
    const relieved = Promise.withResolvers<EngineProcess | undefined>()
    let gone = false
    let successor: EngineProcess | undefined
    engine.ended.then(() => {
      gone = true
      if (serving === engine) serving = undefined
      relieved.resolve(successor)
    })
    engine.grown.then(async () => {
      if (gone || closed) return
      const fresh = launch()
      // If there is no room for another one, this one works on, however heavy.
      if (!(await fresh.ready)) return
      if (gone || closed) return fresh.kill()
      successor = fresh
      serving = undefined
      await working
      relieved.resolve(fresh)
    })
    serving = engine
    become("ready")
    return relieved.promise
  }

  async function backOff(endsInARow: number, maxMs: number) {
    if (endsInARow < 2) return
    const ms = Math.min(maxMs, BACK_OFF_MS * 2 ** (endsInARow - 2))
    const slept = Promise.withResolvers<void>()
    const stop = clock.after(ms, slept.resolve)
    wake = slept.resolve
    log.warn("engine process waits for its restart", { endsInARow, waitMs: ms })
    await slept.promise
    stop()
  }

  function lose({ cause, detail }: Ending) {
    whyLost = cause === "refused" ? detail : `an engine process cannot load: it ${detail}`
    log.error("engine process given up", { cause, detail: whyLost })
    become("lost")
  }
}
