/**
 * One live socket to Deepgram, dialled through its SDK and fenced: the SDK neither reconnects nor waits on its own here,
 * a deadline stands over the handshake and over the close, and whatever happens ends in exactly one `onEnded`.
 * Knows no stream: what is owed and whether to dial again is decided elsewhere.
 */
import type { DeepgramClient } from "@deepgram/sdk"
import { bytesFromSamples } from "../../audio/pcm.ts"
import type { Clock } from "../../clock.ts"
import type { EngineError } from "../engine.ts"
import { createAlarm } from "./alarm.ts"
import { closeFailure, closeTimeout, connectTimeout, handshakeFailure, reportedFailure } from "./failures.ts"
import { readMessage, type UpstreamMessage } from "./messages.ts"
import type { Query } from "./query.ts"
import type { Timings } from "./timings.ts"

/** Our own deadline ends the handshake; the SDK's must only not come before it. */
const SDK_CONNECT_MARGIN_MS = 5_000

export type UpstreamEnd =
  /** CloseStream was answered: everything sent has its words. */
  { readonly clean: true } | { readonly clean: false; readonly error: EngineError }

/** None of them is called from within a call to the upstream. */
export interface UpstreamListener {
  onOpen(): void
  onMessage(message: UpstreamMessage): void
  /** Once, and last; not after `terminate`. */
  onEnded(end: UpstreamEnd): void
}

export interface Upstream {
  /** MUST NOT be called before `onOpen`, nor with an empty array: Deepgram takes that for the end of the stream. */
  sendAudio(samples: Int16Array): void
  finalize(): void
  /** Asks for the rest and the end. `onEnded` follows within `closeMs`. */
  closeStream(): void
  /** Ends it now, wherever it is. Nothing is called afterwards. */
  terminate(): void
  /** Bytes given to the socket that the network has not taken. */
  readonly unsentBytes: number
}

export interface DialOptions {
  readonly client: DeepgramClient
  readonly query: Query
  readonly clock: Clock
  readonly timings: Timings
}

type LiveSocket = Awaited<ReturnType<DeepgramClient["listen"]["v1"]["connect"]>>

export function dial({ client, query, clock, timings }: DialOptions, listener: UpstreamListener): Upstream {
  let socket: LiveSocket | undefined
  let state: "connecting" | "open" | "draining" | "ended" = "connecting"
  let sawMetadata = false
  /** The SDK's words for what went wrong. */
  let trouble: string | undefined
  const deadline = createAlarm(clock)
  const keepAlive = createAlarm(clock)

  deadline.set(timings.connectMs, () => end({ clean: false, error: connectTimeout() }))
  void connect()

  async function connect() {
    try {
      const created = await client.listen.v1.connect({ ...query, ...fence(timings) })
      if (state === "ended") return
      socket = created
      // One handler an event: the SDK's on() replaces. They go in before connect(), which is what dials.
      socket.on("open", onOpen)
      socket.on("message", onMessage)
      // Of a failure the SDK first makes a close with code 1000 and then tells the error, in one turn: judge after both.
      socket.on("close", ({ code, reason }) => queueMicrotask(() => onClose(code, reason ?? "")))
      socket.on("error", ({ message }) => {
        trouble = message
        queueMicrotask(() => onClose(1006, ""))
      })
      socket.connect()
    } catch (thrown) {
      end({ clean: false, error: handshakeFailure(thrown instanceof Error ? thrown.message : "") })
    }
  }

  function onOpen() {
    if (state !== "connecting") return
    state = "open"
    deadline.clear()
    listener.onOpen()
  }

  function onMessage(message: unknown) {
    if (state === "ended") return
    const read = readMessage(message)
    if (read.kind === "metadata") sawMetadata = true
    if (read.kind === "error") end({ clean: false, error: reportedFailure(read.providerCode) })
    else listener.onMessage(read)
  }

  function onClose(code: number, reason: string) {
    if (state === "connecting") end({ clean: false, error: handshakeFailure(trouble ?? "") })
    else if (state === "draining" && (sawMetadata || (code === 1000 && trouble === undefined))) end({ clean: true })
    else end({ clean: false, error: closeFailure(trouble === undefined ? code : 1006, reason) })
  }

  function end(how: UpstreamEnd) {
    if (state === "ended") return
    discard()
    listener.onEnded(how)
  }

  function discard() {
    state = "ended"
    deadline.clear()
    keepAlive.clear()
    if (socket) destroy(socket)
  }

  function scheduleKeepAlive() {
    keepAlive.set(timings.keepAliveMs, () => {
      send((open) => open.sendKeepAlive({ type: "KeepAlive" }))
      scheduleKeepAlive()
    })
  }

  /** A socket that is closing already refuses by a throw; its close event is on the way and tells why. */
  function send(message: (open: LiveSocket) => void) {
    if (!socket || state === "ended") return
    try {
      message(socket)
    } catch {}
  }

  return {
    sendAudio(samples) {
      send((open) => open.sendMedia(bytesFromSamples(samples)))
      scheduleKeepAlive()
    },
    finalize() {
      send((open) => open.sendFinalize({ type: "Finalize" }))
    },
    closeStream() {
      if (state !== "open") return
      send((open) => open.sendCloseStream({ type: "CloseStream" }))
      state = "draining"
      keepAlive.clear()
      deadline.set(timings.closeMs, () => end(sawMetadata ? { clean: true } : { clean: false, error: closeTimeout() }))
    },
    terminate() {
      if (state === "ended") return
      if (state === "open") send((open) => open.sendCloseStream({ type: "CloseStream" }))
      discard()
    },
    get unsentBytes() {
      return socket?.socket.bufferedAmount ?? 0
    },
  }
}

/** The SDK is neither to dial again by itself nor to give up before we do. */
function fence({ connectMs }: Timings) {
  return { reconnectAttempts: 0, connectionTimeoutInSeconds: (connectMs + SDK_CONNECT_MARGIN_MS) / 1000 }
}

/** Ends the socket for good. A peer that never answers the close frame would keep it open for ever: the SDK has no terminate of its own. */
function destroy(socket: LiveSocket) {
  for (const event of ["open", "message", "close", "error"] as const) socket.on(event, undefined)
  socket.close()
  const inner: unknown = Reflect.get(socket.socket, "_ws")
  if (typeof inner === "object" && inner !== null && "terminate" in inner && typeof inner.terminate === "function") inner.terminate()
}
