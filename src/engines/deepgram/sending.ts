/**
 * What goes out on the open socket, and how long Deepgram may take to answer. A commit is a barrier: audio behind it is sent
 * only when it is answered, so that no answer reaches into the next utterance.
 */
import { samplesFromMs } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import { createAlarm } from "./alarm.ts"
import { stalled } from "./failures.ts"
import type { Line } from "./line.ts"
import type { Link } from "./link.ts"
import type { Owed } from "./owed.ts"
import type { Timings } from "./timings.ts"
import type { Wanted } from "./wanted.ts"

/** So much audio or less need not be "noticeable" to Deepgram, which then may leave a Finalize unanswered. */
const SMALL_SAMPLES = samplesFromMs(1_000)

/** Deepgram says something, if only silence, about every second of audio; after so much of it nothing at all is odd. */
const MUTE_SAMPLES = samplesFromMs(2_000)

/** Largest piece of audio in one message. */
const SLICE_SAMPLES = samplesFromMs(500)

/** How often a full socket is looked at: the SDK does not tell when it drains. */
const FULL_SOCKET_MS = 50

export interface Sending {
  /** Sends what is due to the open socket, and watches what comes of it. */
  pump(to: Link): void
  /** The client sent audio. */
  accepted(): void
  /** The client will send no more. */
  finished(): void
  /** The client has sent nothing for `pauseMs`: what Deepgram still holds back is asked for. */
  readonly paused: boolean
  /** A socket opened. */
  opened(): void
  /** Deepgram gave what it owed, or something of it: its time begins anew. */
  answered(): void
  /** The socket is gone. */
  ended(): void
  /** No timer is left. */
  close(): void
}

export interface SendingOptions {
  readonly owed: Owed
  readonly wanted: Wanted
  readonly line: Line
  readonly clock: Clock
  readonly timings: Timings
  /** Something is due that was not. */
  readonly onChange: () => void
}

export function createSending({ owed, wanted, line, clock, timings, onChange }: SendingOptions): Sending {
  /** Deepgram owes an answer, or says nothing at all. */
  const watch = createAlarm(clock)
  const pause = createAlarm(clock)
  const idle = createAlarm(clock)
  const fullSocket = createAlarm(clock)
  let paused = false

  const uncovered = () => owed.accepted - owed.covered

  function sendMore(to: Link) {
    const limit = owed.committed ?? owed.accepted
    while (to.sent < limit) {
      if (to.unsentBytes > timings.unsentMaxBytes) return fullSocket.set(FULL_SOCKET_MS, onChange)
      const piece = owed.read(to.sent, limit, SLICE_SAMPLES)
      if (piece) to.send(piece.at, piece.samples)
      else to.skip(limit)
    }
    if (owed.committed !== undefined || isTooLong(to) || isChanging(to)) finalize(to)
    else if (owed.finishing) drain(to)
    else if (paused && (uncovered() > 0 || owed.begun !== null) && finalize(to)) awaitPauseAnswer()
  }

  /** Deepgram was not asked yet for the words of an utterance that is to be ended. */
  function isTooLong(to: Link): boolean {
    if (owed.begun === null) return false
    const limit = owed.begun + samplesFromMs(wanted.maxMs)
    return to.heardTo >= limit && to.finalizedAt < limit
  }

  /** Nobody speaks, and what is wanted from here on waits for Deepgram to say so. */
  function isChanging(to: Link): boolean {
    const { changesAt } = wanted
    return changesAt !== null && !owed.isOpen && to.sent > owed.covered && to.finalizedAt < changesAt
  }

  /** False if Deepgram was told so already. */
  function finalize(to: Link): boolean {
    if (to.finalizedAt === to.sent) return false
    to.finalize()
    watch.clear()
    return true
  }

  function drain(to: Link) {
    watch.clear()
    to.drain()
  }

  /** A pause is no barrier: if its Finalize stays unanswered, what was heard is the utterance. */
  function awaitPauseAnswer() {
    pause.set(timings.graceMs, () => {
      if (uncovered() > SMALL_SAMPLES) awaitPauseAnswer()
      else owed.endpoint()
    })
  }

  function watchOver(to: Link) {
    if (watch.isSet || to.state !== "open") return
    if (owed.committed !== undefined && to.finalizedAt === owed.committed) {
      // CloseStream is always answered, so it asks once more for what Finalize did not get.
      watch.set(owed.committed - owed.covered <= SMALL_SAMPLES ? timings.graceMs : timings.stallMs, () => drain(to))
    } else if (to.unheardSamples > 0) {
      watch.set(timings.stallMs, () => {
        if (to.unheardSamples >= MUTE_SAMPLES) line.drop(stalled())
      })
    }
  }

  /** What was sent so far is not wanted any more, and Deepgram has still to say so: audio behind it waits, though not for long. */
  function awaitSilence() {
    if (watch.isSet) return
    watch.set(timings.graceMs, () => {
      line.hangUp()
      onChange()
    })
  }

  function closeIdle() {
    const { link } = line
    if (link?.state === "open" && owed.committed === undefined) drain(link)
    else if (link) idle.set(timings.idleMs, closeIdle)
  }

  return {
    pump(to) {
      if (to.wantedFrom < owed.cleared) {
        watch.clear()
        to.forget(owed.cleared)
      }
      if (to.isDeaf) return awaitSilence()
      sendMore(to)
      watchOver(to)
    },
    accepted() {
      paused = false
      idle.set(timings.idleMs, closeIdle)
      pause.set(timings.pauseMs, () => {
        paused = true
        onChange()
      })
    },
    finished: pause.clear,
    get paused() {
      return paused
    },
    opened() {
      idle.set(timings.idleMs, closeIdle)
    },
    answered: watch.clear,
    ended() {
      watch.clear()
      fullSocket.clear()
    },
    close() {
      for (const alarm of [watch, pause, idle, fullSocket]) alarm.clear()
    },
  }
}
