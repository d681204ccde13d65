/**
 * How many may be here at once: sockets in all, speakers that this machine can follow, and what one client may hold of both. Knows
 * no socket, no engine and no path.
 *
 * The last eighth of the places, or the last one, is kept for clients who have none, so that nobody can take them all.
 */
import type { Clock } from "../clock.ts"
import type { Refusal } from "../dialects/door.ts"
import { admissions, speakersMax as speakersMost, speakers as speakersNow } from "../metrics.ts"

/** Who asks, as far as limits go. */
export interface Client {
  /** The name of its key; undefined if it showed none. */
  readonly key: string | undefined
  /** Of its machine or network. */
  readonly address: string
}

export interface AdmissionOptions {
  /** Sockets open at once, and as many requests in work. */
  readonly sessionsMax: number
  /** Sockets and requests in work together, of all clients with keys of one name. Default: no limit. */
  readonly perKeyMax?: number | undefined
  /** The same, of all clients from one address that show no key. Default: no limit. */
  readonly perAddressMax?: number | undefined
  /** How many may speak at once; asked each time. Undefined: as many as there are sockets. */
  readonly speakersMax?: (() => number | undefined) | undefined
  /** As Permits.ahead, of the owner of a place. Default: nobody works. */
  readonly ahead?: ((owner: string) => number) | undefined
  readonly clock: Clock
}

export interface Admission {
  /** Why nobody could open a socket now. */
  whyFull(): Refusal | undefined
  /** Why this client may not open one. */
  whyNoSocket(client: Client): Refusal | undefined
  /** Why it may not have one just now over which whole utterances come: all at once, as live speech does not. */
  whyTooSudden(client: Client): Refusal | undefined
  /** Why this client may not have another request worked on. */
  whyNoRequest(client: Client): Refusal | undefined
  /** Takes a place, whatever the limits say. `sudden`: whole utterances come over it. */
  enter(client: Client, sudden: boolean): Place
  /** Counts a request; call the function when it is over, once. */
  begin(client: Client): () => void
  /** Brings the metrics of speakers up to date. */
  count(): void
}

/** Of one socket. */
export interface Place {
  /** Its client sends audio, or something as large. */
  heard(): void
  /** Idempotent. */
  leave(): void
}

/** Whoever sent audio so recently counts as speaking: longer than people pause. */
export const SPEAKING_MS = 15_000

/**
 * Whoever came so recently counts as about to speak, at the same moment as all who came with him, as people who talk for a while do
 * not. Many connect long before they speak, and keep others out no longer than that. Also how long a refused client is asked to wait.
 */
export const COMING_MS = 1_000

/**
 * Of those who may speak, so many may come in that time with whole utterances, or so few at least: with 7 s of speech each at
 * once, a machine that follows them all answers a quarter within a second. Nor may any come behind more utterances than that, of
 * those who are here and never pause.
 */
const COMING_SHARE = 4
const COMING_MIN = 9

/** After which a refused client may try again. */
const RETRY_AFTER_SECONDS = COMING_MS / 1000

/** One of so many places is kept for newcomers; of fewer one too, unless they are hardly any. */
const KEPT_SHARE = 8
const KEEPING_MIN = 4

export function ownerOf({ key, address }: Client): string {
  return key === undefined ? `address ${address}` : `key ${key}`
}

