/**
 * A Deepgram of our own: real sockets on a free port that speak `/v1/listen`, write down what came in which order, and say
 * what a test tells them to. The second server speaks raw TCP, for what a polite WebSocket server cannot do.
 */
import { createHash } from "node:crypto"
import type { Server, ServerWebSocket, Socket } from "bun"

/** What to do with one handshake: accept it, refuse it with a status, or never answer it. */
export type Handshake = "accept" | number | "hang"

export interface ResultsOptions {
  /** Seconds on the clock of this call; default: from the end of the last final to the end of the audio so far. */
  readonly start?: number
  readonly end?: number
  readonly final?: boolean
  readonly speechFinal?: boolean
  readonly fromFinalize?: boolean
  readonly languages?: readonly string[]
  readonly words?: readonly { readonly start: number; readonly end: number; readonly word?: string; readonly punctuated_word?: string }[]
  readonly confidence?: number
}

/** One accepted connection. */
export interface Call {
  readonly query: URLSearchParams
  readonly headers: Headers
  /** In order: `audio N` (samples, consecutive messages added up), `Finalize`, `KeepAlive`, `CloseStream`, `closed CODE`. */
  readonly wire: readonly string[]
  /** Called after each message was written down. */
  onWire: () => void
  /** All audio of this call. */
  readonly audio: () => Int16Array
  /** Resolves once this many samples came, in all. */
  heard(samples: number): Promise<void>
  /** Resolves once the text message came `count` times. */
  got(type: "Finalize" | "KeepAlive" | "CloseStream", count?: number): Promise<void>
  results(transcript: string, options?: ResultsOptions): void
  speechStarted(timestamp: number): void
  utteranceEnd(lastWordEnd: number): void
  metadata(): void
  /** Anything, as it is. */
  say(message: string | Uint8Array): void
  close(code: number, reason?: string): void
  /** Goes without a close frame. */
  drop(): void
  readonly closed: Promise<number>
}

export interface DeepgramUpstream {
  readonly url: string
  /** The nth handshake gets the nth answer, later ones the last. */
  handshakes: readonly Handshake[]
  /** Whether CloseStream is answered with Metadata and close 1000. */
  answersCloseStream: boolean
  /** Called with every call, before anything came on it. */
  onCall: (call: Call) => void
  /** Handshakes so far, accepted or not. */
  readonly dials: number
  dialled(count: number): Promise<void>
  readonly calls: readonly Call[]
  call(index: number): Promise<Call>
  /** Resolves once every connection is closed, those without an answer too. */
  emptied(): Promise<void>
  /** Every transcript it ever said: none of them belongs in a log. */
  readonly said: readonly string[]
  stop(): Promise<void>
}

interface CallState {
  readonly query: URLSearchParams
  readonly headers: Headers
  receive: (message: string | Buffer) => void
  ended: (code: number) => void
}

export function startDeepgram(): DeepgramUpstream {
  const calls: Call[] = []
  const said: string[] = []
  const changes = createChanges()
  let dials = 0
  let open = 0

  const server: Server<CallState> = Bun.serve<CallState>({
    port: 0,
    idleTimeout: 0,
    fetch(request, server) {
      const url = new URL(request.url)
      const how = upstream.handshakes[Math.min(dials, upstream.handshakes.length - 1)] ?? "accept"
      dials++
      changes.announce()
      if (how === "hang") {
        open++
        request.signal.addEventListener("abort", () => {
          open--
          changes.announce()
        })
        return new Promise<Response>(() => {})
      }
      if (how !== "accept") return Response.json({ err_code: "SCRIPTED", err_msg: "no", request_id: "r" }, { status: how })
      if (url.pathname !== "/v1/listen") return new Response("no such path", { status: 404 })
      const data: CallState = { query: url.searchParams, headers: new Headers(request.headers), receive: () => {}, ended: () => {} }
      return server.upgrade(request, { data }) ? undefined : new Response("not a socket", { status: 400 })
    },
    websocket: {
      open(socket) {
        open++
        const call = createCall(socket, { changes, said, answersCloseStream: () => upstream.answersCloseStream })
        upstream.onCall(call)
        calls.push(call)
        changes.announce()
      },
      message: (socket, message) => socket.data.receive(message),
      close(socket, code) {
        open--
        socket.data.ended(code)
        changes.announce()
      },
    },
  })

  const upstream: DeepgramUpstream = {
    url: `ws://localhost:${server.port}`,
    handshakes: [],
    answersCloseStream: true,
    onCall: () => {},
    get dials() {
      return dials
    },
    dialled: (count) => changes.until(() => dials >= count),
    calls,
    async call(index) {
      await changes.until(() => calls.length > index)
      return calls[index]!
    },
    emptied: () => changes.until(() => open === 0),
    said,
    stop: async () => server.stop(true),
  }
  return upstream
}

interface CallOptions {
  readonly changes: Changes
  readonly said: string[]
  readonly answersCloseStream: () => boolean
}

