/**
 * What every way in is: which paths it serves, what it makes of a request there, and how it words what the server itself has
 * to say. A door knows no engine, no socket and no clock; the server opens it and counts what passes. Types, and the one family
 * of refusals.
 */
import { EngineError, type Language } from "../engines/engine.ts"
import type { LogFields } from "../log.ts"
import type { Dialect } from "./dialect.ts"
import type { Mode } from "./query.ts"
import type { Recordings } from "./recordings.ts"

/** A request, as far as a dialect may know it. */
export interface Asking {
  /** Of this request alone: the `x-request-id` of its answer, and the id of the session if it becomes a socket (SessionFacts). */
  readonly requestId: string
  /** As it stands in the URL, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** By its name in lower case; null if it was not sent. */
  header(name: string): string | null
  /** When it came, ms since 1970. For timestamps on the wire only. */
  readonly unixMs: number
}

/** What a client that says nothing gets. */
export interface Defaults {
  /** Of `/api/v1/ws` only. */
  readonly mode: Mode
  /** ISO 639-1 or `auto`. */
  readonly language: Language
  /** The provider's name: whisper, groq, deepgram. */
  readonly provider: string
  /** The one model of this server. It may change until the engine is ready. */
  readonly model: string
  /** Whether clients that name another model are refused (see model-names.ts). Default: every name means the one model. */
  readonly strictModels?: boolean | undefined
}

/** Every reason why a request gets no answer of its own. */
export type RefusalReason =
  /** All sessions are taken. */
  | "full"
  | "draining"
  /** A page of this origin may not ask. */
  | "origin"
  /** The path speaks WebSocket, and this request does not; or not a handshake that can be read. */
  | "handshake"
  | "method"
  | "not_found"
  /** The request is wrong: what a door itself throws. */
  | "bad_request"
  /** These bytes are no sound that can be read. */
  | "bad_audio"
  | "too_large"
  /** The body did not come, or the work was not done, in time. */
  | "timeout"
  /** The queue is full (STT_QUEUE_MAX). */
  | "busy"
  /** Not with this provider. */
  | "unsupported"
  /** The engine or its provider failed. */
  | "engine"
  /** A mistake of ours. */
  | "internal"

/** A refusal before it is worded. */
export interface Refusal {
  readonly reason: RefusalReason
  /** What fits best in HTTP. A dialect may answer with the one its clients know instead. */
  readonly status: number
  /** One line for a developer; holds nothing of a client's. */
  readonly message: string
  /** Seconds; the server sends it as `retry-after`, whatever the dialect. */
  readonly retryAfterSeconds?: number | undefined
  /** False if another try would end the same way: sent as `x-should-retry: false`, which the SDKs of OpenAI and Groq obey. */
  readonly retryable?: boolean | undefined
  /** The field of the request that is wrong, for dialects that name it. */
  readonly field?: string | undefined
  /** The dialect's own name for what is wrong, where `reason` says too little. */
  readonly code?: string | undefined
}

