/**
 * The providers by name, each loaded only when it is chosen. The one file of this room that belongs to the composition root:
 * it reads settings, so no other room may import it. A new provider is one file, one test file and one line in the table.
 */
import { cacheDirCandidates } from "../binary/cache-dirs.ts"
import type { Log } from "../log.ts"
import { queueWaiting } from "../metrics.ts"
import { createPermits, type Permits } from "../permits.ts"
import type { Environment, Settings } from "../settings.ts"
import { liftTranscriber } from "../speech/utterances.ts"
import { createVoiceActivityDetector } from "../speech/vad/detector.ts"
import type { VoiceActivityDetector } from "../speech/vad/vad.ts"
import type { Engine, Transcriber } from "./engine.ts"
import { type Candidate, createFallback } from "./fallback.ts"
import { measured } from "./measured.ts"
import { transcribeByStreams } from "./streamed.ts"
import type { DownloadProgress, ResolveModelOptions } from "./whisper/models.ts"

/** What a provider is made of: some give the words of whole utterances, some hear a stream. */
export type Provider =
  | { readonly kind: "transcriber"; readonly transcriber: Transcriber }
  | { readonly kind: "engine"; readonly engine: Engine }

export interface ProviderContext {
  readonly settings: Settings
  /** Engine processes for Whisper. */
  readonly engines: number
  /** What engine processes inherit. */
  readonly env: Environment
  /** Starts this program again as an engine process. */
  readonly engineCommand: readonly string[]
  /** Its owner closes it, after the provider. */
  readonly vad: VoiceActivityDetector
  /** Called while a model is downloaded. */
  readonly onDownload?: (progress: DownloadProgress) => void
  readonly log: Log
}

const openers: Record<Settings["STT_PROVIDER"], (context: ProviderContext) => Promise<Provider>> = {
  whisper: openWhisper,
  groq: openGroq,
  deepgram: openDeepgram,
}

/** Deepgram's streams of utterances at once, where it is one of several: an account has 50 at least. */
const STREAMS_AT_ONCE = 32

/** The provider that the settings name, with those behind it. Returns before a model is loaded or a provider dialled. */
export async function openProvider(context: ProviderContext): Promise<Provider> {
  const { settings, log } = context
  const { STT_PROVIDER: first, STT_FALLBACK: others = [], STT_FALLBACK_MS, STT_QUEUE_MAX: waitingMax } = settings
  const behind = others.filter((name) => name !== first)
  if (behind.length === 0) return openers[first](context)

  async function candidate(name: Settings["STT_PROVIDER"]): Promise<Candidate> {
    const provider = await openers[name](context)
    const transcriber =
      provider.kind === "transcriber" ? provider.transcriber : measured(transcribeByStreams(provider.engine, STREAMS_AT_ONCE))
    return { transcriber, deadlineMs: name === "whisper" ? null : STT_FALLBACK_MS }
  }
  const candidates = [await candidate(first), ...(await Promise.all(behind.map(candidate)))] as const
  return { kind: "transcriber", transcriber: createFallback({ candidates, waitingMax, log }) }
}

/** Who else could answer makes no second try of a provider worth waiting for. */
const isOneOfSeveral = ({ STT_PROVIDER, STT_FALLBACK = [] }: Settings) => STT_FALLBACK.some((name) => name !== STT_PROVIDER)

export interface DetectorContext extends Pick<ProviderContext, "settings" | "env" | "log"> {
  /** Starts this program again as its voice activity process. */
  readonly vadCommand: readonly string[]
}

/** The one voice activity detector of this program. Starts nothing before it is asked. */
export function openDetector({ settings, env, vadCommand, log }: DetectorContext): VoiceActivityDetector {
  return createVoiceActivityDetector({ command: vadCommand, env, cacheDirs: cacheDirsOf(settings, env), log })
}

/** For whole utterances: who hears them, with the permits that its streams take too. */
export interface Whole {
  readonly transcriber: Transcriber
  readonly permits: Permits
}

