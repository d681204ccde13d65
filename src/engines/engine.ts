/**
 * The ports behind which every engine sits. Types and laws only; their errors stand in `engine-error.ts`.
 *
 * A `Transcriber` turns one whole utterance into words; it is shared by all clients and holds the model or the account.
 * An `Engine` opens one `Stream` per client, and all state of that client lives in its stream: nothing of one client can
 * reach another. `speech/utterances.ts` lifts a Transcriber to an Engine.
 */
import type { SpeechEvent } from "../speech/events.ts"
import type { Transcript } from "../speech/transcript.ts"
import type { Span } from "../tracing.ts"

export { EngineError, type EngineErrorCode, type EngineErrorOptions } from "./engine-error.ts"

/** `auto`: the engine detects the language of each utterance. */
export type Language = "auto" | (string & {})

export interface Utterance {
  /** 16 kHz mono. The callee MUST NOT write to it or keep it after it settled. */
  readonly samples: Int16Array
  /** ISO 639-1 or `auto`. */
  readonly language: Language
  /** What was said before, or words that may come: a hint for spelling and style, never heard as speech. */
  readonly prompt?: string | undefined
  /** Whether the times of the words are wanted. An engine without them gives none, and no error. */
  readonly words?: boolean | undefined
  /** The words in English, whatever the language of the speech; only of a transcriber that `translates`. */
  readonly translate?: boolean | undefined
  /** An utterance that is still being spoken: behind all others, and refused with `overloaded` rather than queued for long. */
  readonly interim?: boolean | undefined
  /** Somebody listens for the answer: not to be held up by others that could be answered together with it, unless too many wait. */
  readonly live?: boolean | undefined
  /** Whose it is, if its client has more waiting while there are others: those of one such client leave half of the engines to them. */
  readonly crowd?: string | undefined
  /** What this engine already understood of the beginning of the same speech. An engine that has no use for it ignores it. */
  readonly draft?: Draft | undefined
  /** What was said right before, if the transcriber `hearsContext`: heard with the utterance, its words not told again. */
  readonly context?: Context | undefined
  /** What becomes of it is told there: each engine that is asked is a part of it. Unset: told to nobody. */
  readonly trace?: Span | undefined
}

/** Speech and its words that lie right before an utterance. */
export interface Context {
  /** 16 kHz mono, without a gap up to the utterance. */
  readonly samples: Int16Array
  /** All that was understood of it (`Segment.tokens`), at least one. */
  readonly tokens: readonly number[]
}

/** Tokens of an earlier transcript (`Segment.tokens`) of the same speech. They make it cheaper and MUST NOT change a word, except: */
export interface Draft {
  readonly tokens: readonly number[]
  /** The text MUST begin with so many of the tokens, whatever the engine hears. */
  readonly fixed: number
}

export interface Transcriber {
  /** The provider's name in settings, logs and metrics. */
  readonly name: string
  /** May change until `ready`: a model that cannot be had may have a stand-in. */
  readonly model: string
  /** How many utterances it works on at once without one waiting for another. */
  readonly concurrency: number
  /** Whether it takes utterances that are still being spoken: each costs as much as a whole one, so a paid engine does not. */
  readonly interims: boolean
  /** Whether it understands more with `Utterance.context`. Absent: it has no use for it, and nobody needs to wait until it is known. */
  readonly hearsContext?: boolean | undefined
  /** Whether it can tell in English what was said in another language. Absent: it cannot. */
  readonly translates?: boolean | undefined
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

/** How the ends of utterances are found in a continuous stream. */
export interface Endpointing {
  /** 0 to 1: above this probability of speech somebody speaks. */
  readonly threshold: number
  /** Audio before the first sound of speech that belongs to the utterance. */
  readonly prefixMs: number
  /** Silence that ends an utterance. */
  readonly silenceMs: number
  /** An utterance that grows longer is cut at its best pause. */
  readonly maxMs: number
}

export interface StreamOptions {
  readonly language: Language
  /** Id of the client's session, for the log. */
  readonly session: string
  /** Whose session it is, of few or many: where streams wait for each other, clients take turns. */
  readonly client?: string | undefined
  readonly prompt?: string | undefined
  /** Null: only `commit` ends utterances, and the engine MUST NOT end one by itself, except one that grew beyond all bounds. */
  readonly endpointing: Endpointing | null
  /** Whether `partial` events are wanted. An engine without them gives none. */
  readonly interims: boolean
  /** Whether finals carry the times of their words. */
  readonly words: boolean
  /** The span of an utterance of the stream: begun when it is asked for first, ended by its owner. Unset: told to nobody. */
  readonly trace?: ((utterance: number) => Span) | undefined
}

/** What may change while a stream runs: from the next sample on; an open utterance keeps its language and prompt. */
export interface StreamChanges {
  readonly language?: Language | undefined
  /** "" takes it away. */
  readonly prompt?: string | undefined
  /** Whether there is endpointing at all cannot change: ignored by a stream without. */
  readonly endpointing?: Partial<Endpointing> | undefined
}

export interface Engine {
  readonly name: string
  /** As Transcriber.model. */
  readonly model: string
  /** Returns at once: MUST NOT load or dial anything before the first audio. */
  open(options: StreamOptions): Stream
  /** As Transcriber.ready. */
  ready(): Promise<void>
  /** Idempotent. Open streams are closed. */
  close(): Promise<void>
}

/** One client's speech. Chunk sizes MUST NOT matter. */
export interface Stream {
  /** More audio, 16 kHz mono. The stream owns the array from here on. Ignored after finish or close. */
  accept(samples: Int16Array): void
  /** Ends the open utterance now: exactly one terminator follows, even if it holds no audio. */
  commit(): void
  /** Forgets the open utterance and its audio: exactly one `cleared` follows. What was committed or ended before keeps its words. */
  clear(): void
  configure(changes: StreamChanges): void
  /** No more audio will come. An open utterance with audio ends with cause `close`; after its terminator `events` ends. */
  finish(): void
  /** Everything that happened, in order; ends after `finish` or `close`. Read by one reader only. */
  readonly events: AsyncIterable<SpeechEvent>
  /** Samples accepted whose words are still owed: what this client makes us hold. */
  readonly pendingSamples: number
  /** Idempotent, and allowed at any time: aborts all work of this stream; after it nothing is delivered. */
  close(): void
}
