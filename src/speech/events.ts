/**
 * The one vocabulary between engines and dialects: what happened in a stream of speech. Dialects translate it to a wire;
 * they add nothing to it and hold no audio.
 *
 * Invariants, per stream: utterances end in order, and each ends in exactly one terminator: a `final` with `end: true`, a
 * `failed`, or a `cleared` while it was still open. Every commit yields exactly one terminator of its own, even of an empty
 * utterance. Of one utterance: speech_start? → partial* and final(end: false)* → speech_end? → terminator; while the words of
 * one are still owed, the next may already have its speech_start and partials. `utterance` never falls within the terminators,
 * nor within the other events. Without endpointing there is no speech_start and no speech_end.
 * Times are ms of audio since the stream began, and never fall from one final to the next.
 */
import type { EngineErrorCode } from "../engines/engine-error.ts"
import type { Word } from "./transcript.ts"

export type SpeechEvent = SpeechStartEvent | PartialEvent | FinalEvent | SpeechEndEvent | FailedEvent | ClearedEvent

/** Somebody began to speak. Never taken back, except by `cleared`. */
export interface SpeechStartEvent {
  readonly type: "speech_start"
  /** Index of the utterance in its stream, from 0. */
  readonly utterance: number
  /** Where the audio of the utterance begins, the pre-roll included. */
  readonly atMs: number
}

/** What the segment that is being spoken sounds like so far; replaces the partial before it. */
export interface PartialEvent {
  readonly type: "partial"
  readonly utterance: number
  /** Index of the segment in its utterance, from 0. */
  readonly segment: number
  /** Trimmed, the whole segment so far; never "" twice in a row. */
  readonly text: string
  /** The first so many UTF-16 units of `text` stand: every later partial and the final of this segment begin with them. Never falls. */
  readonly stable: number
  readonly startMs: number
  /** Up to where the audio was heard. */
  readonly endMs: number
  /** How much audio had been accepted beyond `endMs` when this was told: what the listener is behind. Grows when the machine is full. */
  readonly lagMs: number
}

/** Why an utterance ended: the engine heard its end, the caller said so, it grew too long, or the stream was finished. */
export type EndCause = "endpoint" | "commit" | "max" | "close"

/** Words that will not change any more. */
export interface FinalEvent {
  readonly type: "final"
  readonly utterance: number
  readonly segment: number
  /** Trimmed; may be "". */
  readonly text: string
  readonly startMs: number
  readonly endMs: number
  /** True on the last segment of its utterance. */
  readonly end: boolean
  readonly cause: EndCause
  readonly language: string | null
  /** 0 to 1: how sure the engine is of its words; null if it does not say, or if there are none. */
  readonly confidence: number | null
  readonly avgLogprob: number | null
  readonly noSpeechProb: number | null
  /** Times as here, in the stream; null if none were asked for or the engine has none. */
  readonly words: readonly Word[] | null
}

/** The speaker stopped: told before the last final, once the trailing silence was long enough or the utterance grew too long. */
export interface SpeechEndEvent {
  readonly type: "speech_end"
  readonly utterance: number
  /** Where the utterance was ended, the trailing silence included. */
  readonly atMs: number
}

/** Stands in the place of the last `final`: these words are lost, and why. The stream goes on. */
export interface FailedEvent {
  readonly type: "failed"
  readonly utterance: number
  /** What had ended the utterance; null if it failed while it was still open. With `commit` this is the answer to that commit. */
  readonly cause: EndCause | null
  readonly code: EngineErrorCode
  /** One line for a log or a developer; never a transcript, a key or a raw upstream body. */
  readonly message: string
}

/** Answers each `clear`, in its order among the terminators: the open utterance, if one had begun, is forgotten. */
export interface ClearedEvent {
  readonly type: "cleared"
  /** Of the utterance that was given up; null if none had begun. */
  readonly utterance: number | null
}
