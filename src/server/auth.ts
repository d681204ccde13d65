/**
 * Whose key a request carries, in any of the ways in which the clients of all dialects send one. Knows no path; of a key it tells
 * nothing but its name.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import type { ApiKey } from "../api-keys.ts"
import type { Asking, Refusal } from "../dialects/door.ts"

export type Shown =
  /** `name` of the key; undefined if none was shown and none is needed. */
  { readonly ok: true; readonly name: string | undefined } | { readonly ok: false; readonly refusal: Refusal }

export interface Auth {
  /** Whoever shows only unknown keys is refused, also where none is needed. */
  check(asking: Pick<Asking, "header" | "query">, needed: boolean): Shown
}

/** `keys` is asked each time, so that they can change under a running server; undefined lets everybody in. */
export function createAuth(keys: () => readonly ApiKey[] | undefined): Auth {
  // Digests have one length, and what is compared byte by byte is nothing that a client could choose.
  const secret = randomBytes(32)
  const digestOf = (text: string) => createHmac("sha256", secret).update(text).digest()
  let known: readonly ApiKey[] = []
  let digests: readonly { readonly name: string; readonly digest: Buffer }[] = []

  function digestsOf(current: readonly ApiKey[]) {
    if (current !== known) {
      known = current
      digests = current.map(({ name, key }) => ({ name, digest: digestOf(key) }))
    }
    return digests
  }

  /** Compares with all, whichever fits, so that the time tells nothing. */
  function nameOf(shown: string, current: readonly ApiKey[]): string | undefined {
    const digest = digestOf(shown)
    let found: string | undefined
    for (const one of digestsOf(current)) if (timingSafeEqual(one.digest, digest)) found = one.name
    return found
  }

  return {
    check(asking, needed) {
      const current = keys()
      if (!current) return { ok: true, name: undefined }
      const shown = keysShown(asking)
      for (const key of shown) {
        const name = nameOf(key, current)
        if (name !== undefined) return { ok: true, name }
      }
      if (shown.length === 0 && !needed) return { ok: true, name: undefined }
      const message = shown.length === 0 ? "an API key is needed" : "this API key is not known here"
      return { ok: false, refusal: { reason: "key", status: 401, message, retryable: false } }
    },
  }
}

const INSECURE_SUBPROTOCOL = "openai-insecure-api-key."

/** In the order in which they count. Several at most, since each costs a digest. */
function keysShown({ header, query }: Pick<Asking, "header" | "query">): string[] {
  const [, authorized] = /^(?:bearer|token)\s+(\S+)\s*$/i.exec(header("authorization") ?? "") ?? []
  const [first, second, ...others] = (header("sec-websocket-protocol") ?? "").split(",").map((one) => one.trim())
  const insecure =
    first === "realtime"
      ? [second, ...others].find((one) => one?.startsWith(INSECURE_SUBPROTOCOL))?.slice(INSECURE_SUBPROTOCOL.length)
      : undefined
  const paired = first === "token" || first === "bearer" ? second : undefined
  const shown = [authorized, header("x-api-key"), insecure, paired, query.get("token")]
  return shown.filter((key): key is string => typeof key === "string" && key !== "")
}