/** What the server asks for words: streams of every provider, whole recordings of some. */
export interface Speech {
  readonly engine: Engine
  /** Behind that engine; null if the provider hears streams only. */
  readonly whole: Whole | null
}

/** The provider as the server wants it. It is ready without the detector, unless whoever says nothing of a mode streams. */
export function speechOf(provider: Provider, { settings, vad, log }: Pick<ProviderContext, "settings" | "vad" | "log">): Speech {
  if (provider.kind === "engine") return { engine: provider.engine, whole: null }
  const { transcriber } = provider
  const onWaiting = (count: number) => queueWaiting.set({ engine: transcriber.name }, count)
  const permits = createPermits({ atOnce: transcriber.concurrency, waitingMax: settings.STT_QUEUE_MAX, onWaiting })
  const engine = liftTranscriber(transcriber, { permits, vad, log })
  return { engine: settings.STT_MODE === "utterance" ? engine : readyWith(vad, engine), whole: { transcriber, permits } }
}

function readyWith(vad: VoiceActivityDetector, engine: Engine): Engine {
  return {
    name: engine.name,
    get model() {
      return engine.model
    },
    open: (options) => engine.open(options),
    async ready() {
      await Promise.all([engine.ready(), vad.ready()])
    },
    close: () => engine.close(),
  }
}

async function openWhisper({ settings, engines, env, engineCommand, vad, onDownload, log }: ProviderContext): Promise<Provider> {
  const [{ createWhisper }, { resolveModel }] = await Promise.all([import("./whisper/whisper.ts"), import("./whisper/models.ts")])
  const cacheDirs = cacheDirsOf(settings, env)
  const modelName = settings.WHISPER_MODEL
  const found = resolveModel(modelName, { ...modelPlaces(settings, env), ...(onDownload && { onProgress: onDownload }), log })
  const transcriber = createWhisper({
    model: found,
    modelName,
    engines,
    threads: settings.STT_THREADS,
    cacheDirs,
    noSpeechThreshold: settings.NO_SPEECH_THRESHOLD,
    hallucinationFilter: settings.STT_HALLUCINATION_FILTER,
    vad,
    engineCommand,
    env,
    log,
  })
  return { kind: "transcriber", transcriber: measured(transcriber) }
}

async function openGroq({ settings, log }: ProviderContext): Promise<Provider> {
  const { createGroq } = await import("./groq.ts")
  const baseUrl = settings.GROQ_BASE_URL
  const apiKey = settings.GROQ_STT_API_KEY ?? ""
  const transcriber = createGroq({
    apiKey,
    ...(baseUrl && { baseUrl }),
    noSpeechThreshold: settings.NO_SPEECH_THRESHOLD,
    ...(isOneOfSeveral(settings) && { deadlineMs: settings.STT_FALLBACK_MS }),
    log,
  })
  return { kind: "transcriber", transcriber: measured(transcriber) }
}

async function openDeepgram({ settings, log }: ProviderContext): Promise<Provider> {
  const { createDeepgram } = await import("./deepgram.ts")
  const baseUrl = settings.DEEPGRAM_BASE_URL
  const counts = !isOneOfSeveral(settings)
  const engine = createDeepgram({ apiKey: settings.DG_API_KEY ?? "", ...(baseUrl && { baseUrl }), counts, log })
  return { kind: "engine", engine }
}

/** Where Whispers lie on this machine, and where others come from. */
export function modelPlaces(settings: Settings, env: Environment): Pick<ResolveModelOptions, "cacheDirs" | "offline" | "hubUrl"> {
  const hubUrl = settings.HF_ENDPOINT
  return { cacheDirs: cacheDirsOf(settings, env), offline: settings.STT_OFFLINE, ...(hubUrl !== undefined && { hubUrl }) }
}

/** With STT_CACHE_DIR as the settings understood it, which may differ from its raw text. */
export function cacheDirsOf(settings: Settings, env: Environment): readonly string[] {
  return cacheDirCandidates({ ...env, STT_CACHE_DIR: settings.STT_CACHE_DIR })
}
