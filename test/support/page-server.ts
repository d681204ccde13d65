/** The whole program with the real Whisper, as the page meets it. */
import type { Environment } from "../../src/settings.ts"
import { connect, socketUrl } from "./client.ts"
import { clip, words } from "./clips.ts"
import { type RunningProgram, startProgram } from "./program.ts"

export interface PageServer {
  readonly program: RunningProgram
  /** Of the page. */
  readonly url: URL
}

/** Resolves when it is ready. */
export async function startPageServer(env: Environment = {}): Promise<PageServer> {
  const program = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1", ...env })
  const url = new URL("/", String((await program.seen("listening")).address))
  url.protocol = "http:"
  await program.seen("ready")
  return { program, url }
}

/** The words of a recording as our own socket tells them. */
export async function wordsBySocket(url: URL, id: string): Promise<string> {
  const client = await connect(socketUrl(url, "mode=events&words=1&interim=1"))
  client.send(new Uint8Array((await clip(id)).slice().buffer))
  client.send('{"type":"close"}')
  await client.closed
  const finals = client.received.map((text) => JSON.parse(text)).filter(({ type }) => type === "final")
  return words(finals.map(({ text }) => text).join(" "))
}
