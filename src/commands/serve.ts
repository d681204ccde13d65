/**
 * `serve`: settings → provider → server → the signal to stop → drain. Knows the order of these steps and nothing of their
 * insides. Exits nothing: the exit code is what it returns.
 */
import { readFile } from "node:fs/promises"
import type { Engine } from "../engines/engine.ts"
import { engineOf, openProvider } from "../engines/index.ts"
import { type RunningServer, startServer } from "../server/server.ts"
import type { Settings } from "../settings.ts"
import { enginesThatFit, readMachine } from "./machine.ts"
import { EXIT, type Program } from "./program.ts"
import { showDownload } from "./progress.ts"
import { reasonOf, systemCode } from "./reason.ts"

/** Serves until `program.stop` aborts and the drain ended, or until it is certain that no word could ever be answered. */
export async function serve(program: Program): Promise<number> {
  const { settings, log } = program
  const tls = await readTls(program)
  if (tls === "unreadable") return EXIT.badSettings
  const engines = settings.STT_ENGINES ?? enginesThatFit(readMachine())
  const download = showDownload(program)
  const provider = await openProvider({ ...program, engines, onDownload: download.onProgress })
  const engine = engineOf(provider, { waitingMax: settings.STT_QUEUE_MAX, log })
  let server: RunningServer
  try {
    server = startServer({ ...serverOptions(settings), ...(tls && { tls }), engine, log })
  } catch (error) {
    log.error("cannot listen", { reason: listenFault(settings, error) })
    await engine.close()
    return EXIT.failed
  }
  announce(program, server, engine, settings.STT_PROVIDER === "whisper" ? engines : undefined)
  const hopeless = engine.ready().then(
    () => {
      download.end()
      log.info("ready", { engine: engine.name, model: engine.model })
      return new Promise<never>(() => {})
    },
    (error: unknown) => {
      download.end()
      return error
    },
  )
  const ended = await Promise.race([hopeless, aborted(program.stop)])
  if (ended !== "stopped") {
    log.error("engine can never be ready", { reason: reasonOf(ended) })
    await server.stop()
    await engine.close()
    return EXIT.failed
  }
  log.info("draining", { deadlineMs: settings.STT_DRAIN_MS })
  await server.drain(settings.STT_DRAIN_MS)
  await engine.close()
  log.info("stopped")
  return EXIT.drained
}

function serverOptions(settings: Settings) {
  return {
    host: settings.HOST,
    port: settings.PORT,
    mode: settings.STT_MODE,
    language: settings.STT_LANGUAGE_CODE,
    minReplyMs: settings.STT_MIN_REPLY_MS,
    maxSessions: settings.STT_MAX_SESSIONS,
    ...(settings.STT_ALLOWED_ORIGINS && { allowedOrigins: settings.STT_ALLOWED_ORIGINS }),
  }
}

/** At most five lines for a person at a terminal, one event for everybody else. */
function announce({ settings, log, terminal, writeError }: Program, server: RunningServer, engine: Engine, engines: number | undefined) {
  const socket = new URL("/api/v1/ws", server.url)
  socket.protocol = server.url.protocol === "https:" ? "wss:" : "ws:"
  if (!terminal) {
    log.info("listening", { address: socket.href, engine: engine.name, model: engine.model, engines, mode: settings.STT_MODE })
    return
  }
  const processes = engines === undefined ? "" : `, ${engines} engine ${engines === 1 ? "process" : "processes"}`
  writeError(
    [
      `xrx-stt listens on ${socket.href}`,
      `Speech goes to ${engine.name}, model ${engine.model}${processes}, ${settings.STT_MODE} mode`,
      `Is it ready? curl ${new URL("/readyz", server.url)}`,
      "Stop it with Ctrl-C; a second Ctrl-C does not wait for running work",
    ].join("\n"),
  )
}

async function readTls({ settings, log }: Program): Promise<{ cert: string; key: string } | "unreadable" | undefined> {
  const { TLS_CERT: cert, TLS_KEY: key } = settings
  if (cert === undefined || key === undefined) return undefined
  try {
    return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") }
  } catch (error) {
    log.error("bad settings", { reason: `TLS_CERT and TLS_KEY: ${reasonOf(error)}` })
    return "unreadable"
  }
}

function listenFault({ HOST, PORT }: Settings, error: unknown): string {
  if (systemCode(error) === "EADDRINUSE") return `port ${PORT} on ${HOST} is taken by another program: set PORT to a free one`
  return `${HOST}:${PORT}: ${reasonOf(error)}`
}

function aborted(signal: AbortSignal): Promise<"stopped"> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve("stopped")
    signal.addEventListener("abort", () => resolve("stopped"), { once: true })
  })
}
