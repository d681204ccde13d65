/**
 * The whole talk between the server and one of its engine processes, over Bun's IPC (structured clone). Types only.
 *
 *   server → engine   init, then any number of recognise, each piece at most once followed by cancel
 *   engine → server   ready or failed (id null) answers init; exactly one result or failed answers each piece; any number of
 *                     grown in between
 *
 * The engine recognises the pieces of one message together: the server MUST wait for all their answers before it sends the
 * next. Each is answered as soon as it is known. A cancelled piece is answered like any other, by `failed` with code `aborted`
 * or by a result that came first. The engine ends when the channel closes; it never ends of its own will.
 */
import type { Segment } from "../../speech/transcript.ts"
import type { Context, Draft, EngineErrorCode, Language } from "../engine.ts"
import type { ModelChoice } from "./models.ts"

export type ToEngine = Init | Recognise | Cancel
export type FromEngine = Ready | Result | Failed | Grown

/** The first message: what to load. */
export interface Init {
  readonly type: "init"
  readonly model: ModelChoice
  /** Threads inside ONNX Runtime. */
  readonly threads: number
  /** Folders that may be written to, best first. */
  readonly cacheDirs: readonly string[]
}

/** One or a few pieces, at most `Ready.piecesMax`. */
export interface Recognise {
  readonly type: "recognise"
  readonly pieces: readonly Piece[]
}

/** One piece of an utterance. */
export interface Piece {
  /** Never used twice in the life of a process. */
  readonly id: number
  /** 16 kHz mono, at most 28 s. MUST span its whole buffer: the clone carries the buffer, not the view. */
  readonly samples: Int16Array
  readonly language: Language
  /** As Utterance.prompt; "" for none. */
  readonly prompt: string
  /** As Utterance.words. */
  readonly words: boolean
  /** As Utterance.translate. */
  readonly translate?: boolean | undefined
  /** As Utterance.interim: worth no second try. Absent: it is not. */
  readonly interim?: boolean | undefined
  readonly draft: Draft | null
  /** As Utterance.context, at most 28 s together with `samples`; its samples MUST span their buffer as well. Absent: there is none. */
  readonly context?: Context | undefined
}

/** Nobody waits for this piece any more. Too late or unknown ids are ignored. */
export interface Cancel {
  readonly type: "cancel"
  readonly id: number
}

/** The model is loaded and has been through one recognition. */
export interface Ready {
  readonly type: "ready"
  readonly loadMs: number
  /** How long the warm-up took: one second of sound through encoder and decoder. */
  readonly warmUpMs: number
  /** How many pieces this model writes together; 1 for exports that are not ours. */
  readonly piecesMax: number
}

export interface Result {
  readonly type: "result"
  readonly id: number
  /** ISO 639-1, as told or as detected. */
  readonly language: string | null
  /** Times count from the start of the piece. */
  readonly segments: readonly Segment[]
}

export interface Failed {
  readonly type: "failed"
  /** null: the engine could not load, and will not. */
  readonly id: number | null
  readonly code: EngineErrorCode
  /** One line for an operator; never words, never audio. */
  readonly message: string
}

/** The process weighs much more than when it was ready, after it gave back what it could. It works on; a new one would be lighter. */
export interface Grown {
  readonly type: "grown"
  readonly bytes: number
}
