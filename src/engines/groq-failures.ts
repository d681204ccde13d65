/**
 * Everything that can go wrong with Groq, decided once. Never quotes what the provider wrote, which may hold the key or
 * the words: only its status and its own short name of the failure.
 */
import { APIConnectionError, APIConnectionTimeoutError, APIError } from "groq-sdk"
import { z } from "zod"
import { EngineError, type EngineErrorCode } from "./engine.ts"

/** An answer that came whole and makes no sense. */
export class UnreadableAnswer extends Error {
  override readonly name = "UnreadableAnswer"
}

type Row = readonly [code: EngineErrorCode, retryable: boolean, meaning: string]

const BY_STATUS: Readonly<Record<number, Row>> = {
  400: ["bad_audio", false, "it does not take this request"],
  401: ["unauthorized", false, "it does not accept our key"],
  403: ["unauthorized", false, "our key may not do this"],
  404: ["unavailable", false, "nothing answers at this address, or not this model"],
  408: ["timeout", true, "it waited too long for our audio"],
  413: ["bad_audio", false, "the audio is too long for it"],
  415: ["bad_audio", false, "it does not know this kind of audio"],
  422: ["bad_audio", false, "it cannot read this audio"],
  429: ["rate_limited", true, "we ask too much of it"],
  // Groq's own: out of capacity.
  498: ["rate_limited", true, "it has no capacity left"],
}
const SERVER_FAILED: Row = ["unavailable", true, "it failed"]
const UNKNOWN_STATUS: Row = ["unavailable", false, "it answered something unexpected"]
const SLOW_CONNECTION: Row = ["timeout", true, "no connection in time"]
const NO_CONNECTION: Row = ["unavailable", true, "the connection failed"]
// Not asked again: the answer was paid for, and the next would read the same.
const UNREADABLE: Row = ["unavailable", false, "its answer cannot be read"]

/** What a failed call was; an EngineError stays as it is. `apiKey` only to keep it out. */
export function failureOf(thrown: unknown, apiKey: string): EngineError {
  if (thrown instanceof EngineError) return thrown
  if (thrown instanceof APIConnectionTimeoutError) return failure(SLOW_CONNECTION, undefined)
  if (thrown instanceof APIConnectionError) return failure(NO_CONNECTION, systemCode(thrown.cause))
  if (thrown instanceof APIError) {
    const status: number = thrown.status ?? 0
    const named = providerName(thrown.error)
    const providerCode = named !== undefined && apiKey !== "" && named.includes(apiKey) ? undefined : named
    const row = BY_STATUS[status] ?? (status >= 500 ? SERVER_FAILED : UNKNOWN_STATUS)
    return failure(row, [status, providerCode].filter(Boolean).join(" "), retryAfterMs(thrown.headers))
  }
  // The SDK reads a body without a guard: JSON's own error comes through, and so does the socket's.
  if (thrown instanceof SyntaxError || thrown instanceof UnreadableAnswer) return failure(UNREADABLE, undefined)
  return failure(NO_CONNECTION, systemCode(thrown))
}

function failure([code, retryable, meaning]: Row, providerCode: string | undefined, retryAfterMs?: number): EngineError {
  return new EngineError(code, `groq: ${meaning}${providerCode ? ` (${providerCode})` : ""}`, {
    retryable,
    ...(providerCode && { providerCode }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

const ShortName = z.string().regex(/^[\w.-]{1,64}$/)
const ErrorBody = z.object({ error: z.object({ code: ShortName.nullish().catch(null), type: ShortName.nullish().catch(null) }) })

/** The provider's own name for the failure, if it is a name and not a sentence. */
function providerName(body: unknown): string | undefined {
  const { data } = ErrorBody.safeParse(body)
  return data?.error.code ?? data?.error.type ?? undefined
}

/** Such as ECONNREFUSED. */
function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  return "code" in thrown && typeof thrown.code === "string" ? thrown.code : thrown.name
}

/** The header's seconds or date, as a time from now; undefined if it is missing or neither. */
function retryAfterMs(headers: Headers | undefined): number | undefined {
  const value = headers?.get("retry-after")
  if (!value) return undefined
  const seconds = Number(value)
  if (!Number.isNaN(seconds)) return Math.max(0, seconds * 1000)
  // Counted from the provider's own clock where it tells it: ours may be wrong.
  const sentAt = Date.parse(headers?.get("date") ?? "")
  const waitMs = Date.parse(value) - (Number.isNaN(sentAt) ? Date.now() : sentAt)
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs)
}