export function createAdmission(options: AdmissionOptions): Admission {
  const { sessionsMax, perKeyMax, perAddressMax, speakersMax, ahead = () => 0, clock } = options
  const places = new Map<Place, { readonly sudden: boolean; readonly cameAtMs: number; speakingUntilMs: number }>()
  /** Sockets and requests of each client that has any. */
  const held = new Map<string, { sockets: number; requests: number }>()
  let requests = 0

  function count(owner: string, kind: "sockets" | "requests", change: 1 | -1) {
    const now = held.get(owner) ?? { sockets: 0, requests: 0 }
    now[kind] += change
    if (now.sockets + now.requests === 0) held.delete(owner)
    else held.set(owner, now)
  }

  /** Each refusal costs a look at all, which is little beside the refusal itself. */
  function countSpeakers(): number {
    const nowMs = clock.now()
    let speakers = 0
    for (const { speakingUntilMs } of places.values()) if (speakingUntilMs > nowMs) speakers++
    return speakers
  }

  function countComing(): number {
    const sinceMs = clock.now() - COMING_MS
    let coming = 0
    for (const { sudden, cameAtMs } of places.values()) if (sudden && cameAtMs > sinceMs) coming++
    return coming
  }

  function whyTooSudden(client: Client): Refusal | undefined {
    const most = speakersMax?.()
    if (most === undefined) return undefined
    const coming = Math.max(COMING_MIN, Math.ceil(most / COMING_SHARE))
    if (countComing() >= shareOf(client)(coming)) return full(`${coming} newcomers a second are what this machine can answer`)
    const before = ahead(ownerOf(client))
    return before < coming ? undefined : full(`${before} utterances are to be heard before`)
  }

  function whyTooMany(share: (max: number) => number): Refusal | undefined {
    if (places.size >= share(sessionsMax)) return full(`${places.size} sessions are open`)
    const most = speakersMax?.()
    if (most === undefined || countSpeakers() < share(most)) return undefined
    return full(`${most} speakers at once are what this machine can follow`)
  }

  /** Of so many places, how many this one may fill. */
  function shareOf(client: Client, kind: "sockets" | "requests" = "sockets"): (max: number) => number {
    const isNew = (held.get(ownerOf(client))?.[kind] ?? 0) === 0
    return (max) => (isNew || max < KEEPING_MIN ? max : max - Math.max(1, Math.floor(max / KEPT_SHARE)))
  }

  function whyTooGreedy(client: Client): Refusal | undefined {
    const max = client.key === undefined ? perAddressMax : perKeyMax
    const { sockets, requests } = held.get(ownerOf(client)) ?? { sockets: 0, requests: 0 }
    if (max === undefined || sockets + requests < max) return undefined
    const who = client.key === undefined ? "address" : "key"
    const message = `${max} sockets and requests at once are the limit of one ${who}`
    return { reason: "greedy", status: 429, message, retryAfterSeconds: RETRY_AFTER_SECONDS }
  }

  return {
    whyFull: () => whyTooMany((max) => max),
    whyNoSocket(client) {
      return whyTooGreedy(client) ?? whyTooMany(shareOf(client))
    },
    whyTooSudden,
    whyNoRequest(client) {
      const isFull = requests >= shareOf(client, "requests")(sessionsMax)
      return whyTooGreedy(client) ?? (isFull ? full(`${requests} requests are in work`) : undefined)
    },
    enter(client, sudden) {
      admissions.inc({ key: client.key ?? "none" })
      const owner = ownerOf(client)
      const cameAtMs = clock.now()
      const state = { sudden, cameAtMs, speakingUntilMs: cameAtMs + COMING_MS }
      const place: Place = {
        heard() {
          state.speakingUntilMs = clock.now() + SPEAKING_MS
        },
        leave() {
          if (places.delete(place)) count(owner, "sockets", -1)
        },
      }
      places.set(place, state)
      count(owner, "sockets", 1)
      return place
    },
    begin(client) {
      admissions.inc({ key: client.key ?? "none" })
      const owner = ownerOf(client)
      count(owner, "requests", 1)
      requests++
      return () => {
        count(owner, "requests", -1)
        requests--
      }
    },
    count() {
      speakersNow.set(countSpeakers())
      speakersMost.set(speakersMax?.() ?? Number.POSITIVE_INFINITY)
    },
  }
}

function full(why: string): Refusal {
  return { reason: "full", status: 503, message: `full: ${why}`, retryAfterSeconds: RETRY_AFTER_SECONDS }
}
