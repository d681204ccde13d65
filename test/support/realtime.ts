/** A client of OpenAI's realtime wire that is written by hand: JSON texts over a plain WebSocket. */
import { type Client, connect, socketUrl } from "./client.ts"

export type Line = Readonly<Record<string, unknown>> & { readonly type: string }

export interface RealtimeClient extends Pick<Client, "closed" | "close" | "terminate"> {
  send(event: object): void
  sendText(text: string): void
  sendBytes(bytes: Uint8Array): void
  append(bytes: Uint8Array): void
  /** Resolves with the next event, whether it came before or after the call. */
  next(): Promise<Line>
  /** The next events up to and with the first of this type. */
  until(type: string): Promise<Line[]>
  readonly received: readonly Line[]
}

export async function connectRealtime(
  server: URL,
  query = "intent=transcription",
  options: Bun.WebSocketOptions = {},
): Promise<RealtimeClient> {
  const client = await connect(socketUrl(server, query, "/v1/realtime"), options)
  const send = (event: object) => client.send(JSON.stringify(event))
  const next = async () => JSON.parse(await client.next()) as Line
  return {
    send,
    sendText: (text) => client.send(text),
    sendBytes: (bytes) => client.send(bytes),
    append: (bytes) => send({ type: "input_audio_buffer.append", audio: Buffer.from(bytes).toString("base64") }),
    next,
    async until(type) {
      const lines: Line[] = []
      do lines.push(await next())
      while (lines.at(-1)?.type !== type)
      return lines
    },
    get received() {
      return client.received.map((text) => JSON.parse(text) as Line)
    },
    closed: client.closed,
    close: client.close,
    terminate: client.terminate,
  }
}

export const COMMIT = { type: "input_audio_buffer.commit" }
export const CLEAR = { type: "input_audio_buffer.clear" }

/** An update in the words of today's wire. */
export function update(input: object, more: object = {}) {
  return { type: "session.update", session: { type: "transcription", audio: { input } }, ...more }
}

/** The rate of the house, so that a script can read its words off the samples. */
export const PCM16K = { type: "audio/pcm", rate: 16_000 }

/** The name of an event without its long family name. */
export function short(type: string): string {
  return type.replace("conversation.item.input_audio_transcription.", "").replace("input_audio_buffer.", "").replace("conversation.", "")
}
