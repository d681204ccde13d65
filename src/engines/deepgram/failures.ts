/**
 * Everything that can go wrong with a Deepgram socket, as our one family of errors. The SDK hides the status, the headers
 * and the body of a refused handshake and leaves a sentence; this is the only place that reads it.
 */
import { EngineError } from "../engine.ts"
import { readProviderCode } from "./messages.ts"

/** Why a socket never opened, from the SDK's words. */
export function handshakeFailure(sdkMessage: string): EngineError {
  const status = /(?:server response|status code): (\d{3})/.exec(sdkMessage)?.[1]
  if (status !== undefined) return refusal(Number(status))
  if (sdkMessage === "TIMEOUT") return connectTimeout()
  const providerCode = /\bE[A-Z]{3,}\b/.exec(sdkMessage)?.[0]
  return new EngineError("unavailable", "Deepgram cannot be reached", { retryable: true, ...(providerCode && { providerCode }) })
}

function refusal(status: number): EngineError {
  const providerCode = String(status)
  switch (status) {
    case 401:
    case 403:
      return new EngineError("unauthorized", `Deepgram does not accept the key (${status}); see DG_API_KEY`, { providerCode })
    case 402:
      return new EngineError("unauthorized", "Deepgram does not accept the account: it has no credit left (402)", { providerCode })
    case 429:
      return new EngineError("rate_limited", "Deepgram says that the account has too many streams (429)", { retryable: true, providerCode })
  }
  const retryable = status === 408 || status >= 500
  return new EngineError("unavailable", `Deepgram refused the connection (${status})`, { retryable, providerCode })
}

export function connectTimeout(): EngineError {
  return new EngineError("timeout", "Deepgram did not open the connection in time", { retryable: true })
}

/** Why an open socket ended that should not have. */
export function closeFailure(closeCode: number, reason: string): EngineError {
  const named = readProviderCode(/\b[A-Z]+-\d{4}\b/.exec(reason)?.[0])
  const providerCode = named ?? String(closeCode)
  if (named === "DATA-0000") return new EngineError("bad_audio", "Deepgram cannot read this audio", { providerCode })
  return new EngineError("unavailable", `Deepgram closed the connection (${providerCode})`, { retryable: true, providerCode })
}

/** Deepgram sent a message of type Error. */
export function reportedFailure(providerCode: string | undefined): EngineError {
  return new EngineError("unavailable", "Deepgram reported an error", { retryable: true, ...(providerCode && { providerCode }) })
}

export function closeTimeout(): EngineError {
  return new EngineError("timeout", "Deepgram did not finish the stream in time", { retryable: true })
}

export function stalled(): EngineError {
  return new EngineError("timeout", "Deepgram takes audio and says nothing", { retryable: true })
}
