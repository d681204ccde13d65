/**
 * How many may work at once, and how many may wait for that: one limiter for all clients of an engine. Knows nothing of
 * speech. Clients take turns, and so do the sessions of one client; otherwise first come, first served. Neither long work nor, while
 * there are others, one client ever takes more than half of the permits, so that the rest find their way past it.
 */
import { EngineError } from "./engines/engine-error.ts"

export interface Work {
  /** May take so long that others should not have to wait for its end. With a single permit it makes no difference. */
  readonly long: boolean
  /** Whose it is. Work without a client is all of one. */
  readonly client?: string | undefined
  readonly session?: string | undefined
}

export interface Permits {
  /**
   * A permit, at once or when one becomes free; call the function to give it back, once (again is ignored). Rejects with
   * EngineError `overloaded` if too many wait already, `aborted` if the signal aborts first: both leave no trace. Where a client
   * has two or more waiting beyond this one's, its newest is refused in the place of this.
   */
  take(signal: AbortSignal, work?: Work): Promise<() => void>
  /** Whether this client has more waiting, and there are others whom it would keep waiting too. */
  crowds(client: string | undefined): boolean
  /** How much work under way a new piece of this client's would come behind: all of its own, and one of each other client. */
  ahead(client: string): number
  /** How many wait now. */
  readonly waiting: number
  /** How many are out now. */
  readonly taken: number
}

export interface PermitsOptions {
  /** Permits in all; at least 1. */
  readonly atOnce: number
  /** How many may wait beyond them; 0 refuses whoever cannot start at once. */
  readonly waitingMax: number
  /** Called whenever `waiting` changed. */
  readonly onWaiting?: (count: number) => void
}

export function createPermits({ atOnce, waitingMax, onWaiting = () => {} }: PermitsOptions): Permits {
  if (!Number.isInteger(atOnce) || atOnce < 1) throw new RangeError(`atOnce: expected a whole number from 1, got ${atOnce}`)
  if (!(waitingMax >= 0)) throw new RangeError(`waitingMax: expected a number from 0, got ${waitingMax}`)

  // One long piece of work, or one client, may well keep a whole engine busy, or all of them: more at once would not end sooner.
  const half = Math.max(1, Math.floor(atOnce / 2))
  let taken = 0
  let takenByLong = 0
  /** In order of arrival. Whoever waits here cannot start now. */
  const queue = new Map<() => void, Waiting>()
  const turns = createTurns()

  const takenByClient = new Map<string, number>()

  function canStart({ long, client }: Work): boolean {
    if (taken >= atOnce || (long && takenByLong >= half)) return false
    return client === undefined || (takenByClient.get(client) ?? 0) < half || !turns.hasOthers(client)
  }

  function countClient(client: string | undefined, change: 1 | -1) {
    if (client === undefined) return
    const count = (takenByClient.get(client) ?? 0) + change
    if (count === 0) takenByClient.delete(client)
    else takenByClient.set(client, count)
  }

  function permit(work: Work): () => void {
    const { long, client } = work
    taken++
    countClient(client, 1)
    turns.had(work)
    if (long) takenByLong++
    let out = true
    return () => {
      if (!out) return
      out = false
      taken--
      countClient(client, -1)
      if (long) takenByLong--
      for (let grant = next(); grant; grant = next()) grant()
    }
  }

  /** Of those who can start, the one whose client, and then whose session, had its turn the longest ago; the first of equals. */
  function next(): (() => void) | undefined {
    let first: { readonly grant: () => void; readonly work: Work } | undefined
    for (const [grant, { work }] of queue) if (canStart(work) && (!first || turns.before(work, first.work))) first = { grant, work }
    return first?.grant
  }

  /** Refuses the newest of whoever has the most waiting, unless that is hardly more than `client` has. */
  function makeRoomFor(client: string | undefined): boolean {
    const counts = new Map<string | undefined, number>()
    for (const { work } of queue.values()) counts.set(work.client, (counts.get(work.client) ?? 0) + 1)
    const own = counts.get(client) ?? 0
    const [most] = [...counts].sort(([, a], [, b]) => b - a)
    if (!most || most[1] < own + 2) return false
    const newest = [...queue.values()].findLast(({ work }) => work.client === most[0])
    newest?.refuse()
    return newest !== undefined
  }

  function wait(signal: AbortSignal, work: Work): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        queue.delete(grant)
        signal.removeEventListener("abort", abort)
        onWaiting(queue.size)
      }
      const grant = () => {
        leave()
        resolve(permit(work))
      }
      const abort = () => {
        leave()
        reject(aborted())
      }
      const refuse = () => {
        leave()
        reject(overloaded(waitingMax))
      }
      queue.set(grant, { work, refuse })
      signal.addEventListener("abort", abort)
      onWaiting(queue.size)
    })
  }

  return {
    async take(signal, work = { long: false }) {
      if (signal.aborted) throw aborted()
      if (canStart(work)) return permit(work)
      if (queue.size >= waitingMax && !makeRoomFor(work.client)) throw overloaded(waitingMax)
      return wait(signal, work)
    },
    crowds(client) {
      if (client === undefined || !turns.hasOthers(client)) return false
      for (const { work } of queue.values()) if (work.client === client) return true
      return false
    },
    ahead(client) {
      const others = new Set(takenByClient.keys())
      let own = takenByClient.get(client) ?? 0
      for (const { work } of queue.values()) {
        if (work.client === client) own++
        else if (work.client !== undefined) others.add(work.client)
      }
      others.delete(client)
      return own + others.size
    },
    get waiting() {
      return queue.size
    },
    get taken() {
      return taken
    },
  }
}

interface Waiting {
  readonly work: Work
  /** For want of room. */
  readonly refuse: () => void
}

/** Clients, and sessions, whose last turn is remembered. Whoever is forgotten counts as not having had one. */
const TURNS_KEPT = 1024

/** Whoever had one of the last so many turns is still there. */
const TURNS_RECENT = 64

/** Who had a permit when: counted, not timed. */
function createTurns() {
  let count = 0
  const clients = new Map<string | undefined, number>()
  const sessions = new Map<string | undefined, number>()

  function keep(turns: Map<string | undefined, number>, whose: string | undefined) {
    // The one set last stands last.
    turns.delete(whose)
    turns.set(whose, count)
    if (turns.size <= TURNS_KEPT) return
    const [oldest] = turns.keys()
    turns.delete(oldest)
  }

  return {
    had({ client, session }: Work) {
      count++
      keep(clients, client)
      keep(sessions, session)
    },
    /** Whether another client was here lately. Work of nobody is the server's own. */
    hasOthers(client: string): boolean {
      for (const [other, turn] of clients) if (other !== undefined && other !== client && count - turn < TURNS_RECENT) return true
      return false
    },
    /** Whether `one` is to have its turn before `other`, who came earlier. */
    before(one: Work, other: Work): boolean {
      const byClient = (clients.get(one.client) ?? 0) - (clients.get(other.client) ?? 0)
      return (byClient || (sessions.get(one.session) ?? 0) - (sessions.get(other.session) ?? 0)) < 0
    },
  }
}

function aborted(): EngineError {
  return new EngineError("aborted", "given up while waiting for a permit")
}

function overloaded(waitingMax: number): EngineError {
  const message = waitingMax === 0 ? "all are busy, and none may wait" : `${waitingMax} utterances wait already`
  return new EngineError("overloaded", message, { retryable: true })
}
