/** The Listener behind an address: a running xrx-stt, over its socket. */
import type { Config } from "../../dialects/config.ts"
import { createEventQueue } from "../../speech/event-queue.ts"
import type { Listener } from "./listener.ts"

const PATH = "/api/v1/ws"

/** What the network did not take yet: some seconds of sound. Above it no more is read. */
const UNSENT_BYTES_MAX = 256 * 1024

/** How often that is looked at. */
const UNSENT_LOOK_MS = 20

/** The socket's address. `wishes` that the address itself says stay as they are. @throws Error with one line */
export function socketAddress(said: string, wishes: Partial<Config>): URL {
  const url = URL.parse(said.includes("://") ? said : `ws://${said}`)
  if (!url || !/^(ws|http)s?:$/.test(url.protocol)) throw new Error(`--url must be an address such as ws://localhost:8000, got ${said}`)
  url.protocol = url.protocol.replace("http", "ws")
  if (url.pathname === "/") url.pathname = PATH
  url.searchParams.set("mode", "events")
  for (const [name, value] of Object.entries(wishes)) {
    if (!url.searchParams.has(name)) url.searchParams.set(name, typeof value === "boolean" ? String(Number(value)) : String(value))
  }
  return url
}

/** Rejects with one line if nobody answers there, or nobody is let in. */
export async function listenThere(address: URL): Promise<Listener> {
  const lines = createEventQueue<string>()
  const socket = new WebSocket(address)
  let failure: Error | undefined
  let over = false
  socket.onmessage = ({ data }) => lines.push(String(data))
  socket.onclose = ({ code, reason }) => {
    over = true
    if (code !== 1000) failure = new Error(`${address.host} ended the connection: ${reason || "no reason was given"} (${code})`)
    lines.end()
  }
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error(`${address.host}: no server there lets us in; curl ${readyAddress(address)} may say why`))
  })

  async function* told(): AsyncGenerator<string, void> {
    yield* lines.events
    if (failure) throw failure
  }

  return {
    lines: told(),
    async send(bytes) {
      if (over) return
      socket.send(bytes as Uint8Array<ArrayBuffer>)
      while (!over && socket.bufferedAmount > UNSENT_BYTES_MAX) await Bun.sleep(UNSENT_LOOK_MS)
    },
    finish() {
      if (!over) socket.send(JSON.stringify({ type: "close" }))
    },
    async close() {
      socket.close()
    },
  }
}

function readyAddress({ protocol, host }: URL): string {
  return `${protocol.replace("ws", "http")}//${host}/readyz`
}
