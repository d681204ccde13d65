/**
 * Whose pages may ask: for sockets, which browsers open from any page, and for requests, whose answers they hide from a page
 * unless told otherwise. A request without an Origin does not come from a page.
 */

/** `allowed` unset lets all in. */
export function mayAsk(origin: string | null, allowed: readonly string[] | undefined): boolean {
  return origin === null || allowed === undefined || allowed.some((one) => one.toLowerCase() === origin.toLowerCase())
}

/** What a page may read of an answer beside its body. */
const READABLE = "x-request-id, dg-request-id, retry-after"

/** Lets a page that may ask read the answer. */
export function showTo(origin: string | null, { headers }: Response): void {
  if (origin === null) return
  headers.set("access-control-allow-origin", origin)
  headers.set("access-control-expose-headers", READABLE)
  headers.append("vary", "origin")
}

/** Browsers ask less often then; more than two hours none of them grants. */
const PREFLIGHT_SECONDS = "7200"

/** The answer to a browser that asks before it sends a page's request. */
export function preflight(request: Request, methods: string): Response {
  const wanted = request.headers.get("access-control-request-headers")
  return new Response(null, {
    status: 204,
    headers: {
      allow: methods,
      "access-control-allow-methods": methods,
      "access-control-max-age": PREFLIGHT_SECONDS,
      ...(wanted !== null && { "access-control-allow-headers": wanted }),
    },
  })
}
