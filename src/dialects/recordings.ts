/**
 * What a dialect may ask about a whole recording. Types and laws only; `server/recordings.ts` answers, over the same engine
 * and under the same limits as the sockets.
 */
import type { AudioFormat } from "../audio/input.ts"
import type { Language } from "../engines/engine.ts"
import type { Segment } from "../speech/transcript.ts"

export interface RecordingOptions {
  /** ISO 639-1 or `auto`: detected for each part. */
  readonly language: Language
  /** As Utterance.prompt. */
  readonly prompt?: string | undefined
  /** Whether the times of the words are wanted: `Segment.words`. */
  readonly words: boolean
  /** As Utterance.translate. Refused as `unsupported` where the engine cannot. Default false. */
  readonly translate?: boolean | undefined
  /** The bytes are samples without a container. Unset: a file of any kind, known by its bytes. */
  readonly raw?: AudioFormat | undefined
  /** Which channel is heard, counted from 0. Default `mix`. For several, ask for each. Not with `raw`, whose format says it. */
  readonly channel?: "mix" | number | undefined
}

/** The words of the next stretch of the recording; none of them will change. */
export interface RecordingPart {
  /** In order, with times since the start of the recording; none in silence. As Transcript.segments otherwise. */
  readonly segments: readonly Segment[]
  /** Trimmed, single-spaced; "" when nobody spoke. */
  readonly text: string
  /** Of this stretch; null if nobody spoke or the engine does not say. */
  readonly language: string | null
  /** Up to where the recording was heard: the progress, and in the last part the length of the whole. */
  readonly endMs: number
}

/** Its bytes: all of them, or while they come, which counts as a long recording. */
export type RecordingSource = readonly Uint8Array[] | AsyncIterable<Uint8Array>

export interface Recordings {
  /**
   * The words of a recording, part by part and in order; at least one part. Decoding and hearing begin with the first `next`
   * and run a little ahead of the reader. Throws a Refused or an EngineError (see `refusalOf`), perhaps after some parts; once
   * the signal aborts or the reader returns, all work for it ends. A short one for which no engine is free in time is refused as
   * `overloaded`; long ones wait, and leave a way past them.
   */
  transcribe(source: RecordingSource, options: RecordingOptions, signal: AbortSignal): AsyncIterable<RecordingPart>
}
