/**
 * What OpenAI's clients read of a failure: one envelope, in the body of an answer or in a stream. The server's reasons in, their
 * words out.
 */
import type { z } from "zod"
import type { Refusal, RefusalReason, WordRefusal } from "../door.ts"
import type { ErrorAnswer, ErrorBody } from "./messages.ts"

/** Where the client's code could act on it. */
const CODES: Partial<Record<RefusalReason, string>> = {
  key: "invalid_api_key",
  greedy: "rate_limit_exceeded",
  bad_audio: "invalid_audio",
  too_large: "request_too_large",
  busy: "rate_limit_exceeded",
  unsupported: "unsupported",
}

export function errorBody({ reason, status, message, field, code }: Refusal): z.output<typeof ErrorBody> {
  const type = status === 429 ? "rate_limit_error" : status < 500 ? "invalid_request_error" : "server_error"
  return { message, type, param: field ?? null, code: code ?? CODES[reason] ?? null }
}

export const wordRefusal: WordRefusal = (refusal) =>
  Response.json({ error: errorBody(refusal) } satisfies z.output<typeof ErrorAnswer>, { status: refusal.status })
