/**
 * What a Whisper on a hub consists of, and where its files are. Only lists: knows no disk. Loaded when a model must be
 * fetched and not before, because its library costs 50 ms and 20 MB.
 */
import { HubApiError, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub"
import { z } from "zod"
import { type Clock, pause } from "../../clock.ts"
import type { RemoteFile } from "./download.ts"
import { FetchError, reasonOf } from "./fetch-error.ts"
import { neededPaths } from "./layout.ts"

export interface HubModel {
  readonly id: string
  /** The commit that the listing was made of; the addresses name it, so all files belong together. */
  readonly revision: string
  readonly files: readonly RemoteFile[]
}

export interface HubOptions {
  readonly hubUrl: string
  readonly signal: AbortSignal
  readonly clock: Clock
  /** Pause before a second and, doubled, a third try. */
  readonly pauseMs: number
}

const LISTING_TRIES = 3
const LISTING_TIMEOUT_MS = 10_000

const commitSchema = z.string().regex(/^[0-9a-f]{40}$/)
const entrySchema = z.object({
  path: z.string(),
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  size: z.int().nonnegative(),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().nonnegative() }).optional(),
})

/** Rejects with a FetchError, `not_public` if the hub does not know the model; or with the signal's reason. */
export async function listModel(id: string, options: HubOptions): Promise<HubModel> {
  const { signal, clock } = options
  for (let tried = 1; ; tried++) {
    try {
      return await listOnce(id, options)
    } catch (error) {
      signal.throwIfAborted()
      const fault = faultOf(id, error)
      if (fault.fault !== "network" || tried === LISTING_TRIES) throw fault
      await pause(options.pauseMs * 2 ** (tried - 1), clock, signal)
    }
  }
}

async function listOnce(id: string, { hubUrl, signal, clock }: HubOptions): Promise<HubModel> {
  const late = new AbortController()
  const cancel = clock.after(LISTING_TIMEOUT_MS, () => late.abort(new FetchError("network", `no answer in ${LISTING_TIMEOUT_MS / 1000} s`)))
  const bounded = AbortSignal.any([signal, late.signal])
  const boundedFetch = Object.assign((input: string | URL | Request, init?: RequestInit) => fetch(input, { ...init, signal: bounded }), {
    preconnect: fetch.preconnect,
  })
  try {
    const info = await modelInfo({ name: id, revision: "main", additionalFields: ["sha"], hubUrl, fetch: boundedFetch })
    const revision = commitSchema.parse(info.sha)
    const entries = new Map<string, ListFileEntry>()
    for await (const entry of listFiles({ repo: id, revision, recursive: true, hubUrl, fetch: boundedFetch })) {
      if (entry.type === "file") entries.set(entry.path, entry)
    }
    const files = neededOf(id, [...entries.keys()]).map((path) =>
      remoteFile(entrySchema.parse(entries.get(path)), `${hubUrl}/${id}/resolve/${revision}/${path}`),
    )
    return { id, revision, files }
  } finally {
    cancel()
  }
}

function neededOf(id: string, there: readonly string[]): readonly string[] {
  const { needed, lacking } = neededPaths(there)
  if (lacking.length === 0) return needed
  throw new FetchError("not_public", `${id} is not a Whisper in the layout of transformers.js: it lacks ${lacking.join(", ")}`)
}

function remoteFile(entry: z.infer<typeof entrySchema>, url: string): RemoteFile {
  const { path, lfs } = entry
  if (lfs !== undefined) return { path, url, bytes: lfs.size, checksum: { kind: "sha256", hex: lfs.oid } }
  return { path, url, bytes: entry.size, checksum: { kind: "git", hex: entry.oid } }
}

function faultOf(id: string, error: unknown): FetchError {
  if (error instanceof FetchError) return error
  if (error instanceof HubApiError) {
    const { statusCode } = error
    if ([401, 403, 404, 410].includes(statusCode)) return new FetchError("not_public", `${id}: no such model, or not public`, error)
    return new FetchError("network", `the hub answered HTTP ${statusCode}`, error)
  }
  if (error instanceof z.ZodError || error instanceof SyntaxError)
    return new FetchError("network", "the hub's answer cannot be read", error)
  return new FetchError("network", reasonOf(error), error)
}
