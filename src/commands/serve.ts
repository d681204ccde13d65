/**
 * `serve`: settings → provider → server → the signal to stop → drain. Knows the order of these steps and nothing of their
 * insides. Ends no process: the exit code is what it returns.
 */
import { createDecoder } from "../audio/decoding/decoders.ts"
import { prepareAudio } from "../audio/input.ts"
import type { Engine } from "../engines/engine.ts"
import { openDetector, openProvider, speechOf } from "../engines/index.ts"
import { type RunningServer, type ServerOptions, startServer } from "../server/server.ts"
import type { Settings } from "../settings.ts"
import { announce } from "./announce.ts"
import { readCertificate } from "./certificate.ts"
import { enginesThatFit, readMachine } from "./machine.ts"
import { EXIT, type Program, stopped } from "./program.ts"
import { showDownload } from "./progress.ts"
import { reasonOf, systemCode } from "./reason.ts"

/** Files decoded at once: each is decoded a hundred times faster than it is heard, so that two keep any engine busy. */
const DECODE_PROCESSES = 2

/**
 * Serves until `program.stop` aborts and the drain ended, or until it is certain that no word could ever be answered. Clients
 * are let in at once, while the model still loads or is downloaded.
 */
export async function serve(program: Program): Promise<number> {
  const { settings, log, stop } = program
  const tls = await readCertificate(settings).catch(reasonOf)
  if (typeof tls === "string") {
    log.error("cannot start", { reason: tls })
    return EXIT.badSettings
  }
  const engines = settings.STT_ENGINES ?? enginesThatFit(readMachine())
  const download = showDownload(program)
  const vad = openDetector(program)
  const provider = await openProvider({ ...program, engines, vad, onDownload: download.onProgress })
  const { engine, whole } = speechOf(provider, { settings, vad, log })
  const decoder = createDecoder({ command: program.decodeCommand, env: program.env, processes: DECODE_PROCESSES, log })
  const recordings = whole && { ...whole, decoder, waitingMax: settings.STT_QUEUE_MAX }
  try {
    await prepareAudio()
    const server = listen({ ...serverOptions(settings), ...(tls && { tls }), ...(recordings && { recordings }), engine, log })
    if (typeof server === "string") {
      log.error("cannot start", { reason: server })
      return EXIT.failed
    }
    announce(program, { url: server.url, engine, engines: settings.STT_PROVIDER === "whisper" ? engines : undefined })
    const cause = await Promise.race([neverReady(engine, program, download.end), stopped(stop)])
    if (cause !== "stopped") {
      log.error("the engine can never be ready", { reason: cause.reason })
      await server.stop()
      return EXIT.failed
    }
    log.info("draining", { deadlineMs: settings.STT_DRAIN_MS })
    await server.drain(settings.STT_DRAIN_MS)
    return EXIT.drained
  } finally {
    await engine.close()
    await decoder.close()
    await vad.close()
    log.info("stopped")
  }
}

/** The server, or why there is none. */
function listen(options: ServerOptions): RunningServer | string {
  try {
    return startServer(options)
  } catch (error) {
    const { host, port } = options
    if (systemCode(error) === "EADDRINUSE") return `port ${port} on ${host} is taken by another program: set PORT to a free one`
    return `cannot listen on ${host}:${port}: ${reasonOf(error)}`
  }
}

/** Settles only if the engine will never answer. */
function neverReady(engine: Engine, { log }: Program, settled: () => void): Promise<{ reason: string }> {
  return new Promise((resolve) => {
    engine.ready().then(
      () => {
        settled()
        log.info("ready", { engine: engine.name, model: engine.model })
      },
      (error: unknown) => {
        settled()
        resolve({ reason: reasonOf(error) })
      },
    )
  })
}

function serverOptions(settings: Settings) {
  return {
    host: settings.HOST,
    port: settings.PORT,
    wyomingPort: settings.WYOMING_PORT,
    mode: settings.STT_MODE,
    language: settings.STT_LANGUAGE_CODE,
    strictModels: settings.STT_STRICT_MODELS,
    minReplyMs: settings.STT_MIN_REPLY_MS,
    maxSessions: settings.STT_MAX_SESSIONS,
    ...(settings.STT_ALLOWED_ORIGINS && { allowedOrigins: settings.STT_ALLOWED_ORIGINS }),
  }
}
