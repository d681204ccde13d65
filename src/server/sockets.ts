/**
 * The WebSockets as Bun has them, and a session behind each: what a socket tells becomes a call of its session, what a session
 * wants becomes a call of its socket. Knows limits of the wire, not what is said on it.
 */
import { type Clock, realClock } from "../clock.ts"
import { type Opening, SOCKET_MESSAGE_MAX } from "../dialects/door.ts"
import type { Engine } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import type { RequestSpan } from "../tracing.ts"
import type { Admission, Client as Asker } from "./admission.ts"
import { drainAll } from "./drain.ts"
import { type Guest, welcome } from "./guests.ts"
import { createLiveness } from "./liveness.ts"

/** Bun's own limit, for all wires of this server: above every door's, so that theirs answer first; over it Bun says 1009 too. */
const BUN_MESSAGE_BYTES_MAX = SOCKET_MESSAGE_MAX + 2 * 1024 * 1024

/** Bytes that may wait for a client who does not read. Words are lines of text: minutes of speech, each partial included. */
export const UNSENT_BYTES_MAX = 1024 * 1024

/** A socket that was let in, before its session begins. */
export interface Admitted {
  /** Of the request, and so of the session. */
  readonly id: string
  /** When the request came, ms since 1970. */
  readonly unixMs: number
  readonly opening: Opening & { readonly ok: true }
  /** As SocketDoor.messageMax. */
  readonly messageMax: number
  readonly client: Asker
  readonly trace: RequestSpan
}

export interface SocketsOptions {
  readonly engine: Engine
  /** Of openings that are paced. */
  readonly minReplyMs: number
  readonly admission: Admission
  readonly clock?: Clock
  readonly log: Log
}

export interface Sockets {
  /** For Bun.serve. */
  readonly websocket: Bun.WebSocketHandler<Admitted>
  readonly count: number
  /** As RunningServer.drain, of the sockets. */
  drain(deadlineMs: number): Promise<void>
}

type Socket = Bun.ServerWebSocket<Admitted>

interface Client extends Guest {
  /** Why we cut it off without a close frame, for the log. */
  cutReason?: string
  /** Called when nothing waits to be sent any more. */
  readonly whenSent: (() => void)[]
}

export function createSockets({ engine, minReplyMs, admission, clock = realClock, log }: SocketsOptions): Sockets {
  const clients = new Map<Socket, Client>()
  const liveness = createLiveness<Socket>(clock)

  function cut(socket: Socket, reason: string) {
    const client = clients.get(socket)
    if (client) client.cutReason = reason
    socket.terminate()
  }

  function sendText(socket: Socket, text: string) {
    // 0: dropped while the socket stays open. A client that missed a word must not go on as if nothing had happened.
    if (socket.sendText(text) === 0) cut(socket, "client does not read")
  }

  function open(socket: Socket) {
    const { id, unixMs, opening, client, trace } = socket.data
    const guest = welcome({
      id,
      unixMs,
      opening,
      client,
      admission,
      engine,
      minReplyMs,
      transport: {
        sendText: (text) => sendText(socket, text),
        pause: () => socket.pause(),
        resume: () => socket.resume(),
        close: (code, reason) => socket.close(code, reason),
      },
      trace,
      clock,
      log,
    })
    const { session } = guest
    clients.set(socket, { ...guest, whenSent: [] })
    liveness.watch(socket, {
      get paused() {
        return session.paused
      },
      ping: () => void socket.ping(),
      giveUp: () => cut(socket, "no answer to pings"),
    })
    session.greet()
  }

  function message(socket: Socket, message: string | Uint8Array) {
    liveness.heard(socket)
    const client = clients.get(socket)
    const { messageMax } = socket.data
    if (message.length > messageMax) client?.session.fail("message_too_big", `message over ${messageMax} bytes`)
    else client?.receive(message)
  }

  function close(socket: Socket, code: number, reason: string) {
    const client = clients.get(socket)
    if (!client) return
    clients.delete(socket)
    liveness.forget(socket)
    for (const resolve of client.whenSent) resolve()
    client.leave(code, client.cutReason ?? printable(reason))
  }

  /** A mistake of ours costs the one client whose message it was. */
  function error(thrown: Error, socket: Socket) {
    clients.get(socket)?.session.broke(thrown)
  }

  function leaving([socket, { session, whenSent }]: readonly [Socket, Client]) {
    return {
      betweenUtterances: session.betweenUtterances,
      async finish() {
        await session.finish()
        // A close frame may be queued behind unsent text, but the stop of the server would cut both off.
        if (clients.has(socket) && socket.getBufferedAmount() > 0) await new Promise<void>((resolve) => whenSent.push(resolve))
      },
      releaseReplies: session.releaseReplies,
      close: (code: number, reason: string) => socket.close(code, reason),
    }
  }

  return {
    websocket: {
      // PCM hardly compresses, and inflating a long message would hold the event loop: offers are declined, which clients accept.
      perMessageDeflate: false,
      maxPayloadLength: BUN_MESSAGE_BYTES_MAX,
      backpressureLimit: UNSENT_BYTES_MAX,
      // Off, with Bun's pings: see liveness.ts.
      idleTimeout: 0,
      sendPings: false,
      open,
      message,
      close,
      error,
      ping: liveness.heard,
      pong: liveness.heard,
      drain(socket) {
        const client = clients.get(socket)
        if (client && socket.getBufferedAmount() === 0) for (const resolve of client.whenSent.splice(0)) resolve()
      },
    },
    get count() {
      return clients.size
    },
    drain: (deadlineMs) => drainAll([...clients].map(leaving), { deadlineMs, clock }),
  }
}

/** The protocol allows 123 bytes of reason, of which a client may make anything. */
function printable(reason: string): string {
  return reason.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, " ").slice(0, 123)
}
