/** Bytes over TCP as nobody's client would send them. Knows no protocol. */
import { createConnection, type Socket } from "node:net"
import type { Chance } from "./chance.ts"

export interface Said {
  readonly answer: Buffer
  /** Whether the server let go in time; else we did. */
  readonly closed: boolean
}

/** Of an answer that is only looked at. */
const ANSWER_BYTES_MAX = 256 * 1024

/** Once all is sent: closes its half, waits with both halves open, or is gone at once. */
export type Manners = "ends" | "waits" | "leaves"

/** Sends `parts` one after the other, each by itself, then nothing more, and reads until the server closes, at most `limitMs`. */
export function sayOverTcp(port: number, parts: readonly Uint8Array[], limitMs: number, manners: Manners = "ends"): Promise<Said> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    let open = true
    const socket = createConnection({ host: "127.0.0.1", port, noDelay: true })
    const finish = (closed: boolean) => {
      if (!open) return
      open = false
      clearTimeout(timer)
      socket.destroy()
      resolve({ answer: Buffer.concat(chunks), closed })
    }
    const timer = setTimeout(() => finish(false), limitMs)
    socket.on("data", (chunk: Buffer) => {
      if (length < ANSWER_BYTES_MAX) chunks.push(chunk)
      length += chunk.length
    })
    socket.on("close", () => finish(true))
    socket.on("error", () => finish(true))
    socket.on("connect", async () => {
      for (const part of parts) if (!(await written(socket, part))) break
      if (manners === "leaves") finish(true)
      if (manners === "ends") socket.end()
    })
  })
}

function written(socket: Socket, part: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve(false)
    socket.once("close", () => resolve(false))
    // A turn between two parts, so that the server mostly sees them apart.
    socket.write(part, (error) => setImmediate(resolve, !error))
  })
}

/** The same bytes in a few pieces, or in one. */
export function inPieces(bytes: Buffer, chance: Chance): Buffer[] {
  if (chance.percent(60)) return [bytes]
  const cuts = chance.some(1, 4, () => chance.below(bytes.length + 1)).sort((a, b) => a - b)
  return [0, ...cuts].map((from, at) => bytes.subarray(from, cuts[at] ?? bytes.length))
}

/** The status of an HTTP answer; null if there was none. */
export function statusOf(answer: Buffer): number | null {
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer.subarray(0, 32).toString("latin1")) ?? []
  return status === undefined ? null : Number(status)
}
