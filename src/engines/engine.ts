/**
 * The ports behind which every engine sits. Types and laws only; their errors stand in `engine-error.ts`.
 *
 * A `Transcriber` turns one whole utterance into words; it is shared by all clients and holds the model or the account.
 * An `Engine` opens one `Stream` per client, and all state of that client lives in its stream: nothing of one client can
 * reach another. `speech/utterances.ts` lifts a Transcriber to an Engine.
 */
import type { SpeechEvent } from "../speech/events.ts"
import type { Transcript } from "../speech/transcript.ts"

export { EngineError, type EngineErrorCode, type EngineErrorOptions } from "./engine-error.ts"

/** `auto`: the engine detects the language of each utterance. */
export type Language = "auto" | (string & {})

export interface Utterance {
  /** 16 kHz mono. The callee MUST NOT write to it or keep it after it settled. */
  readonly samples: Int16Array
  /** ISO 639-1 or `auto`. */
  readonly language: Language
}

export interface Transcriber {
  /** The provider's name in settings, logs and metrics. */
  readonly name: string
  /** May change until `ready`: a model that cannot be had may have a stand-in. */
  readonly model: string
  /** How many utterances it works on at once without one waiting for another. */
  readonly concurrency: number
  /**
   * The words of one utterance. Silence MUST give a transcript with text "", not an error. MUST reject with an EngineError
   * only; with code `aborted` soon after `signal` aborts, and then deliver nothing.
   */
  transcribe(utterance: Utterance, signal: AbortSignal): Promise<Transcript>
  /** Resolves once an utterance would be answered without loading anything; rejects with an EngineError if that cannot be. */
  ready(): Promise<void>
  /** Idempotent. Running work is aborted. */
  close(): Promise<void>
}

export interface StreamOptions {
  readonly language: Language
  /** Id of the client's session, for the log. */
  readonly session: string
}

export interface Engine {
  readonly name: string
  /** As Transcriber.model. */
  readonly model: string
  /** True if it ends utterances by itself in a continuous stream; false if only `commit` ends them. */
  readonly endpoints: boolean
  /** Returns at once: MUST NOT load or dial anything before the first audio. */
  open(options: StreamOptions): Stream
  /** As Transcriber.ready. */
  ready(): Promise<void>
  /** Idempotent. Open streams are closed. */
  close(): Promise<void>
}

/** One client's speech. Chunk sizes MUST NOT matter. */
export interface Stream {
  /** More audio of the open utterance, 16 kHz mono. The stream owns the array from here on. Ignored after finish or close. */
  accept(samples: Int16Array): void
  /** Ends the open utterance now: exactly one terminator follows, even if it holds no audio. */
  commit(): void
  /** No more audio will come. An open utterance with audio ends with cause `close`; after its terminator `events` ends. */
  finish(): void
  /** Everything that happened, in order; ends after `finish` or `close`. Read by one reader only. */
  readonly events: AsyncIterable<SpeechEvent>
  /** Samples accepted whose words are still owed: what this client makes us hold. */
  readonly pendingSamples: number
  /** Idempotent, and allowed at any time: aborts all work of this stream; after it nothing is delivered. */
  close(): void
}
