/**
 * `serve`: settings → provider → server → the signal to stop → drain. Knows the order of these steps and nothing of their
 * insides. Ends no process: the exit code is what it returns.
 */
import { createDecoder } from "../audio/decoding/decoders.ts"
import { prepareAudio } from "../audio/input.ts"
import { realClock } from "../clock.ts"
import type { Engine } from "../engines/engine.ts"
import { openDetector, openProvider, speechOf, type Whole } from "../engines/index.ts"
import { type Canary, startCanary } from "../server/canary.ts"
import { type RunningServer, type ServerOptions, startServer } from "../server/server.ts"
import type { Settings } from "../settings.ts"
import { announce } from "./announce.ts"
import { builtInClips } from "./bench/clips.ts"
import { measureCapacity } from "./capacity.ts"
import { readCertificate } from "./certificate.ts"
import { openClientKeys } from "./client-keys.ts"
import { isKnownClip, KNOWN_CLIP_LANGUAGE, readKnownClip } from "./known-clip.ts"
import { enginesThatFit, readMachine, recordingMemory } from "./machine.ts"
import { EXIT, type Program, stopped } from "./program.ts"
import { showDownload } from "./progress.ts"
import { reasonOf, systemCode } from "./reason.ts"
import { openServiceManager, withoutServiceManager } from "./service-manager.ts"
import { openTraces } from "./traces.ts"

/** Files decoded at once: each is decoded a hundred times faster than it is heard, so that two keep any engine busy. */
const DECODE_PROCESSES = 2

/**
 * Serves until `program.stop` aborts and the drain ended, or until it is certain that no word could ever be answered. Clients
 * are let in at once, while the model still loads or is downloaded.
 */
export async function serve(started: Program): Promise<number> {
  const program = { ...started, env: withoutServiceManager(started.env) }
  const { settings, log, stop } = program
  const tls = await readCertificate(settings).catch(reasonOf)
  if (typeof tls === "string") {
    log.error("cannot start", { reason: tls })
    return EXIT.badSettings
  }
  const keys = await openClientKeys(program).catch(reasonOf)
  if (typeof keys === "string") {
    log.error("cannot start", { reason: keys })
    return EXIT.badSettings
  }
  const tracing = await openTraces(program).catch(reasonOf)
  if (typeof tracing === "string") {
    log.error("cannot start", { reason: tracing })
    return EXIT.badSettings
  }
  const machine = readMachine()
  const engines = settings.STT_ENGINES ?? enginesThatFit(machine)
  const memory = recordingMemory(machine, settings.STT_PROVIDER === "whisper" ? engines : 0, DECODE_PROCESSES)
  const download = showDownload(program)
  const vad = openDetector(program)
  const provider = await openProvider({ ...program, engines, vad, onDownload: download.onProgress })
  const { engine, whole } = speechOf(provider, { settings, vad, log })
  const { decodeCommand: command, env } = program
  const decoder = createDecoder({ command, env, processes: DECODE_PROCESSES, memoryMaxBytes: memory.decoderBytes, log })
  const recordings = whole && { ...whole, decoder, waitingMax: settings.STT_QUEUE_MAX, waitingMs: settings.STT_QUEUE_MS }
  const canary = whole && (await canaryOf(program, whole))
  const capacity = capacityOf(program, whole, canary)
  const systemd = openServiceManager(started)
  try {
    await prepareAudio()
    const ended = Promise.race([neverReady(engine, download.end), stopped(stop)])
    // Until then the server that has the port answers everybody.
    const early = settings.STT_REUSE_PORT && (await Promise.race([ended, canary?.understood ?? engine.ready().catch(() => {})]))
    if (early) return endedEarly(early)
    const traced = tracing && { tracer: tracing.tracer }
    const uploads = { heldBytesMax: memory.uploadsBytes }
    const given = {
      uploads,
      ...(tls && { tls }),
      ...(recordings && { recordings }),
      ...(canary && { canary }),
      ...traced,
      ...capacity.limits,
    }
    const server = listen({ ...serverOptions(settings), ...given, keys: keys.current, engine, log })
    if (typeof server === "string") {
      log.error("cannot start", { reason: server })
      return EXIT.failed
    }
    announce(program, { url: server.url, engine, engines: settings.STT_PROVIDER === "whisper" ? engines : undefined })
    systemd.loading()
    void (canary?.understood ?? engine.ready()).then(tellReady, () => {})
    const cause = await ended
    if (cause !== "stopped") {
      await server.stop()
      return endedEarly(cause)
    }
    const deadlineMs = settings.STT_DRAIN_MS
    systemd.draining(deadlineMs)
    log.info("draining", { deadlineMs })
    const overAtMs = realClock.now() + deadlineMs
    await server.drain(deadlineMs - (tracing ? flushMs(deadlineMs) : 0))
    await tracing?.close(overAtMs - realClock.now())
    return EXIT.drained
  } finally {
    keys.close()
    capacity.close()
    canary?.close()
    await engine.close()
    await decoder.close()
    await vad.close()
    systemd.close()
    log.info("stopped")
  }

  function tellReady() {
    if (stop.aborted) return
    systemd.ready()
    log.info("ready", { engine: engine.name, model: engine.model })
  }

  function endedEarly(cause: "stopped" | { reason: string }): number {
    if (cause === "stopped") return EXIT.drained
    log.error("the engine can never be ready", cause)
    return EXIT.failed
  }
}

