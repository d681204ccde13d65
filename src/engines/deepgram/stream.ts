/**
 * One client's speech through Deepgram: ties together what is owed (`owed`), the socket (`line`), what goes out on it
 * (`sending`) and what comes in (`hearing`). Knows no SDK and no wire: sockets come from `dial`.
 *
 * Everything that happens changes a place or a state and then calls `pump`, which does what is due.
 */
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { upstreamErrors } from "../../metrics.ts"
import { createEventQueue } from "../../speech/event-queue.ts"
import type { SpeechEvent } from "../../speech/events.ts"
import type { Stream, StreamOptions } from "../engine.ts"
import { createHearing } from "./hearing.ts"
import { createLine } from "./line.ts"
import type { Link } from "./link.ts"
import type { UpstreamMessage } from "./messages.ts"
import { createOutcomes, uncounted } from "./outcomes.ts"
import { createOwed } from "./owed.ts"
import { createSending } from "./sending.ts"
import type { Timings } from "./timings.ts"
import type { Upstream, UpstreamListener } from "./upstream.ts"
import { createUtterances } from "./utterances.ts"
import { type Asked, createWanted } from "./wanted.ts"

export const ENGINE = "deepgram"

export interface StreamContext {
  readonly options: StreamOptions
  readonly dial: (asked: Asked, listener: UpstreamListener) => Upstream
  readonly clock: Clock
  readonly timings: Timings
  /** Whether its utterances are counted and logged here. */
  readonly counts: boolean
  readonly log: Log
  /** No socket and no timer is left. */
  readonly onOver: () => void
}

export function openStream({ options, dial, clock, timings, counts, log, onOver }: StreamContext): Stream {
  const { session, interims, words } = options
  const endpointing = options.endpointing !== null
  const named = { engine: ENGINE, session, log }
  const queue = createEventQueue<SpeechEvent>()
  const wanted = createWanted(options)
  const outcomes = counts ? createOutcomes(named) : uncounted
  const language = () => (wanted.asked.language === "auto" ? null : wanted.asked.language)
  const utterances = createUtterances({ endpointing, interims, words, language, emit })
  const owed = createOwed({ ...named, endpointing, heldMaxMs: timings.heldMaxMs, clock, utterances, outcomes })
  const line = createLine({
    ...named,
    dial,
    clock,
    timings,
    owed,
    wanted,
    onOpen: () => {
      sending.opened()
      pump()
    },
    onMessage: hear,
    onEnded: () => sending.ended(),
    onChange: pump,
  })
  const sending = createSending({ owed, wanted, line, clock, timings, onChange: pump })
  const hearing = createHearing({ owed, wanted, onProgress: line.works, onAnswered: sending.answered })
  let over = false
  /** Messages that we could not read. */
  let unreadable = 0

  const uncovered = () => owed.accepted - owed.covered

  function emit(event: SpeechEvent) {
    outcomes.note(event)
    queue.push(event)
  }

  function pump() {
    if (over) return
    if (!owed.isOpen) wanted.advance(owed.covered)
    if (line.link && line.link.asked !== wanted.asked) line.hangUp()
    if (line.link === undefined) {
      if (uncovered() > 0) line.want()
      // Not an else: what was owed may have failed just now.
      if (uncovered() === 0) rest()
    } else if (line.link.state === "open") {
      sending.pump(line.link)
    }
  }

  /** Nothing is owed and no socket is there. */
  function rest() {
    if (owed.finishing) endStream()
    else if (sending.paused) owed.endpoint()
  }

  function hear(from: Link, message: UpstreamMessage) {
    if (message.kind === "results") hearing.hearResults(from, message)
    else if (message.kind === "speech_started") hearing.hearStart(from, message.atSeconds)
    else if (message.kind === "utterance_end") hearing.hearEnd(from, message.lastWordEndSeconds)
    else if (message.kind === "unreadable") {
      upstreamErrors.inc({ engine: ENGINE, code: "unreadable" })
      if (unreadable++ === 0) log.warn("upstream message unreadable", { session, engine: ENGINE })
    }
    pump()
  }

  function endStream() {
    owed.end()
    queue.end()
    release()
  }

  function release() {
    over = true
    sending.close()
    line.close()
    onOver()
  }

  const takesMore = () => !over && !owed.finishing

  return {
    accept(samples) {
      if (!takesMore()) return
      owed.accept(samples)
      sending.accepted()
      pump()
    },
    commit() {
      if (!takesMore()) return
      owed.commit()
      pump()
    },
    clear() {
      if (!takesMore()) return
      owed.clear()
      pump()
    },
    configure(changes) {
      if (!takesMore()) return
      wanted.change(owed.accepted, changes)
      pump()
    },
    finish() {
      if (!takesMore()) return
      owed.finish()
      sending.finished()
      pump()
    },
    events: queue.events,
    get pendingSamples() {
      return uncovered()
    },
    close() {
      if (over) return
      owed.abandon()
      queue.cut()
      release()
    },
  }
}
