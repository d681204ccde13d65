/** Every duration and ceiling of the Deepgram engine, in one place. */

export interface Timings {
  /** From the dial to an open socket. */
  readonly connectMs: number
  /** Deepgram closes a socket after 10 s without audio or KeepAlive and asks for one every 3 to 5 s. */
  readonly keepAliveMs: number
  /** Without audio for so long, the socket is closed: an idle one is billed and counts against the account's limit. */
  readonly idleMs: number
  /** No audio from the client for so long is a pause: what Deepgram still holds back is asked for. */
  readonly pauseMs: number
  /** How long a Finalize may stay unanswered when little or nothing is owed: then Deepgram need not answer it. */
  readonly graceMs: number
  /** How long Deepgram may say nothing new while it owes words. */
  readonly stallMs: number
  /** From CloseStream to the end of the socket. */
  readonly closeMs: number
  /** Before the first dial after a failure; doubles with each. */
  readonly redialMs: number
  /** How long an outage may last before what is owed is given up. */
  readonly recoveryMs: number
  /** After giving up, before the next dial; doubles with each time, up to `cooldownMaxMs`. */
  readonly cooldownMs: number
  readonly cooldownMaxMs: number
  /**
   * The most audio one stream holds for its words and for a replay; beyond it the oldest is let go. The longest message of
   * the documented client is 250 s.
   */
  readonly heldMaxMs: number
  /** The most that waits inside one socket; beyond it audio stays with the stream, and a peer that never reads is stalled. */
  readonly unsentMaxBytes: number
}

export const DEFAULT_TIMINGS: Timings = {
  connectMs: 5_000,
  keepAliveMs: 4_000,
  idleMs: 60_000,
  pauseMs: 2_000,
  graceMs: 1_500,
  stallMs: 10_000,
  closeMs: 5_000,
  redialMs: 250,
  recoveryMs: 15_000,
  cooldownMs: 2_000,
  cooldownMaxMs: 30_000,
  heldMaxMs: 300_000,
  unsentMaxBytes: 1024 * 1024,
}
