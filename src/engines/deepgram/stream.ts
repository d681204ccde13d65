/**
 * One client's speech through Deepgram: which audio goes to which socket when, and what happens when a socket is lost.
 * Knows no SDK and no wire: sockets come from `dial`. What is owed stands in `owed`, what one socket did in `link`.
 *
 * A commit is a barrier: audio behind it is sent only when it is answered, so that no answer reaches into the next
 * utterance. Everything that happens changes a place or a state and then calls `pump`, which does what is due.
 */
import { msFromSamples, samplesFromMs } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { upstreamErrors } from "../../metrics.ts"
import { createEventQueue } from "../../speech/event-queue.ts"
import type { SpeechEvent } from "../../speech/events.ts"
import type { EngineError, Stream, StreamOptions } from "../engine.ts"
import { createAlarm } from "./alarm.ts"
import { stalled } from "./failures.ts"
import { createLink, type Link } from "./link.ts"
import type { Results, UpstreamMessage } from "./messages.ts"
import { createOutage } from "./outage.ts"
import { createOwed } from "./owed.ts"
import type { Timings } from "./timings.ts"
import { type Upstream, type UpstreamEnd, type UpstreamListener, UTTERANCE_END_MS } from "./upstream.ts"

export const ENGINE = "deepgram"

/** So much audio or less need not be "noticeable" to Deepgram, which then may leave a Finalize unanswered. */
const SMALL_SAMPLES = samplesFromMs(1_000)

/** Deepgram says something, if only silence, about every second of audio; after so much of it nothing at all is odd. */
const MUTE_SAMPLES = samplesFromMs(2_000)

/** Largest piece of audio in one message. */
const SLICE_SAMPLES = samplesFromMs(500)

/** Silence after the last word that ends an utterance even if Deepgram forgets to: a socket dialled anew does not know the words before it. */
const FORGOTTEN_END_SAMPLES = samplesFromMs(UTTERANCE_END_MS + 500)

/** An UtteranceEnd whose last word ends so much before ours belongs to words already delivered. */
const STALE_SAMPLES = samplesFromMs(500)

/** How often a full socket is looked at: the SDK does not tell when it drains. */
const FULL_SOCKET_MS = 50

export interface StreamContext extends StreamOptions {
  readonly dial: (listener: UpstreamListener) => Upstream
  readonly clock: Clock
  readonly timings: Timings
  readonly log: Log
  /** No socket and no timer is left. */
  readonly onOver: () => void
}