/** What is left of a drain for the last traces: a collector that is there takes less. */
const FLUSH_MS = 500

const flushMs = (drainMs: number) => Math.min(FLUSH_MS, drainMs / 10)

/** None where each question costs money. */
async function canaryOf({ settings, log }: Program, whole: Whole): Promise<Canary | null> {
  if (settings.STT_PROVIDER !== "whisper") return null
  // Another model may know no English, but has something to say to speech.
  const isUnderstood = settings.WHISPER_MODEL === "base" ? isKnownClip : (text: string) => text !== ""
  return startCanary({ ...whole, samples: await readKnownClip(), language: KNOWN_CLIP_LANGUAGE, isUnderstood, log })
}

/** How many may speak at once: as set, or as measured once the engine is ready; no limit until then, and in the cloud. */
function capacityOf({ settings, log }: Program, whole: Whole | null, canary: Canary | null) {
  const closing = new AbortController()
  const close = () => closing.abort()
  const set = settings.STT_MAX_SPEAKERS
  if (set === 0) return { limits: {}, close }
  let speakers = set
  if (set === undefined && whole && canary) void canary.understood.then(() => measure(whole))
  return { limits: { speakersMax: () => speakers, ...(whole && { ahead: whole.permits.ahead }) }, close }

  async function measure(whole: Whole) {
    const spoken = (await builtInClips()).find(({ name }) => name === "7 s")
    if (!spoken) return
    const options = { ...whole, samples: spoken.samples, language: KNOWN_CLIP_LANGUAGE, signal: closing.signal, log }
    await measureCapacity(options, (measured) => {
      speakers = measured
    })
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

/** Settles only if the engine will never answer; `settled` is told of either. */
function neverReady(engine: Engine, settled: () => void): Promise<{ reason: string }> {
  return new Promise((resolve) => {
    engine.ready().then(settled, (error: unknown) => {
      settled()
      resolve({ reason: reasonOf(error) })
    })
  })
}

function serverOptions(settings: Settings) {
  return {
    host: settings.HOST,
    port: settings.PORT,
    reusePort: settings.STT_REUSE_PORT,
    wyomingPort: settings.WYOMING_PORT,
    mode: settings.STT_MODE,
    language: settings.STT_LANGUAGE_CODE,
    strictModels: settings.STT_STRICT_MODELS,
    minReplyMs: settings.STT_MIN_REPLY_MS,
    maxSessions: settings.STT_MAX_SESSIONS,
    requireKey: settings.STT_REQUIRE_KEY,
    proxyHops: settings.STT_PROXY_HOPS,
    ...(settings.STT_MAX_PER_KEY !== undefined && { perKeyMax: settings.STT_MAX_PER_KEY }),
    ...(settings.STT_MAX_PER_ADDRESS !== undefined && { perAddressMax: settings.STT_MAX_PER_ADDRESS }),
    ...(settings.STT_ALLOWED_ORIGINS && { allowedOrigins: settings.STT_ALLOWED_ORIGINS }),
  }
}
