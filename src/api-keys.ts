/**
 * The list of API keys as operators write it. Pure. Knows neither where the list comes from nor who shows a key.
 */

export interface ApiKey {
  /** For the log and metrics, which never hold the key. Several keys may share one, as the old and the new of a client do. */
  readonly name: string
  readonly key: string
}

export type ParsedApiKeys = { readonly ok: true; readonly keys: readonly ApiKey[] } | { readonly ok: false; readonly fault: string }

const NAME = /^[a-z0-9][a-z0-9_.-]{0,31}$/i
/** What every way of sending one can carry. */
const KEY = /^[\x21-\x7e]+$/

/**
 * `name:key`, or `key` alone, which is then called `key1` by its place; separated by commas or line ends. Lines that begin with
 * `#` are left out. A list without a key, or with one key under two names, is a fault; a fault quotes nothing of the list.
 */
export function parseApiKeys(text: string): ParsedApiKeys {
  const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#"))
  const entries = lines
    .join(",")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
  if (entries.length === 0) return { ok: false, fault: "it holds no key" }
  const keys: ApiKey[] = []
  for (const [index, entry] of entries.entries()) {
    const place = `key ${index + 1} of ${entries.length}`
    const colon = entry.indexOf(":")
    const name = colon < 0 ? `key${index + 1}` : entry.slice(0, colon)
    const key = entry.slice(colon + 1)
    if (!NAME.test(name)) return { ok: false, fault: `${place}: a name is up to 32 letters, digits, dots, dashes and underscores` }
    if (!KEY.test(key)) return { ok: false, fault: `${place}: a key is plain letters, digits and signs, without spaces` }
    if (keys.some((other) => other.key === key && other.name !== name)) return { ok: false, fault: `${place}: has a second name` }
    keys.push({ name, key })
  }
  return { ok: true, keys }
}
