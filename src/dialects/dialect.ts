/**
 * What every dialect is: a translator between one wire's messages and the speech vocabulary. A dialect knows no socket, no
 * engine and no clock; it keeps no audio (at most the half sample that a message broke off in, and what a resampler needs of
 * the last milliseconds). One per client.
 */
import type { StreamChanges, StreamOptions } from "../engines/engine.ts"
import type { SpeechEvent } from "../speech/events.ts"

/** What a client wants of its stream, or what it is to be told at once. */
export type Command =
  /** More audio, 16 kHz mono; the array belongs to whoever reads the command, and is never empty. */
  | { readonly type: "accept"; readonly samples: Int16Array }
  /** The utterance ends here. */
  | { readonly type: "commit" }
  /** The open utterance is to be forgotten. */
  | { readonly type: "clear" }
  /** From here on the open stream is to work differently. Before it is opened a dialect just changes its `stream`. */
  | { readonly type: "configure"; readonly changes: StreamChanges }
  /** No more audio will come: what is owed is to be answered, then `finished`, then close 1000. */
  | { readonly type: "finish" }
  /** A text frame for the client, now. */
  | { readonly type: "say"; readonly text: string }
  /** The connection cannot go on: `text`, if any, then this close. Nothing behind it is obeyed. */
  | { readonly type: "fail"; readonly text?: string | undefined; readonly code: number; readonly reason: string }

/** What a dialect may tell of its session. */
export interface SessionFacts {
  readonly session: string
  /** As Engine.model, so it may change until the engine is ready. */
  readonly model: string
}

/** What a session came to. */
export interface SessionTotals {
  readonly audioMs: number
  /** Utterances that ended. */
  readonly utterances: number
}

/** Why a connection cannot go on through no wish of its client. */
export type Fault = "engine_gone" | "internal_error" | "message_too_big"

export interface Dialect {
  /** How the stream is to be opened. Read once, by the first `accept`, `commit` or `clear`; may change until then. */
  readonly stream: Omit<StreamOptions, "session">
  /** Text frames that greet the client, before anything else. */
  greet(facts: SessionFacts): readonly string[]
  /**
   * What a binary message asks for, in order; may be nothing. MUST NOT keep `bytes`: the socket may use them again. Of a
   * message that takes long to read it gives an iterator, whose steps are short; the next message is read after its last one.
   */
  readBytes(bytes: Uint8Array): readonly Command[] | Iterator<Command>
  /** The same for a text message; a text that this wire does not know asks for nothing, or says so. */
  readText(text: string): readonly Command[]
  /** The text frames that tell the client of an event, in order; may be none. */
  write(event: SpeechEvent): readonly string[]
  /** Text frames after the last event of a finished stream; the close follows. */
  finished(totals: SessionTotals): readonly string[]
  /** Text frames that tell why the connection ends; its close follows. `message` is one line for a developer. */
  fail(fault: Fault, message: string): readonly string[]
  /** Idempotent: frees what reads the audio. Nothing is asked of it afterwards. */
  close(): void
}
