/**
 * What every dialect is: a translator between one wire's messages and the speech vocabulary. A dialect knows no socket, no
 * engine and no clock; it keeps no audio (at most the half sample that a message broke off in). One per client.
 */
import type { SpeechEvent } from "../speech/events.ts"

/** What a client wants of its stream. */
export type Command =
  /** More audio, 16 kHz mono; the array belongs to whoever reads the command, and is never empty. */
  | { readonly type: "accept"; readonly samples: Int16Array }
  /** The utterance ends here. */
  | { readonly type: "commit" }

export interface Dialect {
  /** What a binary message asks for, in order; may be nothing. MUST NOT keep `bytes`: the socket may use them again. */
  readBytes(bytes: Uint8Array): readonly Command[]
  /** The same for a text message; a text that this wire does not know asks for nothing. */
  readText(text: string): readonly Command[]
  /** The text frames that tell the client of an event, in order; may be none. */
  write(event: SpeechEvent): readonly string[]
}
