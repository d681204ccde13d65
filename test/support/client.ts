/** Clients of the socket: a polite one, and one that speaks raw TCP and may be deaf, slow or rude. */
import { frameBytes, OPCODE } from "./frames.ts"

export { OPCODE }

export interface Ending {
  readonly code: number
  readonly reason: string
}

export interface Client {
  /** The nth call resolves with the nth text message, whether it came before or after the call; rejects if the socket closes first. */
  next(): Promise<string>
  readonly received: readonly string[]
  readonly closed: Promise<Ending>
  send(message: string | Uint8Array): void
  close(code?: number, reason?: string): void
  /** Goes without a word. */
  terminate(): void
}

/** The socket's address of a server; `query` as in `mode=frames`. */
export function socketUrl(url: URL, query = "", path = "/api/v1/ws"): URL {
  const socket = new URL(`${path}${query && `?${query}`}`, url)
  socket.protocol = url.protocol === "https:" ? "wss:" : "ws:"
  return socket
}

/** Resolves when the socket is open; rejects with the reason when it is refused. */
export async function connect(url: URL, options: Bun.WebSocketOptions = {}): Promise<Client> {
  const socket = new WebSocket(url, options)
  socket.binaryType = "arraybuffer"
  const received: string[] = []
  const closed = Promise.withResolvers<Ending>()
  let waiters: (() => void)[] = []
  let asked = 0
  let ended = false

  function wakeAll() {
    const woken = waiters
    waiters = []
    for (const wake of woken) wake()
  }
  socket.onmessage = ({ data }) => {
    received.push(typeof data === "string" ? data : `binary of ${data.byteLength} bytes`)
    wakeAll()
  }
  socket.onclose = ({ code, reason }) => {
    ended = true
    closed.resolve({ code, reason })
    wakeAll()
  }
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = (event) => reject(new Error(String((event as ErrorEvent).message)))
  })

  return {
    async next() {
      const index = asked++
      while (received.length <= index) {
        if (ended) throw new Error(`closed before message ${index}`)
        await new Promise<void>((resolve) => waiters.push(resolve))
      }
      return received[index]!
    },
    received,
    closed: closed.promise,
    send: (message) => socket.send(message),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  }
}

export interface RawClient {
  /** Of the answer to the handshake: 101 when it became a socket. */
  readonly status: number
  readonly headers: Headers
  /** Of a refusal. */
  readonly body: string
  /** Frames so far, in order; pings are not answered. */
  readonly frames: readonly Frame[]
  /** The nth call resolves with the nth frame. */
  nextFrame(): Promise<Frame>
  sendFrame(opcode: number, payload: Uint8Array): void
  /** Whatever they are. What the system does not take at once follows as soon as it does. */
  sendBytes(bytes: Uint8Array): void
  /** Stops reading, so that the server's bytes pile up. */
  pause(): void
  resume(): void
  readonly closed: Promise<void>
  destroy(): void
}

export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

/** Resolves when the handshake was answered, with whatever answer. */
export async function connectRaw(url: URL, headers: Record<string, string> = {}): Promise<RawClient> {
  let bytes: Buffer = Buffer.alloc(0)
  let head: { status: number; headers: Headers } | undefined
  const frames: Frame[] = []
  const closed = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  let waiters: (() => void)[] = []
  let asked = 0

  function read() {
    head ??= takeHead()
    if (!head) return
    if (head.status !== 101) {
      if (bytes.length >= Number(head.headers.get("content-length"))) answered.resolve()
      return
    }
    for (let frame = takeFrame(); frame; frame = takeFrame()) frames.push(frame)
    answered.resolve()
    const woken = waiters
    waiters = []
    for (const wake of woken) wake()
  }

  function takeHead() {
    const end = bytes.indexOf("\r\n\r\n")
    if (end < 0) return undefined
    const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
    bytes = bytes.subarray(end + 4)
    const headers = lines.map((line) => line.split(": ", 2) as [string, string])
    return { status: Number(first.split(" ")[1]), headers: new Headers(headers) }
  }

  /** A server's frames are not masked and not split here. */
  function takeFrame(): Frame | undefined {
    if (bytes.length < 2) return undefined
    const short = bytes[1]! & 0x7f
    const start = short === 126 ? 4 : short === 127 ? 10 : 2
    if (bytes.length < start) return undefined
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
    if (bytes.length < start + length) return undefined
    const frame = { opcode: bytes[0]! & 0x0f, payload: Buffer.from(bytes.subarray(start, start + length)) }
    bytes = bytes.subarray(start + length)
    return frame
  }

  let unsent: Buffer = Buffer.alloc(0)
  function send(bytes: Uint8Array) {
    unsent = Buffer.concat([unsent, bytes])
    flush()
  }
  function flush() {
    unsent = unsent.subarray(Math.max(0, socket.write(unsent)))
  }

  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      data(_, chunk) {
        bytes = Buffer.concat([bytes, chunk])
        read()
      },
      drain: flush,
      close: () => closed.resolve(),
      error: () => closed.resolve(),
    },
  })
  const asks = { host: url.host, upgrade: "websocket", connection: "Upgrade", "sec-websocket-key": KEY, "sec-websocket-version": "13" }
  const lines = Object.entries({ ...asks, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}\r\n`)
  await Promise.race([answered.promise, closed.promise])
  if (!head) throw new Error("closed without an answer")

  return {
    status: head.status,
    headers: head.headers,
    body: head.status === 101 ? "" : bytes.toString(),
    frames,
    async nextFrame() {
      const index = asked++
      while (frames.length <= index) await new Promise<void>((resolve) => waiters.push(resolve))
      return frames[index]!
    },
    sendFrame: (opcode, payload) => send(frameBytes({ opcode, payload })),
    sendBytes: send,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    closed: closed.promise,
    destroy: () => socket.terminate(),
  }
}

/** The one of RFC 6455, 1.3. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ=="
