/**
 * The whole talk between the server and its voice activity process, over Bun's IPC (structured clone). Types only.
 *
 *   server → process   init, then any number of windows, one message at a time
 *   process → server   ready or failed answers init; exactly one probabilities answers each windows
 *
 * The process remembers nothing between two messages: what a stream leaves behind goes back with the answer and comes
 * again with its next windows. So a message that a dying process left unanswered is sent to the next one as it is, and the
 * numbers are the same. The process ends when the channel closes, or when it cannot do its work.
 */

/** What the model hears before each window, from the window before it. */
export const CONTEXT_SAMPLES = 64

/** What the model carries from one window of a stream to the next: two layers of 128. */
export const STATE_FLOATS = 256

export type ToVad = Init | Windows
export type FromVad = Ready | Failed | Probabilities

/** The first message. */
export interface Init {
  readonly type: "init"
  /** Folders that may be written to, best first. */
  readonly cacheDirs: readonly string[]
}

/** Waiting windows of several streams, the streams in any order. Arrays MUST span their whole buffers: the clone carries the buffer. */
export interface Windows {
  readonly type: "windows"
  /** How many windows each stream brings: at least one. */
  readonly counts: readonly number[]
  /** One stream behind the other: its context, then its windows. */
  readonly samples: Int16Array
  /** `STATE_FLOATS` a stream; zeros for one without a past. */
  readonly states: Float32Array
}

export interface Ready {
  readonly type: "ready"
  readonly loadMs: number
}

/** The process could not load, and will not. */
export interface Failed {
  readonly type: "failed"
  /** One line for an operator. */
  readonly message: string
}

export interface Probabilities {
  readonly type: "probabilities"
  /** One a window, in the order of the windows. */
  readonly probabilities: Float32Array
  /** As in `Windows`, after the last of them. */
  readonly states: Float32Array
}
