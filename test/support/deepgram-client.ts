/** Deepgram's real client, at a real server that hears by a script. */
import { DeepgramClient } from "@deepgram/sdk"
import type { ServerOptions } from "../../src/server/server.ts"
import { createScriptedRecordings } from "./scripted-recordings.ts"
import type { ScriptOptions } from "./scripted-streams.ts"
import { serve } from "./server.ts"

export type Line = Readonly<Record<string, unknown>> & { readonly type: string }

type Connection = Awaited<ReturnType<DeepgramClient["listen"]["v1"]["connect"]>>
type Query = Parameters<DeepgramClient["listen"]["v1"]["connect"]>[0]

export interface LiveClient {
  readonly connection: Connection
  send(bytes: Uint8Array): void
  finalize(): void
  keepAlive(): void
  closeStream(): void
  /** Resolves with the next message, whether it came before or after the call. */
  next(): Promise<Line>
  readonly received: readonly Line[]
  /** Resolves with the code and reason of the first close. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
}

export const PCM: Query = { model: "nova-3", encoding: "linear16", sample_rate: 16_000 }

/** As its users connect, reconnecting and all, unless `query` says otherwise. */
export async function connectLive(url: URL, query: Partial<Query> = PCM): Promise<LiveClient> {
  const connection = await clientOf(url).listen.v1.connect({ model: "nova-3", ...query })
  const received: Line[] = []
  const closed = Promise.withResolvers<{ code: number; reason: string }>()
  let waiters: (() => void)[] = []
  let asked = 0
  connection.on("message", (message) => {
    received.push(message as unknown as Line)
    const woken = waiters
    waiters = []
    for (const wake of woken) wake()
  })
  connection.on("error", () => {})
  connection.on("close", ({ code, reason }) => closed.resolve({ code, reason }))
  connection.connect()
  await connection.waitForOpen()
  return {
    connection,
    send: (bytes) => connection.sendMedia(bytes),
    finalize: () => connection.sendFinalize({ type: "Finalize" }),
    keepAlive: () => connection.sendKeepAlive({ type: "KeepAlive" }),
    closeStream: () => connection.sendCloseStream({ type: "CloseStream" }),
    async next() {
      const index = asked++
      while (received.length <= index) await new Promise<void>((resolve) => waiters.push(resolve))
      return received[index]!
    },
    received,
    closed: closed.promise,
  }
}

export function clientOf(url: URL): DeepgramClient {
  return new DeepgramClient({ apiKey: "of-nobody", baseUrl: url.origin })
}

export function startForDeepgram({ script, ...server }: Partial<ServerOptions> & { readonly script?: ScriptOptions } = {}) {
  const recordings = createScriptedRecordings()
  const served = serve({ recordings, ...server }, script)
  return { ...served, recordings, url: served.server.url, deepgram: clientOf(served.server.url) }
}

/** The text of Results. */
export function transcript(line: Line): string {
  return alternative(line).transcript
}

export function alternative(line: Line) {
  const { alternatives } = line.channel as { alternatives: { transcript: string; confidence: number; words: object[] }[] }
  return alternatives[0]!
}
