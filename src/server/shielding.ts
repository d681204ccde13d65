/**
 * Headers that every answer carries for the sake of browsers: an answer is what its type says, is shown in no frame, runs nothing
 * and stays in no cache. An answer that says otherwise of itself is left as it is.
 */

const HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
}

/** The same response. */
export function shielded(response: Response): Response {
  for (const [name, value] of Object.entries(HEADERS)) if (!response.headers.has(name)) response.headers.set(name, value)
  return response
}
