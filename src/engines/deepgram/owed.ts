/**
 * What one stream owes its client: the audio whose words are not known yet, the commits and clears without an answer, the
 * utterances. Knows no socket and no time but the one it measures answers with.
 */
import { msFromSamples, samplesFromMs } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { audioDroppedSeconds } from "../../metrics.ts"
import type { EndCause } from "../../speech/events.ts"
import type { EngineError } from "../engine.ts"
import { createHeldAudio, type HeldAudio } from "./held-audio.ts"
import type { Outcomes } from "./outcomes.ts"
import type { HeardWords, Utterances } from "./utterances.ts"

/** Places are samples since the stream began: covered ≤ commit ≤ accepted. */
export interface Owed {
  accept(samples: Int16Array): void
  commit(): void
  clear(): void
  /** Where the audio ends so far. */
  readonly accepted: number
  /** Up to here the words are known or given up; from here on the audio is held. */
  readonly covered: number
  /** The end of the oldest utterance that a commit ended and nobody answered yet. */
  readonly committed: number | undefined
  /** Nothing before it is wanted any more, whatever was sent of it. */
  readonly cleared: number
  readonly read: HeldAudio["read"]
  /** Whether an utterance is open at `covered`. */
  readonly isOpen: boolean
  /** Somebody speaks from this place on. */
  start(atSample: number): void
  /** Words of audio up to `heardSample` that may still change. */
  hearInterim(words: HeardWords, heardSample: number): void
  /** Words that stand, and what they end, at `covered`. */
  hearFinal(words: HeardWords): void
  /** Everything that a message brought was heard. */
  settle(): void
  /** Where somebody began to speak; null if nobody did yet. */
  readonly begun: number | null
  /** Where the last word of the open utterance ends; null before the first. */
  readonly wordsEnd: number | null
  /** The words up to `to` are known. Answers the commits it reaches. */
  cover(to: number): void
  /** The engine heard the end of speech, or will not wait for it: ends the open utterance if somebody spoke, and if it may. */
  endpoint(cause?: "endpoint" | "max"): void
  /** The oldest commits fail; all of them by default. */
  failCommits(error: EngineError, count?: number): void
  /** Lets go of the audio that no commit has ended. What was heard of it stands; `error` tells of the rest, unless it was told before. */
  giveUpOpenAudio(error: EngineError, told: boolean): void
  /** No more audio will come: the last utterance ends with cause `close`. */
  finish(): void
  readonly finishing: boolean
  /** After `finish`, with everything covered: ends the last utterance. */
  end(): void
  /** Lets go of everything without a word. */
  abandon(): void
}

export interface OwedOptions {
  readonly engine: string
  readonly session: string
  /** Whether the engine ends utterances by itself. */
  readonly endpointing: boolean
  readonly heldMaxMs: number
  readonly clock: Clock
  readonly log: Log
  readonly utterances: Utterances
  readonly outcomes: Outcomes
}

/** What the client said, after how much audio. */
type Order = { readonly type: "commit"; readonly at: number; readonly atMs: number } | { readonly type: "clear"; readonly at: number }

export function createOwed({ engine, session, endpointing, heldMaxMs, clock, log, utterances, outcomes }: OwedOptions): Owed {
  const audio = createHeldAudio({ ceilingSamples: samplesFromMs(heldMaxMs), onDropped: (samples) => countDropped(samples, "ceiling") })
  /** Without an answer so far; a clear only behind a commit. */
  const orders: Order[] = []
  let covered = 0
  let cleared = 0
  let finishing = false

  const commitsOwed = () => orders.filter(({ type }) => type === "commit").length

  function countDropped(samples: number, reason: string) {
    log.warn("audio dropped", { session, engine, reason, audioMs: msFromSamples(samples) })
    audioDroppedSeconds.inc({ engine }, msFromSamples(samples) / 1000)
  }

  function moveTo(at: number) {
    covered = Math.max(covered, at)
    audio.forget(covered)
  }

  function giveUpTo(at: number) {
    if (at > covered) countDropped(at - covered, "given up")
    moveTo(at)
  }

  function answer() {
    for (let order = orders[0]; order && (order.type === "clear" || covered >= order.at); order = orders[0]) {
      orders.shift()
      if (order.type === "clear") {
        cleared = order.at
        moveTo(cleared)
        utterances.clear(cleared)
      } else {
        // An utterance without audio asked nothing of the engine and would only flatter it.
        if (order.at > utterances.startSample) outcomes.answered(clock.now() - order.atMs)
        utterances.end("commit", order.at)
      }
    }
  }

  function give(order: Order) {
    orders.push(order)
    answer()
  }

  /** Without endpointing it is open from its first sample on. */
  function isOpenAt(at: number): boolean {
    return utterances.begunSample !== null || (!endpointing && at > utterances.startSample)
  }

  return {
    accept: audio.push,
    commit: () => give({ type: "commit", at: audio.end, atMs: clock.now() }),
    clear: () => give({ type: "clear", at: audio.end }),
    get accepted() {
      return audio.end
    },
    get covered() {
      return covered
    },
    get committed() {
      return orders[0]?.at
    },
    get cleared() {
      return cleared
    },
    read: audio.read,
    get isOpen() {
      return isOpenAt(covered)
    },
    start: utterances.start,
    hearInterim: (words, heardSample) => utterances.hearInterim(words, { heardSample, acceptedSample: audio.end }),
    hearFinal: utterances.hearFinal,
    settle: utterances.settle,
    get begun() {
      return utterances.begunSample
    },
    get wordsEnd() {
      return utterances.wordsEndSample
    },
    cover(to) {
      moveTo(Math.min(to, audio.end))
      answer()
    },
    endpoint(cause = "endpoint") {
      // What the client ends, it ends alone: at its commit, or with the stream.
      const endedByClient = !endpointing || orders.length > 0 || (finishing && covered === audio.end)
      if (!endedByClient && utterances.begunSample !== null) utterances.end(cause, covered)
    },
    failCommits(error, count = commitsOwed()) {
      for (let failed = 0; failed < count && orders.length > 0; answer()) {
        const { at } = orders.shift() as Order
        giveUpTo(at)
        utterances.fail(error, "commit", at)
        failed++
      }
    },
    giveUpOpenAudio(error, told) {
      const cause: EndCause = finishing ? "close" : "endpoint"
      if (endpointing && utterances.wordsEndSample !== null) utterances.end(cause, covered)
      giveUpTo(audio.end)
      if (!told || finishing) utterances.fail(error, finishing ? "close" : null, covered)
    },
    finish() {
      finishing = true
    },
    get finishing() {
      return finishing
    },
    end() {
      if (isOpenAt(audio.end)) utterances.end("close", audio.end)
    },
    abandon() {
      outcomes.abandoned(commitsOwed())
      orders.length = 0
      moveTo(audio.end)
    },
  }
}
