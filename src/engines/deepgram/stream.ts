/**
 * One client's speech through Deepgram: which audio goes to which socket when, what is still owed for it, and what happens
 * when a socket is lost. Knows no SDK and no wire: sockets come from `dial`.
 *
 * The whole state is a handful of places in the stream, in samples: covered ≤ sent ≤ accepted. Up to `covered` the words
 * are known or given up; from there on the audio is held and goes out again after a drop. A commit is a barrier: audio
 * behind it is sent only when it is settled, so that no answer can reach into the next utterance.
 */
import { msFromSamples, samplesFromMs } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { audioDroppedSeconds, finalSeconds, upstreamErrors, utterances as utterancesEnded } from "../../metrics.ts"
import { createEventQueue } from "../../speech/event-queue.ts"
import type { SpeechEvent } from "../../speech/events.ts"
import type { EngineError, Stream, StreamOptions } from "../engine.ts"
import { createAlarm } from "./alarm.ts"
import { stalled } from "./failures.ts"
import { createHeldAudio } from "./held-audio.ts"
import type { Results, UpstreamMessage } from "./messages.ts"
import { createOutage } from "./outage.ts"
import { createTimeline, type Timeline } from "./timeline.ts"
import type { Timings } from "./timings.ts"
import { type Upstream, type UpstreamEnd, type UpstreamListener, UTTERANCE_END_MS } from "./upstream.ts"
import { createUtterances } from "./utterances.ts"

export const ENGINE = "deepgram"

/** Times on the wire are rounded: a result that ends so close before what was sent covers all of it. */
const TOLERANCE_SAMPLES = samplesFromMs(10)

/** So much audio or less need not be "noticeable" to Deepgram, which then may leave a Finalize unanswered. */
const SMALL_SAMPLES = samplesFromMs(1_000)

/** Deepgram says something, if only silence, about every second of audio; after so much of it nothing at all is odd. */
const MUTE_SAMPLES = samplesFromMs(2_000)

/** Largest piece of audio in one message. */
const SLICE_SAMPLES = samplesFromMs(500)

/** Silence after the last word that ends an utterance even if Deepgram forgets to: a socket dialled anew does not know the words before it. */
const FORGOTTEN_END_SAMPLES = samplesFromMs(UTTERANCE_END_MS + 500)

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

interface Commit {
  /** The end of the utterance. */
  readonly at: number
  readonly committedAtMs: number
}

/** The current socket, from the dial to its end. */
interface Link {
  readonly upstream: Upstream
  readonly timeline: Timeline
  state: "connecting" | "open" | "draining"
  /** The next sample to send. */
  sent: number
  /** Where the last Finalize was sent; -1 before the first. */
  finalizedAt: number
  /** Finalizes without an answer so far, some of which may never get one. */
  finalizesOpen: number
  /** Samples sent since Deepgram last gave a result. */
  unheard: number
  /** Where the newest result ends. */
  heardTo: number
  unreadable: number
}

