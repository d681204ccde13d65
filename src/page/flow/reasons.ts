/**
 * Why there is no connection, in words for a person, and what the page does about it. A browser hides why a socket was refused,
 * so the page asks again over HTTP: this reads the answers. Pure; asks nobody.
 */

export type Trouble = "unreachable" | "full" | "draining" | "loading" | "key" | "origin" | "refused" | "gone" | "lost"

export interface Reason {
  readonly trouble: Trouble
  /** One sentence for a person. */
  readonly text: string
  /** Another try may end otherwise without anybody doing something. */
  readonly retry: boolean
}

/** What the server answered over HTTP; null: nothing at all. */
export interface Probe {
  /** Of a plain GET of the socket's path: 426 if it would be let in. */
  readonly socketStatus: number | null
  /** Of `/readyz`. */
  readonly ready: { readonly status: number; readonly body: string } | null
}

const TEXTS: Readonly<Record<Trouble, string>> = {
  unreachable: "The server does not answer.",
  full: "The server is full.",
  draining: "The server is shutting down.",
  loading: "The server is still loading its model.",
  key: "This server needs a key. Enter it under Settings.",
  origin: "The server does not let this page connect (STT_ALLOWED_ORIGINS).",
  refused: "The server refused these settings.",
  gone: "The speech engine of the server is gone.",
  lost: "The connection was lost.",
}

const LASTING: readonly Trouble[] = ["key", "origin", "refused"]

export function reasonOf(trouble: Trouble): Reason {
  return { trouble, text: TEXTS[trouble], retry: !LASTING.includes(trouble) }
}

/** Of a socket that closed by itself; undefined if its code says nothing and the server must be asked. */
export function reasonOfClose(code: number): Reason | undefined {
  if (code === 1001) return reasonOf("draining")
  if (code === 1008) return reasonOf("key")
  if (code === 1011) return reasonOf("gone")
  if (code === 1013) return reasonOf("full")
  return undefined
}

export function reasonOfProbe({ socketStatus, ready }: Probe): Reason {
  if (socketStatus === null && ready === null) return reasonOf("unreachable")
  if (socketStatus === 401) return reasonOf("key")
  if (socketStatus === 403) return reasonOf("origin")
  if (socketStatus === 400) return reasonOf("refused")
  if (ready !== null && ready.status !== 200) {
    if (ready.body.includes("full")) return reasonOf("full")
    if (ready.body.includes("shutting down")) return reasonOf("draining")
    if (ready.body.includes("loading")) return reasonOf("loading")
  }
  return reasonOf("lost")
}

/** Before the nth try, from 0: doubling, with chance, so that a crowd of pages does not come back at once. `chance`: 0 to 1. */
export function waitMs(attempt: number, chance: number): number {
  return Math.round(Math.min(15_000, 500 * 2 ** attempt) * (0.75 + chance / 2))
}