export function openStream({ dial, clock, timings, log, language, session, onOver }: StreamContext): Stream {
  const queue = createEventQueue<SpeechEvent>()
  const { heldMaxMs } = timings
  const owed = createOwed({ engine: ENGINE, session, language, heldMaxMs, clock, log, onEvent: queue.push })
  const outage = createOutage(clock, timings)
  let link: Link | undefined
  let life: "open" | "finishing" | "over" = "open"
  /** The client has sent nothing for `pauseMs`. */
  let paused = false
  /** Messages that we could not read. */
  let unreadable = 0

  /** Deepgram owes an answer, or says nothing at all. */
  const watch = createAlarm(clock)
  const redial = createAlarm(clock)
  const pause = createAlarm(clock)
  const idle = createAlarm(clock)
  const fullSocket = createAlarm(clock)

  const uncovered = () => owed.accepted - owed.covered

  function pump() {
    if (life === "over") return
    if (link === undefined) {
      if (uncovered() > 0) wantLink()
      // Not an else: what was owed may have failed just now.
      if (uncovered() === 0) rest()
    } else if (link.state === "open") {
      sendMore(link)
      watchLink(link)
    }
  }

  /** Nothing is owed and no socket is there. */
  function rest() {
    if (life === "finishing") endStream()
    else if (paused) owed.endpoint()
  }

  function wantLink() {
    const { reason, coolingMs } = outage
    if (reason !== undefined && coolingMs > 0) {
      // Too soon after giving up. Whoever waits for an answer gets the reason now; audio that no commit has ended may wait.
      owed.failCommits(reason)
      if (life === "finishing") giveUpOpenAudio(reason)
      else if (uncovered() > 0 && !redial.isSet) redial.set(coolingMs, pump)
    } else if (!redial.isSet) {
      openLink()
    }
  }

  function openLink() {
    const opened = createLink(
      dial,
      {
        onOpen: () => {
          log.debug("upstream open", { session, engine: ENGINE })
          opened.opened()
          idle.set(timings.idleMs, closeIdle)
          pump()
        },
        onMessage: (message) => hear(opened, message),
        onEnded: (end) => linkEnded(opened, end),
      },
      owed.covered,
    )
    link = opened
  }

  function sendMore(to: Link) {
    const limit = owed.committed ?? owed.accepted
    while (to.sent < limit) {
      if (to.unsentBytes > timings.unsentMaxBytes) return fullSocket.set(FULL_SOCKET_MS, pump)
      const piece = owed.read(to.sent, limit, SLICE_SAMPLES)
      if (piece) to.send(piece.at, piece.samples)
      else to.skip(limit)
    }
    if (owed.committed !== undefined) finalize(to)
    else if (life === "finishing") drain(to)
    else if (paused && (uncovered() > 0 || owed.wordsEnd !== null) && finalize(to)) awaitPauseAnswer()
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

  function watchLink(to: Link) {
    if (watch.isSet || to.state !== "open") return
    if (owed.committed !== undefined && to.finalizedAt === owed.committed) {
      // CloseStream is always answered, so it asks once more for what Finalize did not get.
      watch.set(owed.committed - owed.covered <= SMALL_SAMPLES ? timings.graceMs : timings.stallMs, () => drain(to))
    } else if (to.unheardSamples > 0) {
      watch.set(timings.stallMs, () => {
        if (to.unheardSamples >= MUTE_SAMPLES) dropLink(to, stalled())
      })
    }
  }

  function closeIdle() {
    if (link?.state === "open" && owed.committed === undefined) drain(link)
    else if (link) idle.set(timings.idleMs, closeIdle)
  }

  function dropLink(lost: Link, error: EngineError) {
    lost.terminate()
    linkEnded(lost, { clean: false, error })
  }

  function linkEnded(ended: Link, end: UpstreamEnd) {
    link = undefined
    watch.clear()
    fullSocket.clear()
    if (end.clean) {
      log.debug("upstream closed", { session, engine: ENGINE })
      outage.over()
      owed.cover(ended.sent)
    } else {
      linkLost(ended, end.error)
    }
    pump()
  }

  function linkLost(lost: Link, error: EngineError) {
    const { code, message, providerCode, retryable } = error
    upstreamErrors.inc({ engine: ENGINE, code })
    log.warn("upstream lost", { session, engine: ENGINE, code, message, providerCode, retryable, owedMs: msFromSamples(uncovered()) })
    // Nothing that it was given is owed: the next audio may dial at once.
    if (lost.state !== "connecting" && lost.sent <= owed.covered) return
    if (lost.state === "draining" && code === "timeout") {
      // Asked and waited for as long as we ever do: the same audio again would end the same way.
      if (owed.committed === lost.sent) return owed.failCommits(error, 1)
      if (owed.committed === undefined && life === "finishing") return giveUpOpenAudio(error)
    }
    const waitMs = outage.failed(error)
    if (waitMs !== null) return redial.set(waitMs, pump)
    owed.failCommits(error)
    if (uncovered() > 0) giveUpOpenAudio(error)
  }

  /** Told once an outage, not with each dial. */
  function giveUpOpenAudio(error: EngineError) {
    owed.giveUpOpenAudio(error, outage.givenUp > 1)
  }

  function hear(from: Link, message: UpstreamMessage) {
    if (message.kind === "results") hearResults(from, message)
    else if (message.kind === "utterance_end") hearUtteranceEnd(from, message.lastWordEndSeconds)
    else if (message.kind === "unreadable") {
      upstreamErrors.inc({ engine: ENGINE, code: "unreadable" })
      if (unreadable++ === 0) log.warn("upstream message unreadable", { session, engine: ENGINE })
    }
    pump()
  }

  function hearResults(from: Link, { endSeconds, text, speech, language, isFinal, speechFinal, fromFinalize }: Results) {
    const to = from.placeOf(endSeconds)
    const awaited = owed.committed
    const further = from.heard(to)
    if (isFinal) {
      if (to > owed.covered) outage.over()
      if (text !== "")
        owed.hear({ text, language, startSample: from.placeOf(speech.startSeconds), endSample: from.placeOf(speech.endSeconds) })
      owed.cover(to)
    }
    if (fromFinalize && from.finalized(to)) owed.cover(from.finalizedAt)
    if (further || awaited === undefined || owed.committed !== awaited) watch.clear()
    const forgotten = text === "" && owed.wordsEnd !== null && to - owed.wordsEnd >= FORGOTTEN_END_SAMPLES
    if ((isFinal && speechFinal) || fromFinalize || forgotten) owed.endpoint()
  }

  function hearUtteranceEnd(from: Link, lastWordEndSeconds: number | null) {
    const stale = lastWordEndSeconds !== null && owed.wordsEnd !== null && from.placeOf(lastWordEndSeconds) < owed.wordsEnd - STALE_SAMPLES
    if (!stale) owed.endpoint()
  }

  function endStream() {
    owed.end()
    queue.end()
    release()
  }

  function release() {
    life = "over"
    for (const alarm of [watch, redial, pause, idle, fullSocket]) alarm.clear()
    link?.terminate()
    link = undefined
    onOver()
  }

  return {
    accept(samples) {
      if (life !== "open") return
      owed.accept(samples)
      paused = false
      idle.set(timings.idleMs, closeIdle)
      pause.set(timings.pauseMs, () => {
        paused = true
        pump()
      })
      pump()
    },
    commit() {
      if (life !== "open") return
      owed.commit()
      pump()
    },
    finish() {
      if (life !== "open") return
      life = "finishing"
      owed.finish()
      pause.clear()
      pump()
    },
    events: queue.events,
    get pendingSamples() {
      return uncovered()
    },
    close() {
      if (life === "over") return
      owed.abandon()
      queue.cut()
      release()
    },
  }
}
