/**
 * A refusal on its way out: the words are the door's, these headers are everybody's.
 */
import type { Asking, Refusal, WordRefusal } from "../dialects/door.ts"

export function worded(words: WordRefusal, refusal: Refusal, asking: Asking, headers: Readonly<Record<string, string>> = {}): Response {
  const response = words(refusal, asking)
  const { retryAfterSeconds, retryable, status } = refusal
  if (retryAfterSeconds !== undefined) response.headers.set("retry-after", String(retryAfterSeconds))
  if (status === 401) response.headers.set("www-authenticate", "Bearer")
  if (retryable === false) response.headers.set("x-should-retry", "false")
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
  return response
}