export function openStream({ dial, clock, timings, log, language, session, onOver }: StreamContext): Stream {
  const queue = createEventQueue<SpeechEvent>()
  const utterances = createUtterances(language === "auto" ? null : language, emit)
  const outage = createOutage(clock, timings)
  const audio = createHeldAudio({
    ceilingSamples: samplesFromMs(timings.heldMaxMs),
    onDropped: (samples) => countDropped(samples, "ceiling"),
  })
  /** Owed in this order; a commit settles as soon as `covered` reaches it. */
  const commits: Commit[] = []
  let covered = 0
  let link: Link | undefined
  let life: "open" | "finishing" | "over" = "open"
  /** The client has sent nothing for `pauseMs`. */
  let paused = false

  /** Deepgram owes an answer, or says nothing at all. */
  const watch = createAlarm(clock)
  const redial = createAlarm(clock)
  const pause = createAlarm(clock)
  const idle = createAlarm(clock)
  const fullSocket = createAlarm(clock)

  const uncovered = () => covered < audio.end

  // ---- what is owed ----

  function emit(event: SpeechEvent) {
    if (event.type === "failed") {
      log.warn("utterance failed", { session, engine: ENGINE, utterance: event.utterance, code: event.code, message: event.message })
      utterancesEnded.inc({ engine: ENGINE, outcome: event.code })
    } else {
      const { utterance, cause, startMs, endMs, text } = event
      log.debug("utterance ended", { session, engine: ENGINE, utterance, cause, startMs, endMs, characters: text.length })
      utterancesEnded.inc({ engine: ENGINE, outcome: text === "" ? "silence" : "text" })
    }
    queue.push(event)
  }

  function cover(to: number) {
    covered = Math.max(covered, Math.min(to, audio.end))
    audio.forget(covered)
  }

  function giveUpTo(at: number) {
    if (at > covered) countDropped(at - covered, "given up")
    cover(at)
  }

  function countDropped(samples: number, reason: string) {
    log.warn("audio dropped", { session, engine: ENGINE, reason, audioMs: msFromSamples(samples) })
    audioDroppedSeconds.inc({ engine: ENGINE }, msFromSamples(samples) / 1000)
  }

  function settleCommits() {
    for (let commit = commits[0]; commit && covered >= commit.at; commit = commits[0]) {
      commits.shift()
      watch.clear()
      if (commit.at > utterances.startSample) finalSeconds.observe({ engine: ENGINE }, (clock.now() - commit.committedAtMs) / 1000)
      utterances.end("commit", commit.at)
    }
  }

  function failCommits(error: EngineError, count = commits.length) {
    for (const { at } of commits.splice(0, count)) {
      giveUpTo(at)
      utterances.fail(error, at)
    }
  }

  /** Deepgram ends an utterance, unless the client does: a commit that is owed, or the end of the stream, ends it alone. */
  function endpoint() {
    const endedByClient = commits.length > 0 || (life === "finishing" && !uncovered())
    if (!endedByClient) utterances.endIfHeard("endpoint", covered)
  }

  // ---- the one step that follows every change ----

  function pump() {
    if (life === "over") return
    settleCommits()
    if (link === undefined) {
      if (uncovered()) wantLink()
      // Not an else: what was owed may have failed just now.
      if (!uncovered()) rest()
    } else if (link.state === "open") {
      sendMore(link)
      watchLink(link)
    }
  }

  /** Nothing is owed and no socket is open. */
  function rest() {
    if (life === "finishing") endStream()
    else if (paused) endpoint()
  }

  function wantLink() {
    const { reason, coolingMs } = outage
    if (reason !== undefined && coolingMs > 0) {
      // Too soon after giving up. Whoever waits for an answer gets the reason now; audio that no commit has ended may wait.
      failCommits(reason)
      if (life === "finishing") giveUpOpenAudio(reason)
      else if (uncovered() && !redial.isSet) redial.set(coolingMs, pump)
    } else if (!redial.isSet) {
      link = openLink()
    }
  }

  function sendMore(to: Link) {
    const commit = commits[0]
    const limit = commit?.at ?? audio.end
    while (to.sent < limit) {
      if (to.upstream.unsentBytes > timings.unsentMaxBytes) {
        fullSocket.set(FULL_SOCKET_MS, pump)
        return
      }
      const piece = audio.read(to.sent, limit, SLICE_SAMPLES)
      if (piece) sendPiece(to, piece.at, piece.samples)
      else to.sent = limit
    }
    if (commit) {
      if (to.finalizedAt !== commit.at) finalize(to)
    } else if (life === "finishing") {
      drain(to)
    } else if (paused && to.finalizedAt !== to.sent && (uncovered() || utterances.wordsEndSample !== null)) {
      finalize(to)
      awaitPauseAnswer()
    }
  }

  function sendPiece(to: Link, at: number, samples: Int16Array) {
    to.timeline.sent(at, samples.length)
    to.upstream.sendAudio(samples)
    to.sent = at + samples.length
    to.unheard += samples.length
  }

  function finalize(to: Link) {
    to.upstream.finalize()
    to.finalizedAt = to.sent
    to.finalizesOpen++
    watch.clear()
  }

  function drain(to: Link) {
    to.state = "draining"
    watch.clear()
    to.upstream.closeStream()
  }

  /** A pause has no barrier: if its Finalize stays unanswered, what was heard is the utterance. */
  function awaitPauseAnswer() {
    pause.set(timings.graceMs, () => {
      if (audio.end - covered > SMALL_SAMPLES) awaitPauseAnswer()
      else endpoint()
    })
  }

  function watchLink(to: Link) {
    if (watch.isSet || to.state !== "open") return
    const commit = commits[0]
    if (commit && to.finalizedAt === commit.at) {
      // CloseStream is always answered, so it asks once more what Finalize did not get.
      watch.set(commit.at - covered <= SMALL_SAMPLES ? timings.graceMs : timings.stallMs, () => drain(to))
    } else if (to.unheard > 0) {
      watch.set(timings.stallMs, () => {
        if (to.unheard >= MUTE_SAMPLES) dropLink(to, stalled())
      })
    }
  }

  // ---- sockets ----

  function openLink(): Link {
    const opened: Link = {
      upstream: dial({
        onOpen: () => {
          opened.state = "open"
          log.debug("upstream open", { session, engine: ENGINE })
          idle.set(timings.idleMs, closeIdle)
          pump()
        },
        onMessage: (message) => hear(opened, message),
        onEnded: (end) => linkEnded(opened, end),
      }),
      timeline: createTimeline(),
      state: "connecting",
      sent: covered,
      finalizedAt: -1,
      finalizesOpen: 0,
      unheard: 0,
      heardTo: covered,
      unreadable: 0,
    }
    return opened
  }

  function closeIdle() {
    if (link?.state === "open" && commits.length === 0) drain(link)
    else if (link) idle.set(timings.idleMs, closeIdle)
  }

  function dropLink(lost: Link, error: EngineError) {
    lost.upstream.terminate()
    linkEnded(lost, { clean: false, error })
  }

  function linkEnded(ended: Link, end: UpstreamEnd) {
    link = undefined
    watch.clear()
    fullSocket.clear()
    if (end.clean) {
      cover(ended.sent)
      outage.over()
      log.debug("upstream closed", { session, engine: ENGINE })
    } else {
      linkLost(ended, end.error)
    }
    pump()
  }

  function linkLost(lost: Link, error: EngineError) {
    const { code, message, providerCode, retryable } = error
    upstreamErrors.inc({ engine: ENGINE, code })
    log.warn("upstream lost", {
      session,
      engine: ENGINE,
      code,
      message,
      providerCode,
      retryable,
      owedMs: msFromSamples(audio.end - covered),
    })
    // Nothing that it was given is owed: the next audio may dial at once.
    if (lost.state !== "connecting" && lost.sent <= covered) return
    if (lost.state === "draining" && code === "timeout") {
      // Asked and waited for as long as we ever do: the same audio again would end the same way.
      if (commits[0]?.at === lost.sent) return failCommits(error, 1)
      if (commits.length === 0 && life === "finishing") return giveUpOpenAudio(error)
    }
    const waitMs = outage.failed(error)
    if (waitMs !== null) redial.set(waitMs, pump)
    else giveUp(error)
  }

  function giveUp(error: EngineError) {
    failCommits(error)
    if (uncovered()) giveUpOpenAudio(error)
  }

  /** Audio that no commit has ended. What was heard of it stands; the rest fails once an outage, not with each dial. */
  function giveUpOpenAudio(error: EngineError) {
    utterances.endIfHeard(life === "finishing" ? "close" : "endpoint", covered)
    giveUpTo(audio.end)
    if (outage.givenUp <= 1 || life === "finishing") utterances.fail(error, covered)
  }

  // ---- what Deepgram says ----

  function hear(from: Link, message: UpstreamMessage) {
    if (message.kind === "results") hearResults(from, message)
    else if (message.kind === "utterance_end") hearUtteranceEnd(from, message.lastWordEndSeconds)
    else if (message.kind === "unreadable") countUnreadable(from)
    pump()
  }

  function hearResults(from: Link, results: Results) {
    const place = (seconds: number) => placeIn(from, seconds)
    const to = place(results.endSeconds)
    from.unheard = 0
    if (to > from.heardTo || commits.length === 0) watch.clear()
    from.heardTo = Math.max(from.heardTo, to)
    if (results.isFinal) {
      const { text, language, speech } = results
      if (text !== "") utterances.hear({ text, language, startSample: place(speech.startSeconds), endSample: place(speech.endSeconds) })
      if (to > covered) outage.over()
      cover(to)
    }
    if (results.fromFinalize) hearFinalized(from, to)
    const wordsEnd = utterances.wordsEndSample
    const forgotten = results.text === "" && wordsEnd !== null && to - wordsEnd >= FORGOTTEN_END_SAMPLES
    if ((results.isFinal && results.speechFinal) || results.fromFinalize || forgotten) endpoint()
  }

  /** Never beyond what was sent, whatever the other clock says; and what is all but there is there. */
  function placeIn(from: Link, seconds: number): number {
    const place = from.timeline.placeOf(seconds)
    return place >= from.sent - TOLERANCE_SAMPLES ? from.sent : place
  }

  /** Finalizes may stay unanswered or be answered late: with more than one open, only the place says whose answer this is. */
  function hearFinalized(from: Link, to: number) {
    const only = from.finalizesOpen <= 1
    from.finalizesOpen = Math.max(0, from.finalizesOpen - 1)
    const commit = commits[0]
    if (commit && from.finalizedAt === commit.at && (only || to >= commit.at)) cover(commit.at)
  }

  function hearUtteranceEnd(from: Link, lastWordEndSeconds: number | null) {
    const wordsEnd = utterances.wordsEndSample
    // One that belongs to words already delivered must not cut the next utterance.
    const stale = wordsEnd !== null && lastWordEndSeconds !== null && placeIn(from, lastWordEndSeconds) < wordsEnd - SMALL_SAMPLES / 2
    if (!stale) endpoint()
  }

  function countUnreadable(from: Link) {
    upstreamErrors.inc({ engine: ENGINE, code: "unreadable" })
    if (from.unreadable++ === 0) log.warn("upstream message unreadable", { session, engine: ENGINE })
  }

  // ---- the end ----

  function endStream() {
    if (audio.end > utterances.startSample) utterances.end("close", audio.end)
    queue.end()
    release()
  }

  function release() {
    life = "over"
    for (const alarm of [watch, redial, pause, idle, fullSocket]) alarm.clear()
    link?.upstream.terminate()
    link = undefined
    cover(audio.end)
    onOver()
  }

  return {
    accept(samples) {
      if (life !== "open" || samples.length === 0) return
      audio.push(samples)
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
      commits.push({ at: audio.end, committedAtMs: clock.now() })
      pump()
    },
    finish() {
      if (life !== "open") return
      life = "finishing"
      pause.clear()
      pump()
    },
    events: queue.events,
    get pendingSamples() {
      return life === "over" ? 0 : audio.end - covered
    },
    close() {
      if (life === "over") return
      utterancesEnded.inc({ engine: ENGINE, outcome: "aborted" }, commits.length)
      commits.length = 0
      queue.cut()
      release()
    },
  }
}
