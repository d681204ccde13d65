/**
 * The connection: sends what is on the tape, tells what comes back, and begins again at the first unanswered sound when it
 * breaks. The tape is its queue. Knows no words and no document.
 */
import { type Answer, type Reason, reasonOf, reasonOfClose, reasonOfProbe, waitMs } from "../flow/reasons.ts"
import { RATE_HZ } from "../flow/resampling.ts"
import type { Tape } from "../flow/tape.ts"
import { readEvent, type WireEvent } from "../flow/wire.ts"
import { authorization } from "./key.ts"

export interface LineOptions {
  /** Of the socket, without `mode`. */
  readonly query: Readonly<Record<string, string>>
  /** Asked at each connection; "" for none. */
  readonly key: () => string
  readonly tape: Tape
  /** Up to where on the tape all is answered. */
  readonly answeredMs: () => number
  readonly onConnected: (baseMs: number) => void
  readonly onEvent: (event: WireEvent) => void
  /** `retryInMs` is null if only `retry` tries again. */
  readonly onDisconnected: (reason: Reason, retryInMs: number | null) => void
  /** All is answered, or given up. */
  readonly onFinished: () => void
}

export interface Line {
  /** There is more on the tape. */
  pump(): void
  commit(): void
  /** No more sound is sent, though more may come: what is owed is waited for. A second call gives up. */
  finish(): void
  /** Tries at once, unless there is a connection. */
  retry(): void
}

/** Unanswered sound beyond this is given up at a reconnection: nobody wants to wait for it. */
const RESUME_MS_MAX = 60_000
const MESSAGE_MS = 1000
/** More of it waits on the tape. */
const BUFFERED_BYTES_MAX = 256 * 1024

export function openLine({ tape, key, ...options }: LineOptions): Line {
  const path = `/api/v1/ws?${new URLSearchParams({ mode: "events", sample_rate: String(RATE_HZ), words: "1", ...options.query })}`
  let socket: WebSocket | undefined
  let baseMs = 0
  let sentMs = 0
  let attempt = 0
  /** Where the sound ends; null while more comes. */
  let endMs: number | null = null
  let over = false
  let timer: ReturnType<typeof setTimeout> | undefined

  function connect() {
    clearTimeout(timer)
    const mine = new WebSocket(path, key() === "" ? [] : ["token", key()])
    socket = mine
    let wasOpen = false
    let ended = false
    mine.onopen = () => {
      attempt = 0
      wasOpen = true
      baseMs = Math.max(options.answeredMs(), tape.oldestMs, tape.lengthMs - RESUME_MS_MAX)
      sentMs = baseMs
      options.onConnected(baseMs)
      pump()
      if (endMs !== null) say({ type: "close" })
    }
    mine.onmessage = ({ data }: MessageEvent<string>) => {
      const event = readEvent(data)
      if (!event) return
      // A server that drains ends by itself, perhaps before it got all: that is no end of ours.
      ended ||= event.type === "done" && endMs !== null && event.audio_ms >= Math.floor(endMs - baseMs)
      options.onEvent(event)
    }
    mine.onclose = ({ code }) => {
      if (over || socket !== mine) return
      if (ended) return end()
      void broken(code, wasOpen)
    }
  }

  async function broken(code: number, wasOpen: boolean) {
    socket = undefined
    const reason = reasonOfClose(code) ?? (await ask(path, key(), wasOpen))
    if (over || socket) return
    const retryInMs = reason.retry ? waitMs(attempt++, Math.random()) : null
    options.onDisconnected(reason, retryInMs)
    if (retryInMs !== null) timer = setTimeout(connect, retryInMs)
  }

  function pump() {
    if (socket?.readyState !== WebSocket.OPEN) return
    const lastMs = endMs ?? tape.lengthMs
    while (sentMs < lastMs && (endMs !== null || socket.bufferedAmount < BUFFERED_BYTES_MAX)) {
      const toMs = Math.min(lastMs, sentMs + MESSAGE_MS)
      socket.send(tape.between(sentMs, toMs))
      sentMs = toMs
    }
  }

  function say(control: { readonly type: string }) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(control))
  }

  function end() {
    over = true
    clearTimeout(timer)
    socket?.close()
    options.onFinished()
  }

  connect()
  return {
    pump,
    commit: () => say({ type: "commit" }),
    finish() {
      if (over) return
      if (endMs !== null) return end()
      endMs = tape.lengthMs
      pump()
      say({ type: "close" })
    },
    retry() {
      if (!over && socket === undefined) connect()
    },
  }
}

/** Why the server does not let us in: it tells requests what a browser hides of a socket. */
async function ask(path: string, key: string, wasOpen: boolean): Promise<Reason> {
  try {
    const [door, ready] = await Promise.all([answerOf(path, authorization(key)), answerOf("/readyz")])
    return reasonOfProbe({ door, ready, wasOpen })
  } catch {
    return reasonOf("unreachable")
  }
}

async function answerOf(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(path, { headers })
  return { status: response.status, body: await response.text() }
}
