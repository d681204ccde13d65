/**
 * The port behind which recordings become sound: a file of any kind in, 16 kHz mono out. Types and laws only. What a file is,
 * is told by its first bytes, never by a name.
 */

import type { Work } from "../../permits.ts"

/** What is heard of a recording of several channels: the mean of all, or one of them, counted from 0. */
export type Channel = "mix" | number

export interface DecodeOptions {
  /** Ends the work at once; the reader gets an EngineError `aborted`. */
  readonly signal: AbortSignal
  /** A recording that lasts longer is refused, however few its bytes are: as soon as that shows, perhaps after many pieces. */
  readonly maxSeconds: number
  /** A source of more bytes is refused. */
  readonly maxBytes: number
  /** Default `mix`. A channel that the recording does not have is refused. */
  readonly channel?: Channel | undefined
  /** Whose turn it is when processes are scarce: a long recording keeps one for as long as it is heard. Default: short, of nobody. */
  readonly work?: Work
}

export interface Decoder {
  /**
   * The recording, piece by piece, 16 kHz mono, each piece in memory of its own. The source is read only as fast as the pieces
   * are taken, and its `return` is called when the pieces end early.
   *
   * What is cut off or damaged in the middle gives what can be heard of it. The pieces end with an EngineError `bad_audio`, one
   * line for the sender of the file, if there is nothing to hear, if it is longer than allowed, or if its decoding broke. That
   * error may come after pieces. Errors of the source pass through as they are. `overloaded`: too many wait for a process.
   */
  decodeRecording(source: AsyncIterable<Uint8Array> | Uint8Array, options: DecodeOptions): AsyncIterable<Int16Array>
  /** Idempotent. Running work ends with `aborted`. */
  close(): Promise<void>
}
