/**
 * One end of a socket that speaks the contract: a binary message is an utterance, a text is its words. Looks at a text only
 * to see that it holds words. Knows no load.
 */

export interface Client {
  /** From handing over the utterance until its words came, in ms; undefined if none came in time, or the socket closed. */
  ask(utterance: Uint8Array<ArrayBuffer>): Promise<number | undefined>
  close(): void
}

export interface ClientOptions {
  readonly url: string
  /** For the handshake and for each reply. */
  readonly timeoutMs: number
  /** Every wait ends at once. */
  readonly signal: AbortSignal
}

/** Rejects if the server does not let us in. */
export async function openClient(options: ClientOptions): Promise<Client> {
  const socket = await openSocket(options)
  const { timeoutMs, signal } = options
  return {
    ask(utterance) {
      return new Promise((resolve) => {
        const finish = (latencyMs?: number) => {
          clearTimeout(timer)
          signal.removeEventListener("abort", giveUp)
          resolve(latencyMs)
        }
        const giveUp = () => finish()
        const timer = setTimeout(giveUp, timeoutMs)
        signal.addEventListener("abort", giveUp)
        socket.onclose = giveUp
        socket.onmessage = ({ data }) => finish(holdsWords(data) ? performance.now() - sentAtMs : undefined)
        const sentAtMs = performance.now()
        socket.send(utterance)
        if (signal.aborted || socket.readyState !== WebSocket.OPEN) giveUp()
      })
    },
    close: () => socket.terminate(),
  }
}

export function holdsWords(data: unknown): boolean {
  return typeof data === "string" && /[\p{L}\p{N}]/u.test(data)
}

/** Resolves once it is open; rejects if the server does not let us in. */
export function openSocket({ url, timeoutMs, signal }: ClientOptions): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    const fail = (why: string) => {
      clearTimeout(timer)
      signal.removeEventListener("abort", abort)
      socket.terminate()
      reject(new Error(`${url} does not let us in: ${why}`))
    }
    const abort = () => fail("stopped")
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs)
    signal.addEventListener("abort", abort)
    socket.onopen = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", abort)
      resolve(socket)
    }
    socket.onerror = (event) => fail("message" in event ? String(event.message) : "connection failed")
    socket.onclose = ({ code, reason }) => fail(`${code} ${reason}`.trim())
  })
}

const PING_EVERY_MS = 50

/** Pings still under way at the end may come back for so long. */
const LAST_PINGS_MS = 2000

export interface Bystander {
  /** How long each ping took, in ms; one that never came back counts as long as it was waited for. */
  stop(): Promise<number[]>
}

/** A socket that says nothing and only pings, whether or not the last ping is back: it sees how long the server held its loop. */
export async function openBystander(options: ClientOptions): Promise<Bystander> {
  const socket = await openSocket(options)
  const tookMs: number[] = []
  const sentAtMs: number[] = []
  let onAllBack = () => {}
  // `pong` is an event of Bun's client alone; the types do not know it.
  socket.addEventListener("pong" as "message", () => {
    const at = sentAtMs.shift()
    if (at !== undefined) tookMs.push(performance.now() - at)
    if (sentAtMs.length === 0) onAllBack()
  })
  const ping = () => {
    sentAtMs.push(performance.now())
    socket.ping()
  }
  const timer = setInterval(ping, PING_EVERY_MS)
  ping()
  return {
    async stop() {
      clearInterval(timer)
      if (sentAtMs.length > 0 && !options.signal.aborted) {
        await new Promise<void>((resolve) => {
          const late = setTimeout(resolve, LAST_PINGS_MS)
          onAllBack = () => {
            clearTimeout(late)
            resolve()
          }
        })
      }
      for (const at of sentAtMs) tookMs.push(performance.now() - at)
      socket.terminate()
      return tookMs
    },
  }
}
