/** The one family of errors of all engines. */

export type EngineErrorCode =
  /** The provider does not accept our key. */
  | "unauthorized"
  /** The provider says that we ask too much of it. */
  | "rate_limited"
  /** Our own queue is full. */
  | "overloaded"
  /** The engine or its provider cannot be reached, died, or answered nonsense. */
  | "unavailable"
  /** No answer before the deadline. */
  | "timeout"
  /** The provider cannot read this audio; another try would end the same way. */
  | "bad_audio"
  /** The caller gave up: nobody is waiting any more. */
  | "aborted"

export interface EngineErrorOptions {
  /** True if the same utterance may succeed on another try. */
  readonly retryable?: boolean
  /** How long the provider asks us to wait before that try. */
  readonly retryAfterMs?: number
  /** The provider's own name or number of the failure, for the log. */
  readonly providerCode?: string
  readonly cause?: unknown
}

/**
 * Why an engine could not give words. Everything that can happen to correct code belongs here: networks, providers, dead
 * engine processes, full queues. Mistakes of the programmer do not: those throw as they are.
 * The message is one line for an operator and holds no transcript, no key and no raw upstream body.
 */
export class EngineError extends Error {
  override readonly name = "EngineError"
  readonly code: EngineErrorCode
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly providerCode: string | undefined

  constructor(code: EngineErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.retryAfterMs = options.retryAfterMs
    this.providerCode = options.providerCode
  }
}
