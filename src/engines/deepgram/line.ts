/**
 * The one socket that a stream has at a time: when it is dialled, what its loss means for what is owed, and when it is
 * dialled again. Knows no message.
 */
import { msFromSamples } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { upstreamErrors } from "../../metrics.ts"
import type { EngineError } from "../engine.ts"
import { createAlarm } from "./alarm.ts"
import { createLink, type Link } from "./link.ts"
import type { UpstreamMessage } from "./messages.ts"
import { createOutage } from "./outage.ts"
import type { Owed } from "./owed.ts"
import type { Timings } from "./timings.ts"
import type { Upstream, UpstreamEnd, UpstreamListener } from "./upstream.ts"
import type { Asked, Wanted } from "./wanted.ts"

export interface Line {
  readonly link: Link | undefined
  /** Audio waits for a socket: dials, now or as soon as it makes sense. */
  want(): void
  /** Deepgram has given words or silence for audio again. */
  works(): void
  /** Leaves the socket because of an error of its. */
  drop(error: EngineError): void
  /** Leaves the socket: nothing is wrong with it, but nothing it says is wanted. */
  hangUp(): void
  /** No socket and no timer is left. */
  close(): void
}

export interface LineOptions {
  readonly dial: (asked: Asked, listener: UpstreamListener) => Upstream
  readonly clock: Clock
  readonly timings: Timings
  readonly log: Log
  readonly engine: string
  readonly session: string
  readonly owed: Owed
  readonly wanted: Wanted
  readonly onOpen: () => void
  readonly onMessage: (from: Link, message: UpstreamMessage) => void
  /** A socket is gone. */
  readonly onEnded: () => void
  /** Something is due that was not. */
  readonly onChange: () => void
}

export function createLine(options: LineOptions): Line {
  const { dial, clock, timings, log, engine, session, owed, wanted, onOpen, onMessage, onEnded, onChange } = options
  const outage = createOutage(clock, timings)
  const redial = createAlarm(clock)
  let link: Link | undefined

  const uncovered = () => owed.accepted - owed.covered

  function want() {
    const { reason, coolingMs } = outage
    if (reason !== undefined && coolingMs > 0) {
      // Too soon after giving up. Whoever waits for an answer gets the reason now; audio that no commit has ended may wait.
      owed.failCommits(reason)
      if (owed.finishing) giveUpOpenAudio(reason)
      else if (uncovered() > 0 && !redial.isSet) redial.set(coolingMs, onChange)
    } else if (!redial.isSet) {
      open()
    }
  }

  function open() {
    const listener: UpstreamListener = {
      onOpen: () => {
        log.debug("upstream open", { session, engine })
        opened.opened()
        onOpen()
      },
      onMessage: (message) => onMessage(opened, message),
      onEnded: (end) => ended(opened, end),
    }
    const opened = createLink({ dial, asked: wanted.asked, listener, from: owed.covered })
    link = opened
  }

  function ended(gone: Link, end: UpstreamEnd) {
    link = undefined
    onEnded()
    if (end.clean) {
      log.debug("upstream closed", { session, engine })
      outage.over()
      owed.cover(gone.sent)
    } else {
      lost(gone, end.error)
    }
    onChange()
  }

  function lost(gone: Link, error: EngineError) {
    const { code, message, providerCode, retryable } = error
    upstreamErrors.inc({ engine, code })
    log.warn("upstream lost", { session, engine, code, message, providerCode, retryable, owedMs: msFromSamples(uncovered()) })
    // Nothing that it was given is owed: the next audio may dial at once.
    if (gone.state !== "connecting" && gone.sent <= owed.covered) return
    if (gone.state === "draining" && code === "timeout") {
      // Asked and waited for as long as we ever do: the same audio again would end the same way.
      if (owed.committed === gone.sent) return owed.failCommits(error, 1)
      if (owed.committed === undefined && owed.finishing) return giveUpOpenAudio(error)
    }
    const waitMs = outage.failed(error)
    if (waitMs !== null) return redial.set(waitMs, onChange)
    owed.failCommits(error)
    if (uncovered() > 0) giveUpOpenAudio(error)
  }

  /** Told once an outage, not with each dial. */
  function giveUpOpenAudio(error: EngineError) {
    owed.giveUpOpenAudio(error, outage.givenUp > 1)
  }

  return {
    get link() {
      return link
    },
    want,
    works: outage.over,
    drop(error) {
      if (!link) return
      link.terminate()
      ended(link, { clean: false, error })
    },
    hangUp() {
      link?.terminate()
      link = undefined
      onEnded()
    },
    close() {
      redial.clear()
      link?.terminate()
      link = undefined
    },
  }
}
