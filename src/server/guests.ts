/**
 * A client that was let in, whatever carries it: its session, its place among the others, what is counted of it, and the two lines of
 * the log that every client has. Knows no socket.
 */
import type { Clock } from "../clock.ts"
import type { Opening } from "../dialects/door.ts"
import type { Engine } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { audioSeconds, sessionsOpen } from "../metrics.ts"
import type { RequestSpan } from "../tracing.ts"
import { type Admission, type Client, ownerOf } from "./admission.ts"
import { GOING_AWAY } from "./drain.ts"
import { createSession, type Session, type Transport } from "./session.ts"

export interface GuestOptions {
  /** Of the request, and so of the session. */
  readonly id: string
  /** When it came, ms since 1970. */
  readonly unixMs: number
  readonly opening: Opening & { readonly ok: true }
  readonly client: Client
  readonly admission: Admission
  readonly engine: Engine
  /** Of openings that are paced. */
  readonly minReplyMs: number
  readonly transport: Transport
  readonly trace: RequestSpan
  readonly clock: Clock
  readonly log: Log
}

/** A message so long costs as much as sound. */
const LONG_LENGTH_MIN = 64

export interface Guest {
  readonly session: Session
  /** A message for its session. Its audio is counted while it comes: a session may last for hours, and who watches wants to see it. */
  receive(message: Uint8Array | string): void
  /** To be called once, when the connection is over: ends the session. */
  leave(code: number, reason: string): void
}

/** Its session is still to greet. */
export function welcome({ opening, client, admission, minReplyMs, ...options }: GuestOptions): Guest {
  const { id, clock, log } = options
  const mode = opening.label
  const dialect = opening.dialect()
  const session = createSession({ ...options, client: ownerOf(client), mode, dialect, minReplyMs: opening.paced ? minReplyMs : 0 })
  const place = admission.enter(client, opening.paced)
  const openedAtMs = clock.now()
  let audioSecondsCounted = 0

  /** Whether there was any. */
  function countAudio(): boolean {
    const more = session.counts.audioSeconds - audioSecondsCounted
    audioSeconds.inc({ mode }, more)
    audioSecondsCounted += more
    return more > 0
  }

  sessionsOpen.inc({ mode })
  log.info("connected", { session: id, mode, ...opening.facts, key: client.key, address: client.address })
  return {
    session,
    receive(message) {
      session.receive(message)
      if (countAudio() || message.length >= LONG_LENGTH_MIN) place.heard()
    },
    leave(code, reason) {
      place.leave()
      session.close()
      countAudio()
      const { counts } = session
      sessionsOpen.dec({ mode })
      // Words are missing that only we could have given.
      const isOurFault = counts.unanswered > 0 && code === GOING_AWAY.code
      log[isOurFault ? "warn" : "info"]("disconnected", {
        session: id,
        code,
        reason,
        durationMs: Math.round(clock.now() - openedAtMs),
        ...counts,
      })
    },
  }
}
