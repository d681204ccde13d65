/**
 * A port of its own for a dialect that is no HTTP: connections as Bun has them, and a session behind each. Knows limits of the wire, not
 * what is said on it.
 */
import { randomUUID } from "node:crypto"
import { type Clock, realClock } from "../clock.ts"
import type { Defaults, Refusal, TcpDoor } from "../dialects/door.ts"
import type { Engine } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { refusals } from "../metrics.ts"
import type { Tracer } from "../tracing.ts"
import { clientAddress } from "./addresses.ts"
import type { Admission, Client as Asker } from "./admission.ts"
import { drainAll } from "./drain.ts"
import { type Guest, welcome } from "./guests.ts"
import { UNSENT_BYTES_MAX } from "./sockets.ts"

export interface TcpOptions {
  readonly hostname: string
  /** 0 takes a free one. */
  readonly port: number
  readonly door: TcpDoor
  readonly defaults: Defaults
  readonly engine: Engine
  /** As ServerOptions. */
  readonly reusePort?: boolean
  /** Why this client is not let in; undefined if it is. */
  readonly whyNot: (client: Asker) => Refusal | undefined
  readonly admission: Admission
  readonly tracer: Tracer
  readonly clock?: Clock
  /** Ms since 1970. */
  readonly unixNow: () => number
  readonly log: Log
}

export interface TcpConnections {
  readonly port: number
  readonly count: number
  /** As RunningServer.drain, of these connections. */
  drain(deadlineMs: number): Promise<void>
  /** Cuts everything off at once. Idempotent. */
  stop(): void
}

/** A client that has not taken its last words so long after the end is cut off: its place belongs to others. */
export const ENDING_MS_MAX = 10_000

/** Codes of the log for what TCP has none of: as WebSockets have them. */
const LEFT = 1000
const CUT = 1006

interface Client extends Guest {
  /** What the system did not take yet. */
  unsent: Uint8Array
  /** Nothing is taken in any more; the connection ends when all is sent. */
  ending: { readonly code: number; readonly reason: string } | null
  readonly whenSent: (() => void)[]
  cancelDeadline: () => void
}

type Socket = Bun.Socket<Client | undefined>

/** Throws what the system says if it cannot listen. */
export function listenTcp(options: TcpOptions): TcpConnections {
  const { door, defaults, engine, whyNot, admission, tracer, reusePort = false, clock = realClock, unixNow, log } = options
  const clients = new Map<Socket, Client>()
  /** Those who got their refusal and have not gone yet: each with what calls its end off. */
  const refused = new Map<Socket, () => void>()

  function open(socket: Socket) {
    // No proxy writes here whom it saw, and nobody can show a key.
    const asker: Asker = { key: undefined, address: clientAddress(socket.remoteAddress, null, 0) }
    const refusal = whyNot(asker)
    if (refusal) {
      refusals.inc({ door: door.name, reason: refusal.reason })
      log.info("refused", { reason: refusal.reason, address: asker.address })
      socket.end(door.refuse(refusal))
      const cancel = clock.after(ENDING_MS_MAX, () => socket.terminate())
      refused.set(socket, cancel)
      return
    }
    const id = randomUUID()
    const trace = tracer.request(door.name, null, { request: id, door: door.name })
    trace.end()
    const guest = welcome({
      id,
      unixMs: unixNow(),
      opening: door.open(defaults),
      client: asker,
      admission,
      engine,
      minReplyMs: 0,
      transport: {
        sendText: (text) => send(socket, Buffer.from(text)),
        pause: () => void socket.pause(),
        resume: () => void socket.resume(),
        close: (code, reason) => end(socket, code, reason),
      },
      trace,
      clock,
      log,
    })
    const client: Client = { ...guest, unsent: new Uint8Array(), ending: null, whenSent: [], cancelDeadline() {} }
    socket.data = client
    clients.set(socket, client)
    client.session.greet()
  }

  function send(socket: Socket, bytes: Uint8Array) {
    const client = clients.get(socket)
    if (!client) return
    if (client.unsent.length + bytes.length > UNSENT_BYTES_MAX) return cut(socket, "client does not read")
    client.unsent = Buffer.concat([client.unsent, bytes])
    flush(socket, client)
  }

  function flush(socket: Socket, client: Client) {
    const { unsent } = client
    if (unsent.length > 0) client.unsent = unsent.subarray(Math.max(0, socket.write(unsent)))
    if (client.unsent.length > 0) return
    for (const resolve of client.whenSent.splice(0)) resolve()
    if (client.ending) socket.end()
  }

  function end(socket: Socket, code: number, reason: string) {
    const client = clients.get(socket)
    if (!client || client.ending) return
    client.ending = { code, reason }
    client.cancelDeadline = clock.after(ENDING_MS_MAX, () => {
      if (client.unsent.length > 0) cut(socket, "client does not take its last words")
      else socket.terminate()
    })
    flush(socket, client)
  }

  function cut(socket: Socket, reason: string) {
    const client = clients.get(socket)
    if (client) client.ending = { code: CUT, reason }
    socket.terminate()
  }

  /** It has said all, and may still listen for its words. */
  function halfClosed(socket: Socket) {
    const client = clients.get(socket)
    if (!client) return void socket.end()
    void client.session.finish().then(() => end(socket, LEFT, ""))
  }

  function closed(socket: Socket) {
    refused.get(socket)?.()
    refused.delete(socket)
    const client = clients.get(socket)
    if (!client) return
    clients.delete(socket)
    client.cancelDeadline()
    for (const resolve of client.whenSent.splice(0)) resolve()
    const { code, reason } = client.ending ?? { code: LEFT, reason: "" }
    client.leave(code, reason)
  }

  const listener = Bun.listen<Client | undefined>({
    hostname: options.hostname,
    port: options.port,
    // Missing in Bun's types.
    ...{ reusePort },
    allowHalfOpen: true,
    socket: {
      open,
      data: (socket, bytes) => socket.data?.receive(bytes),
      drain: (socket) => socket.data && flush(socket, socket.data),
      end: halfClosed,
      close: closed,
      error: (socket, thrown) => socket.data?.session.broke(thrown),
    },
  })

  function leaving([socket, client]: readonly [Socket, Client]) {
    return {
      betweenUtterances: client.session.betweenUtterances,
      async finish() {
        await client.session.finish()
        if (clients.has(socket) && client.unsent.length > 0) await new Promise<void>((resolve) => client.whenSent.push(resolve))
      },
      releaseReplies: client.session.releaseReplies,
      close: (code: number, reason: string) => end(socket, code, reason),
    }
  }

  return {
    port: listener.port,
    get count() {
      return clients.size
    },
    drain(deadlineMs) {
      if (reusePort) listener.stop()
      return drainAll([...clients].map(leaving), { deadlineMs, clock })
    },
    stop() {
      for (const cancel of refused.values()) cancel()
      listener.stop(true)
    },
  }
}