function createCall(socket: ServerWebSocket<CallState>, { changes, said, answersCloseStream }: CallOptions): Call {
  const wire: string[] = []
  const pieces: Buffer[] = []
  const closed = Promise.withResolvers<number>()
  let samples = 0
  let finalsEnd = 0

  socket.data.receive = (message) => {
    if (typeof message === "string") {
      const { type } = JSON.parse(message) as { type: string }
      wire.push(type)
      if (type === "CloseStream" && answersCloseStream()) {
        call.metadata()
        socket.close(1000)
      }
    } else {
      pieces.push(Buffer.from(message))
      samples += message.length / 2
      const last = /^audio (\d+)$/.exec(wire.at(-1) ?? "")
      if (last) wire[wire.length - 1] = `audio ${Number(last[1]) + message.length / 2}`
      else wire.push(`audio ${message.length / 2}`)
    }
    changes.announce()
    call.onWire()
  }
  socket.data.ended = (code) => {
    wire.push(`closed ${code}`)
    closed.resolve(code)
  }

  const call: Call = {
    query: socket.data.query,
    headers: socket.data.headers,
    wire,
    onWire: () => {},
    audio: () => new Int16Array(new Uint8Array(Buffer.concat(pieces)).buffer),
    heard: (count) => changes.until(() => samples >= count),
    got: (type, count = 1) => changes.until(() => wire.filter((entry) => entry === type).length >= count),
    results(transcript, options = {}) {
      const {
        start = finalsEnd,
        end = samples / 16_000,
        final = true,
        speechFinal = false,
        fromFinalize = false,
        languages,
        words,
        confidence = 0.99,
      } = options
      if (final) finalsEnd = end
      if (transcript.trim() !== "") said.push(transcript)
      const spoken = words ?? (transcript === "" ? [] : [{ start, end }])
      call.say(
        JSON.stringify({
          type: "Results",
          channel_index: [0, 1],
          start,
          duration: end - start,
          is_final: final,
          speech_final: speechFinal,
          from_finalize: fromFinalize,
          channel: {
            alternatives: [
              {
                transcript,
                confidence: transcript === "" ? 0 : confidence,
                ...(languages && { languages }),
                words: spoken.map((word) => ({ word: "word", confidence: 0.99, ...word })),
              },
            ],
          },
          metadata: { request_id: "r", model_info: { name: "2-general-nova", version: "v", arch: "nova-2" }, model_uuid: "m" },
        }),
      )
    },
    speechStarted: (timestamp) => call.say(JSON.stringify({ type: "SpeechStarted", channel: [0, 1], timestamp })),
    utteranceEnd: (lastWordEnd) => call.say(JSON.stringify({ type: "UtteranceEnd", channel: [0, 1], last_word_end: lastWordEnd })),
    metadata: () =>
      call.say(
        JSON.stringify({ type: "Metadata", transaction_key: "deprecated", request_id: "r", duration: samples / 16_000, channels: 1 }),
      ),
    say: (message) => void socket.send(message),
    close: (code, reason) => socket.close(code, reason),
    drop: () => socket.terminate(),
    closed: closed.promise,
  }
  return call
}

export interface RudeUpstream {
  readonly url: string
  /** Bytes read so far. */
  readonly bytes: number
  emptied(): Promise<void>
  /** Sends what is no frame. */
  garble(): void
  /** Reads what came meanwhile: only so does it learn of a closed connection. */
  resume(): void
  stop(): void
}

/** Accepts every WebSocket handshake and then never says a word, not even to a close frame; `reads: false` leaves the bytes where they are. */
export function startRudeUpstream({ reads }: { reads: boolean }): RudeUpstream {
  const changes = createChanges()
  let openCount = 0
  let bytesRead = 0
  const sockets = new Set<Socket<undefined>>()
  const server = Bun.listen<undefined>({
    hostname: "localhost",
    port: 0,
    socket: {
      open(socket) {
        sockets.add(socket)
        openCount++
      },
      data(socket: Socket<undefined>, bytes) {
        bytesRead += bytes.length
        const key = /sec-websocket-key: (\S+)/i.exec(bytes.toString("latin1"))?.[1]
        if (!key) return
        const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        )
        if (!reads) socket.pause()
        changes.announce()
      },
      close() {
        openCount--
        changes.announce()
      },
    },
  })
  return {
    url: `ws://localhost:${server.port}`,
    get bytes() {
      return bytesRead
    },
    emptied: () => changes.until(() => openCount === 0),
    garble: () => {
      for (const socket of sockets) socket.write(new Uint8Array(8).fill(0xff))
    },
    resume: () => {
      for (const socket of sockets) socket.resume()
    },
    stop: () => server.stop(true),
  }
}

interface Changes {
  announce(): void
  until(condition: () => boolean): Promise<void>
}

/** Lets a test wait for a condition that only changes when something is announced. */
function createChanges(): Changes {
  const waiters = new Set<() => void>()
  return {
    announce() {
      for (const check of [...waiters]) check()
    },
    until(condition) {
      return new Promise((resolve) => {
        const check = () => {
          if (!condition()) return void waiters.add(check)
          waiters.delete(check)
          resolve()
        }
        check()
      })
    },
  }
}
