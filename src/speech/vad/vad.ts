/**
 * The port behind which voice activity detection sits: samples in, probabilities of speech out. Types and laws only.
 * One detector serves all streams of the server; the state of a stream lives in its `VadStream`.
 */

/** What one probability speaks of: 32 ms. */
export const WINDOW_SAMPLES = 512

export interface VoiceActivityDetector {
  /**
   * A stream without any past. `hear` is called with the probabilities, 0 to 1, of whole windows: each window exactly once, in
   * order, in groups of any size, never from within `accept`. It MUST be the same numbers for any slicing of the same samples and for any
   * company of other streams. `fail` is called at most once, with an EngineError, if there will be no more of them.
   */
  open(hear: (probabilities: readonly number[]) => void, fail: (error: unknown) => void): VadStream
  /** Resolves once a window would be answered without loading anything; rejects with an EngineError if that cannot be. Starts it if need be. */
  ready(): Promise<void>
  /** Idempotent. Open streams hear nothing more. */
  close(): Promise<void>
}

export interface VadStream {
  /** 16 kHz mono, any length: what does not fill a window waits for the next call. The array MUST NOT change afterwards. */
  accept(samples: Int16Array): void
  /** Idempotent. Nothing is heard afterwards. */
  close(): void
}
