/** The first thing that a server says: five lines for a person at a terminal, one event for everybody else. Knows no socket. */
import { version } from "../binary/version.ts"
import type { Engine } from "../engines/engine.ts"
import { createPaint } from "./colours.ts"
import type { Program } from "./program.ts"

export interface Started {
  /** Where it listens. */
  readonly url: URL
  readonly engine: Pick<Engine, "name" | "model">
  /** Engine processes; undefined where words come from the cloud. */
  readonly engines: number | undefined
}

type Announcer = Pick<Program, "settings" | "env" | "log" | "terminal" | "writeError">

export function announce({ settings, env, log, terminal, writeError }: Announcer, { url, engine, engines }: Started) {
  const mode = settings.STT_MODE
  if (!terminal) return log.info("listening", { address: socketAt(url).href, engine: engine.name, model: engine.model, engines, mode })
  const here = new URL(url)
  // Nobody can go to the address that means all of them.
  if (here.hostname === "0.0.0.0" || here.hostname === "[::]") here.hostname = "localhost"
  const paint = createPaint(true, env)
  const row = (name: string, text: string) => `  ${paint("dim", name.padEnd(8))} ${text}`
  writeError(
    [
      `${paint("bold", `xrx-stt ${version}`)} listens on ${paint("cyan", socketAt(here).href)}`,
      row("Page", paint("cyan", here.href)),
      row("Model", `${engine.model} (${engine.name}), ${mode} mode`),
      row("Engines", engines === undefined ? `in the cloud: audio goes to ${engine.name}` : `${engines} on this machine`),
      row("Try", paint("bold", firstCommand(here, engine.name))),
    ].join("\n"),
  )
}

function socketAt(url: URL): URL {
  const socket = new URL("/api/v1/ws", url)
  socket.protocol = url.protocol === "https:" ? "wss:" : "ws:"
  return socket
}

/** Deepgram hears no recordings here. */
function firstCommand(url: URL, engine: string): string {
  if (engine === "deepgram") return `arecord -q -f S16_LE -r 16000 -c 1 | xrx-stt listen --url ${socketAt(url).origin}`
  return `curl ${new URL("/v1/audio/transcriptions", url).href} -F model=whisper-1 -F file=@talk.mp3`
}
