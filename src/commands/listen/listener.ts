/**
 * Whoever hears a stream of sound for `listen`, in this program or behind an address: sound in, the lines of mode `events` out.
 * Types and laws only.
 */

export interface Listener {
  /** JSON, in order; ends behind `done` or a fatal `error`. Throws an Error of one line if nobody listens any more. */
  readonly lines: AsyncIterable<string>
  /** Resolves once more may be given. What comes after `finish`, or when nobody listens any more, is ignored. */
  send(bytes: Uint8Array): Promise<void>
  /** No more sound comes: what was said is answered, and the lines end. */
  finish(): void
  /** Idempotent. */
  close(): Promise<void>
}
