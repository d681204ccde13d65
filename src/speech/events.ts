/**
 * The one vocabulary between engines and dialects: what happened in a stream of speech. Dialects translate it to a wire;
 * they add nothing to it and hold no audio.
 *
 * Invariants, per stream: utterances end in order; each ends in exactly one terminator, a `final` with `end: true` or a
 * `failed`; every commit yields exactly one terminator, even an empty one. Times are ms of audio since the stream began.
 */
import type { EngineErrorCode } from "../engines/engine-error.ts"

export type SpeechEvent = FinalEvent | FailedEvent

/** Why an utterance ended: the engine heard its end, the caller said so, it grew too long, or the stream was finished. */
export type EndCause = "endpoint" | "commit" | "max" | "close"

/** Words that will not change any more. */
export interface FinalEvent {
  readonly type: "final"
  /** Index of the utterance in its stream, from 0. */
  readonly utterance: number
  /** Trimmed; may be "". */
  readonly text: string
  readonly startMs: number
  readonly endMs: number
  /** True on the last segment of its utterance. */
  readonly end: boolean
  readonly cause: EndCause
  readonly language: string | null
  readonly avgLogprob: number | null
  readonly noSpeechProb: number | null
}

/** Stands in the place of the last `final`: these words are lost, and why. The stream goes on. */
export interface FailedEvent {
  readonly type: "failed"
  readonly utterance: number
  readonly code: EngineErrorCode
  /** One line for a log or a developer; never a transcript, a key or a raw upstream body. */
  readonly message: string
}
