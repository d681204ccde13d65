/**
 * What one stream owes its client: the audio whose words are not known yet, the commits without an answer, the utterances.
 * Knows no socket and no time but the one it measures answers with.
 */
import { msFromSamples, samplesFromMs } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { audioDroppedSeconds, finalSeconds, utterances as utterancesEnded } from "../../metrics.ts"
import type { SpeechEvent } from "../../speech/events.ts"
import type { EngineError, Language } from "../engine.ts"
import { createHeldAudio, type HeldAudio } from "./held-audio.ts"
import { createUtterances, type HeardWords } from "./utterances.ts"

/** Places are samples since the stream began: covered ≤ commit ≤ accepted. */
export interface Owed {
  accept(samples: Int16Array): void
  commit(): void
  /** Where the audio ends so far. */
  readonly accepted: number
  /** Up to here the words are known or given up; from here on the audio is held. */
  readonly covered: number
  /** The end of the oldest utterance that a commit ended and nobody answered yet. */
  readonly committed: number | undefined
  readonly read: HeldAudio["read"]
  hear(words: HeardWords): void
  /** Where the last word of the open utterance ends; null before the first. */
  readonly wordsEnd: number | null
  /** The words up to `to` are known. Answers the commits it reaches. */
  cover(to: number): void
  /** The engine heard the end of speech: ends the open utterance if it has words. */
  endpoint(): void
  /** The oldest commits fail; all of them by default. */
  failCommits(error: EngineError, count?: number): void
  /** Lets go of the audio that no commit has ended. What was heard of it stands; `error` tells of the rest, unless it was told before. */
  giveUpOpenAudio(error: EngineError, told: boolean): void
  /** No more audio will come: the last utterance ends with cause `close`. */
  finish(): void
  /** After `finish`, with everything covered: ends the last utterance. */
  end(): void
  /** Lets go of everything without a word. */
  abandon(): void
}

export interface OwedOptions {
  readonly engine: string
  readonly session: string
  readonly language: Language
  readonly heldMaxMs: number
  readonly clock: Clock
  readonly log: Log
  readonly onEvent: (event: SpeechEvent) => void
}

export function createOwed({ engine, session, language, heldMaxMs, clock, log, onEvent }: OwedOptions): Owed {
  const utterances = createUtterances(language === "auto" ? null : language, emit)
  const audio = createHeldAudio({ ceilingSamples: samplesFromMs(heldMaxMs), onDropped: (samples) => countDropped(samples, "ceiling") })
  const commits: { readonly at: number; readonly committedAtMs: number }[] = []
  let covered = 0
  let finishing = false

  function emit(event: SpeechEvent) {
    const { utterance } = event
    if (event.type === "failed") {
      log.warn("utterance failed", { session, engine, utterance, code: event.code, message: event.message })
      utterancesEnded.inc({ engine, outcome: event.code })
    } else {
      const { cause, startMs, endMs, text } = event
      log.debug("utterance ended", { session, engine, utterance, cause, startMs, endMs, characters: text.length })
      utterancesEnded.inc({ engine, outcome: text === "" ? "silence" : "text" })
    }
    onEvent(event)
  }

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

  function answerCommits() {
    for (let commit = commits[0]; commit && covered >= commit.at; commit = commits[0]) {
      commits.shift()
      // An utterance without audio asked nothing of the engine and would only flatter it.
      if (commit.at > utterances.startSample) finalSeconds.observe({ engine }, (clock.now() - commit.committedAtMs) / 1000)
      utterances.end("commit", commit.at)
    }
  }

  return {
    accept: audio.push,
    commit() {
      commits.push({ at: audio.end, committedAtMs: clock.now() })
      answerCommits()
    },
    get accepted() {
      return audio.end
    },
    get covered() {
      return covered
    },
    get committed() {
      return commits[0]?.at
    },
    read: audio.read,
    hear: utterances.hear,
    get wordsEnd() {
      return utterances.wordsEndSample
    },
    cover(to) {
      moveTo(Math.min(to, audio.end))
      answerCommits()
    },
    endpoint() {
      // What the client ends, it ends alone: at its commit, or with the stream.
      const endedByClient = commits.length > 0 || (finishing && covered === audio.end)
      if (!endedByClient) utterances.endIfHeard("endpoint", covered)
    },
    failCommits(error, count = commits.length) {
      for (const { at } of commits.splice(0, count)) {
        giveUpTo(at)
        utterances.fail(error, at)
      }
    },
    giveUpOpenAudio(error, told) {
      utterances.endIfHeard(finishing ? "close" : "endpoint", covered)
      giveUpTo(audio.end)
      if (!told || finishing) utterances.fail(error, covered)
    },
    finish() {
      finishing = true
    },
    end() {
      if (audio.end > utterances.startSample) utterances.end("close", audio.end)
    },
    abandon() {
      utterancesEnded.inc({ engine, outcome: "aborted" }, commits.length)
      commits.length = 0
      moveTo(audio.end)
    },
  }
}