/** Thrown inside an HttpDoor's `handle`, by the door or by what it calls; the server has the door word it. */
export class Refused extends Error {
  override readonly name = "Refused"
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

export type WordRefusal = (refusal: Refusal, asking: Asking) => Response

/** Sockets. */
export interface SocketDoor {
  /** For a person: in the log, and in metrics where an opening has no name of its own. */
  readonly name: string
  /** Whole paths. An HttpDoor may serve the same ones for requests that are no upgrade. */
  readonly paths: readonly string[]
  /** The longest message taken, inclusive: bytes of a binary one, UTF-16 units of a text. At most SOCKET_MESSAGE_MAX. */
  readonly messageMax: number
  open(asking: Asking, defaults: Defaults): Opening
  /** The words for a refusal before there is a socket. The server adds `x-request-id` and `retry-after`. */
  refuse: WordRefusal
}

/** What no door may exceed: 15 MiB of audio in base64, and the JSON around it. */
export const SOCKET_MESSAGE_MAX = 21 * 1024 * 1024

export type Opening =
  | {
      readonly ok: true
      /** Of metrics and the log: a name of ours, one of few. */
      readonly label: string
      /** Makes the one dialect of this client. Called once, after the upgrade. */
      readonly dialect: () => Dialect
      /** For the 101. Bun itself answers the first subprotocol that was offered. */
      readonly headers?: Readonly<Record<string, string>>
      /** Whether a reply is held until STT_MIN_REPLY_MS after the message that it answers. */
      readonly paced: boolean
      /** For the log line of the connection: names and numbers of ours, nothing as the client wrote it. */
      readonly facts?: LogFields
    }
  /** In this dialect's own words. */
  | { readonly ok: false; readonly refusal: Response }

/** Connections of a port of its own, on which no HTTP is spoken: the dialect reads the bytes as they come. */
export interface TcpDoor {
  /** For a person: in the log. */
  readonly name: string
  open(defaults: Defaults): Opening & { readonly ok: true }
  /** The words for a connection that is not let in; it is closed behind them. */
  refuse(refusal: Refusal): string
}

/** Ordinary requests. */
export interface HttpDoor {
  /** Of metrics and the log. */
  readonly name: string
  readonly methods: readonly ("GET" | "POST" | "DELETE")[]
  /** Whole paths, or ones that end in `/*` for all below. The longest that fits counts; GET answers HEAD too. */
  readonly paths: readonly string[]
  /**
   * The server adds `x-request-id`. What is thrown is worded by `refuse`: a Refused as it is, an EngineError as `refusalOf`
   * says, anything else as `internal`. Once a Response with a stream is returned, failures are the stream's to word.
   */
  handle(call: HttpCall): Response | Promise<Response>
  refuse: WordRefusal
}

export interface HttpCall extends Asking {
  readonly method: string
  /** What stood in the place of the `*`, decoded; "" without one. */
  readonly rest: string
  readonly defaults: Defaults
  /** Aborts when the client left, when the request took too long, or when the server stops. */
  readonly signal: AbortSignal
  /**
   * The body as it comes. To be read once, by this, `keep` or `readAll`. Throws Refused: `too_large` once it grew beyond the limit,
   * `timeout` if no more of it comes, `busy` if the server holds too much of others'.
   */
  bytes(): AsyncIterable<Uint8Array>
  /** The same, for a reader that keeps what it is given: all of it counts as held until `handle` settled and its response was sent. */
  keep(): AsyncIterable<Uint8Array>
  /** The whole body, in memory until `handle` settled and its response was sent. */
  readAll(): Promise<Uint8Array<ArrayBuffer>>
  /** Throws Refused `unsupported` where the provider only hears live streams. */
  readonly recordings: Recordings
}

/** The one table of what a failure of the engine means to whoever asked over HTTP; also for failures inside a stream. */
export function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof Refused) return thrown.refusal
  if (!(thrown instanceof EngineError)) return { reason: "internal", status: 500, message: "internal error" }
  const { message, retryAfterMs } = thrown
  const later = Math.max(1, Math.ceil((retryAfterMs ?? 0) / 1000))
  switch (thrown.code) {
    case "bad_audio":
      return { reason: "bad_audio", status: 400, message, retryable: false }
    case "overloaded":
    case "rate_limited":
      return { reason: "busy", status: 429, message, retryAfterSeconds: later }
    case "timeout":
      return { reason: "engine", status: 504, message }
    case "unavailable":
      return { reason: "engine", status: 503, message, retryAfterSeconds: later }
    case "unauthorized":
      // Our key, not the client's: a 401 would send people to look at theirs.
      return { reason: "engine", status: 502, message: "the speech provider does not accept the key of this server", retryable: false }
    case "aborted":
      return { reason: "draining", status: 503, message, retryAfterSeconds: later }
  }
}
