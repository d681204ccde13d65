/**
 * Which Whisper runs: the embedded one, a folder, or one that is fetched from the hub into the cache and then used without
 * asking again (to fetch a newer one, delete its folder). Runs in the parent process and never loads ONNX Runtime; reads no
 * environment.
 */
import { readdir, stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import { type Clock, realClock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { EngineError } from "../engine.ts"
import { findCached, isHubId, openIncoming } from "./cache.ts"
import { downloadFile, FETCH_LIMITS, type FetchLimits } from "./download.ts"
import { codeOf, FetchError, type FetchFault, reasonOf } from "./fetch-error.ts"
import type { HubModel } from "./hub.ts"

export type ModelChoice = { readonly kind: "embedded" } | { readonly kind: "folder"; readonly path: string }

export interface DownloadProgress {
  readonly file: string
  /** Of this file, what an earlier start had fetched included. */
  readonly loadedBytes: number
  readonly totalBytes: number | null
}

export interface ResolveModelOptions {
  /** Looked through in this order; a model is fetched into the first that can be written. */
  readonly cacheDirs: readonly string[]
  /** True: no connection is made; what the cache does not hold cannot be had. */
  readonly offline: boolean
  /** Called for the first piece of a file, then at most ten times a second, and when the file is whole. */
  readonly onProgress?: (progress: DownloadProgress) => void
  readonly signal?: AbortSignal
  /** Default https://huggingface.co. */
  readonly hubUrl?: string
  /** Default FETCH_LIMITS. */
  readonly limits?: Partial<FetchLimits>
  readonly clock?: Clock
  readonly log: Log
}

const HUB_URL = "https://huggingface.co"
const PROGRESS_MS = 100

/** The size that lies inside the program. */
export const EMBEDDED_SIZE = "base"

/** What `WHISPER_MODEL` may say beside a hub id and a folder; `base` is embedded, the others are fetched. */
export const MODEL_SIZES = [
  EMBEDDED_SIZE,
  "base.en",
  "tiny",
  "tiny.en",
  "small",
  "small.en",
  "medium",
  "medium.en",
  "large-v2",
  "large-v3",
  "large-v3-turbo",
  "distil-small.en",
  "distil-medium.en",
  "distil-large-v2",
  "distil-large-v3",
] as const

/** faster-whisper's other words for them: the service that this one replaces took those. */
const SIZE_ALIASES: Readonly<Record<string, string>> = { large: "large-v3", turbo: "large-v3-turbo" }

/**
 * Names one of MODEL_SIZES (also as `whisper-base`, `openai/whisper-base`, `Systran/faster-whisper-base`), a folder, or a
 * model of the hub. Rejects with an EngineError: `unavailable` with one line that says what, why and what to do, or
 * `aborted`; what had come by then is kept for the next call. `tiny` that cannot be had becomes the embedded base, with a warning.
 */
export async function resolveModel(name: string, options: ResolveModelOptions): Promise<ModelChoice> {
  try {
    return await obtainModel(name, options)
  } catch (error) {
    const source = await readModelName(name)
    const isTiny = source.kind === "hub" && source.size === "tiny"
    if (!isTiny || !(error instanceof EngineError) || error.code === "aborted") throw error
    options.log.warn("model fallback", { model: name, used: EMBEDDED_SIZE, reason: error.message })
    return { kind: "embedded" }
  }
}

/** The same without a stand-in for `tiny`. */
export async function obtainModel(name: string, options: ResolveModelOptions): Promise<ModelChoice> {
  const source = await readModelName(name)
  if (source.kind === "embedded") return source
  if (source.kind === "folder") return await checkFolder(source.path)
  return { kind: "folder", path: await obtain(name, source.ids, options) }
}

/** What a name means, before anybody looks whether it is there. */
export type ModelName =
  | { readonly kind: "embedded" }
  | { readonly kind: "folder"; readonly path: string }
  /** The first of the ids that the hub knows. */
  | { readonly kind: "hub"; readonly ids: readonly string[]; readonly size?: string }

/** Rejects with an EngineError `unavailable` if it can mean nothing. */
export async function readModelName(name: string): Promise<ModelName> {
  const short = name.replace(/^(openai\/whisper-|systran\/faster-whisper-|whisper-)/i, "")
  const size = SIZE_ALIASES[short] ?? short
  if (size === EMBEDDED_SIZE) return { kind: "embedded" }
  if (MODEL_SIZES.some((known) => known === size)) return { kind: "hub", ids: idsOf(size), size }
  const looksLikePath = /^[./~]|^[A-Za-z]:|\\|\/.*\/|\/$/.test(name)
  if (looksLikePath || (name !== "" && (await stat(name).catch(() => null)) !== null)) return { kind: "folder", path: resolve(name) }
  if (isHubId(name)) return { kind: "hub", ids: [name] }
  throw new EngineError(
    "unavailable",
    `there is no model ${JSON.stringify(name.slice(0, 100))}; expected one of ${MODEL_SIZES.join(", ")}, a model of the hub such as onnx-community/whisper-small, or a folder such as ./my-model`,
  )
}

/** The hub has no one place for them: `whisper-medium`, for one, is there only under the later or the older name. */
function idsOf(size: string): readonly string[] {
  if (size.startsWith("distil-")) return [`distil-whisper/${size}`, `onnx-community/${size}-ONNX`]
  return [`onnx-community/whisper-${size}`, `onnx-community/whisper-${size}-ONNX`, `Xenova/whisper-${size}`]
}

/** What every folder must hold; a star stands for the name of a precision. */
const FOLDER_FILES = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "onnx/encoder_model*.onnx",
  "onnx/decoder_model_merged*.onnx",
] as const

/** Rejects with an EngineError `unavailable` unless it looks like a Whisper. */
export async function checkFolder(path: string): Promise<ModelChoice> {
  const fail = (why: string) => new EngineError("unavailable", `the model folder ${path} ${why}`)
  const found = await stat(path).catch(() => null)
  if (found === null) throw fail("does not exist; set WHISPER_MODEL to base, to a model's name or to a folder")
  if (!found.isDirectory()) throw fail("is a file; set WHISPER_MODEL to the folder that holds config.json and onnx/")
  const there = [...(await list(path)), ...(await list(join(path, "onnx"))).map((file) => `onnx/${file}`)]
  const lacking = FOLDER_FILES.filter((wanted) => {
    const [start = "", end] = wanted.split("*")
    return !there.some((file) => (end === undefined ? file === start : file.startsWith(start) && file.endsWith(end)))
  })
  if (lacking.length > 0) throw fail(`is not a Whisper in the layout of transformers.js: it lacks ${lacking.join(", ")}`)
  return { kind: "folder", path }
}

const list = (path: string) => readdir(path).catch(() => [])

/** The folder of a model of the hub: from the cache, or fetched. */
async function obtain(name: string, ids: readonly string[], options: ResolveModelOptions): Promise<string> {
  const { cacheDirs, offline, hubUrl = HUB_URL, signal } = options
  let partial = false
  for (const id of ids) {
    const cached = await findCached(cacheDirs, id)
    if (cached.state === "whole") return cached.path
    partial ||= cached.state === "partial"
  }
  const shown = ids[0] === name ? name : `${name} (${ids[0]})`
  if (offline) {
    const why = partial ? "is in the cache only in part" : "is not in the cache"
    throw new EngineError(
      "unavailable",
      `the model ${shown} ${why} (${cacheDirs.join(", ")}) and STT_OFFLINE is set; set STT_OFFLINE=0 to fetch it, or WHISPER_MODEL to a folder that holds it`,
    )
  }
  try {
    return await fetchFirst(ids, { ...options, hubUrl: hubUrl.replace(/\/+$/, "") })
  } catch (error) {
    if (signal?.aborted) throw new EngineError("aborted", `fetching the model ${shown} was called off`, { cause: error })
    if (!(error instanceof FetchError)) throw error
    throw new EngineError(
      "unavailable",
      `the model ${shown} cannot be fetched from ${hubUrl}: ${error.message}; ${REMEDIES[error.fault]}`,
      {
        cause: error,
      },
    )
  }
}

const REMEDIES: Readonly<Record<FetchFault, string>> = {
  network: "check the network, or set WHISPER_MODEL to a folder that holds the model, or to base, which needs no network",
  not_public: "check the name, or set WHISPER_MODEL to a folder that holds the model, or to base",
  contents: "try again later, or set WHISPER_MODEL to a folder that holds the model",
  disk: "make room, or set STT_CACHE_DIR to a folder that can be written",
}

type FetchOptions = ResolveModelOptions & { readonly hubUrl: string }

async function fetchFirst(ids: readonly string[], options: FetchOptions): Promise<string> {
  const { listModel } = await import("./hub.ts")
  const { hubUrl, clock = realClock, signal = new AbortController().signal, limits } = options
  const pauseMs = limits?.pauseMs ?? FETCH_LIMITS.pauseMs
  let unknown: FetchError | undefined
  for (const id of ids) {
    try {
      return await fetchModel(await listModel(id, { hubUrl, signal, clock, pauseMs }), { ...options, clock, signal })
    } catch (error) {
      if (!(error instanceof FetchError) || error.fault !== "not_public") throw error
      unknown ??= error
    }
  }
  throw unknown ?? new FetchError("not_public", "no such model")
}

async function fetchModel(
  model: HubModel,
  options: FetchOptions & { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<string> {
  const { cacheDirs, clock, signal, log } = options
  const { id, revision, files } = model
  const limits = { ...FETCH_LIMITS, ...options.limits }
  const onWaiting = () => log.info("model waiting", { model: id, reason: "another process fetches it" })
  const incoming = await openIncoming(cacheDirs, model, { signal, clock, onWaiting })
  try {
    const cached = await findCached(cacheDirs, id)
    if (cached.state === "whole") return cached.path
    await incoming.demandRoom(files)
    const started = clock.now()
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    log.info("model fetch", { model: id, revision, bytes })
    for (const file of files) {
      const { hex } = file.checksum
      const onBytes = progressOf(file.path, file.bytes, clock, options.onProgress)
      await downloadFile(file, { part: incoming.partOf(hex), target: incoming.targetOf(file.path), limits, clock, signal, onBytes })
    }
    const path = await incoming.publish({ id, revision, files: files.map(({ path, bytes, checksum }) => ({ path, bytes, checksum })) })
    log.info("model fetched", { model: id, revision, bytes, ms: Math.round(clock.now() - started) })
    return path
  } catch (error) {
    throw asFetchError(error)
  } finally {
    incoming.release()
  }
}

/** What failed there and is no FetchError yet is the disk's: `downloadFile` has named what the network did. */
function asFetchError(error: unknown): unknown {
  const failedCall = /^E[A-Z]+$/.test(codeOf(error) ?? "")
  return failedCall ? new FetchError("disk", reasonOf(error), error) : error
}

/** Passes on the first call, those a tenth of a second after the last one passed on, and the one that says whole. */
function progressOf(file: string, totalBytes: number, clock: Clock, onProgress: ResolveModelOptions["onProgress"]) {
  let last = Number.NEGATIVE_INFINITY
  return (loadedBytes: number) => {
    const now = clock.now()
    if (loadedBytes < totalBytes && now - last < PROGRESS_MS) return
    last = now
    onProgress?.({ file, loadedBytes, totalBytes })
  }
}
