/**
 * Why there is no connection, in words for a person, and what the page does about it. A browser hides why a socket was refused,
 * so the page asks again over HTTP: this reads the answers. Pure; asks nobody.
 */

export type Trouble = keyof typeof TEXTS

export interface Reason {
  readonly trouble: Trouble
  /** For a person. */
  readonly text: string
  /** Another try may end otherwise without anybody doing something. */
  readonly retry: boolean
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/** What the server answered over HTTP; null: nothing at all. */
export interface Probe {
  /** To a plain GET of the socket's path: 426 if it would let us in, otherwise the refusal. */
  readonly door: Answer | null
  /** Of `/readyz`. */
  readonly ready: Answer | null
  /** Whether the socket was open before it broke. */
  readonly wasOpen: boolean
}

const TEXTS = {
  unreachable: "The server does not answer.",
  full: "The server is full.",
  greedy: "You have as many connections open as one client may.",
  draining: "The server is shutting down.",
  loading: "The server is still loading its model.",
  key: "This server needs a key.",
  wrong_key: "This server does not know the key.",
  origin: "This server does not let its page connect: STT_ALLOWED_ORIGINS leaves its address out.",
  refused: "The server refused these settings.",
  gone: "The speech engine of the server is gone.",
  blocked: "The server answers, but no WebSocket comes through: look at the proxy on the way, and at STT_ALLOWED_ORIGINS.",
  lost: "The connection was lost.",
} as const

/** A person must do something first. */
const LASTING: readonly Trouble[] = ["key", "wrong_key", "origin", "refused"]

/** `detail`: what the server says of it. */
export function reasonOf(trouble: Trouble, detail = ""): Reason {
  const text = detail === "" ? TEXTS[trouble] : `${TEXTS[trouble].slice(0, -1)}: ${detail}.`
  return { trouble, text, retry: !LASTING.includes(trouble) }
}

/** Whether a key would help. */
export function wantsKey({ trouble }: Reason): boolean {
  return trouble === "key" || trouble === "wrong_key"
}

/** Of a socket that closed by itself; undefined if its code says nothing and the server must be asked. */
export function reasonOfClose(code: number): Reason | undefined {
  if (code === 1001) return reasonOf("draining")
  if (code === 1011) return reasonOf("gone")
  if (code === 1013) return reasonOf("full")
  return undefined
}

export function reasonOfProbe({ door, ready, wasOpen }: Probe): Reason {
  if (door === null && ready === null) return reasonOf("unreachable")
  const refusal = door === null ? undefined : reasonOfRefusal(door)
  if (refusal) return refusal
  if (ready !== null && ready.status !== 200 && ready.body.includes("loading")) return reasonOf("loading")
  return reasonOf(wasOpen || door === null ? "lost" : "blocked")
}

/** Of an answer over HTTP; undefined if it refuses nothing that a person could act on. */
export function reasonOfRefusal({ status, body }: Answer): Reason | undefined {
  if (status === 401) return reasonOf(body.includes("not known") ? "wrong_key" : "key")
  if (status === 403) return reasonOf("origin")
  if (status === 400) return reasonOf("refused", body.trim())
  if (status === 429) return reasonOf("greedy")
  if (status === 503) return reasonOf(body.includes("shutting down") ? "draining" : "full")
  return undefined
}

/** Before the nth try, from 0: doubling, with chance, so that a crowd of pages does not come back at once. `chance`: 0 to 1. */
export function waitMs(attempt: number, chance: number): number {
  return Math.round(Math.min(15_000, 500 * 2 ** attempt) * (0.75 + chance / 2))
}
