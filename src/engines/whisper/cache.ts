/**
 * The fetched models on disk: `<cache folder>/models/<owner>--<name>/<revision>`. A revision's folder is there only when
 * it is whole; what is under way lies beside it in `incoming`, under a lock. Knows no network.
 */
import { Database } from "bun:sqlite"
import { mkdir, readdir, rename, rm, stat, statfs } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { type Clock, pause } from "../../clock.ts"
import { type KnownContents, sizeOf, syncPath } from "./checked-file.ts"
import { codeOf, FetchError, reasonOf } from "./fetch-error.ts"

/** `owner/name` as the hub allows it. It never holds `..` or `--`, so it names one folder and stays inside the cache. */
export function isHubId(name: string): boolean {
  return /^[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?\/[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?$/.test(name) && !/\.\.|--/.test(name)
}

function folderOf(cacheDir: string, id: string): string {
  if (!isHubId(id)) throw new Error("expected owner/name")
  return join(cacheDir, "models", id.replace("/", "--"))
}

/** Says what a whole model consists of; written last into its folder. */
const MANIFEST = "xrx-stt-model.json"
const checksumSchema = z.object({ kind: z.enum(["sha256", "git"]), hex: z.string() })
const manifestSchema = z.object({
  id: z.string(),
  revision: z.string().regex(/^[0-9a-f]{40}$/),
  /** Earlier versions of this program wrote no checksums. */
  files: z.array(z.object({ path: z.string().regex(/^(onnx\/)?\w[\w.-]*$/), bytes: z.number(), checksum: checksumSchema.optional() })),
})
export type Manifest = z.infer<typeof manifestSchema>

/** What a folder says that it consists of; null if it does not say. */
export async function readManifest(path: string): Promise<Manifest | null> {
  const text = await Bun.file(join(path, MANIFEST))
    .json()
    .catch(() => null)
  return manifestSchema.safeParse(text).data ?? null
}

export type Cached = { readonly state: "whole"; readonly path: string } | { readonly state: "partial" | "absent" }

/** The model as the first cache folder has it whole; the newest, if there are several revisions. No file is written. */
export async function findCached(cacheDirs: readonly string[], id: string): Promise<Cached> {
  let partial = false
  for (const cacheDir of await trustedOf(cacheDirs)) {
    const folder = folderOf(cacheDir, id)
    const whole: { path: string; at: number }[] = []
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name)
      if (await isWhole(path, id)) whole.push({ path, at: (await stat(path)).mtimeMs })
      else partial ||= name === INCOMING
    }
    const [newest] = whole.sort((a, b) => b.at - a.at)
    if (newest !== undefined) return { state: "whole", path: newest.path }
  }
  return { state: partial ? "partial" : "absent" }
}

/** By the sizes of its files: they were checked when they came, and a start must not read a gigabyte. */
async function isWhole(path: string, id: string): Promise<boolean> {
  const manifest = await readManifest(path)
  if (manifest?.id !== id) return false
  for (const { path: file, bytes } of manifest.files) {
    const found = await stat(join(path, file)).catch(() => null)
    if (found === null || !found.isFile() || found.size !== bytes) return false
  }
  return true
}

/** A file of a model by its path inside it. */
export interface ListedFile extends KnownContents {
  readonly path: string
}

export interface StoredModel {
  readonly id: string
  /** Null: what is under way, or was left there. */
  readonly manifest: Manifest | null
  readonly path: string
}

/** All that the folders hold, by name, damaged ones included. */
export async function listStored(cacheDirs: readonly string[]): Promise<StoredModel[]> {
  const stored: StoredModel[] = []
  for (const cacheDir of await trustedOf(cacheDirs)) {
    for (const folder of (await readdir(join(cacheDir, "models")).catch(() => [])).sort()) {
      const id = folder.replace("--", "/")
      if (!isHubId(id)) continue
      const path = folderOf(cacheDir, id)
      for (const revision of await readdir(path).catch(() => [])) {
        const manifest = await readManifest(join(path, revision))
        if (manifest !== null || revision === INCOMING) stored.push({ id, manifest, path: join(path, revision) })
      }
    }
  }
  return stored
}

/** Takes a model away with all that is under way of it; waits while another process fetches it. False if there was none. */
export async function removeStored(cacheDirs: readonly string[], id: string, options: IncomingOptions): Promise<boolean> {
  let found = false
  for (const cacheDir of await trustedOf(cacheDirs)) {
    const folder = folderOf(cacheDir, id)
    if ((await stat(folder).catch(() => null)) === null) continue
    const release = await lock(join(folder, "lock"), options)
    try {
      await rm(folder, { recursive: true, force: true })
      found = true
    } finally {
      release()
    }
  }
  return found
}

const INCOMING = "incoming"

export interface Incoming {
  /** Where the part of a file lies; the same for the same contents, also for another process or another revision. */
  partOf(checksum: string): string
  /** Where a finished file of the revision lies until `publish`. */
  targetOf(path: string): string
  /** Rejects with a FetchError `disk` if the volume has no room for what is still to come. */
  demandRoom(files: readonly ListedFile[]): Promise<void>
  /** The revision's folder, whole from here on. Everything else that was under way goes. */
  publish(manifest: Manifest): Promise<string>
  /** Idempotent. The next process may enter; also when this one dies. */
  release(): void
}

export interface IncomingOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  /** Called once if another process is at it. */
  readonly onWaiting: () => void
}

const LOCK_POLL_MS = 200
/** The bits of a folder's mode that let its group or everybody write. */
const WRITABLE_BY_OTHERS = 0o022

/** In the first cache folder that can be written; waits while another process fetches the same model there. */
export async function openIncoming(
  cacheDirs: readonly string[],
  model: { readonly id: string; readonly revision: string },
  options: IncomingOptions,
): Promise<Incoming> {
  const refusals: string[] = []
  for (const cacheDir of await trustedOf(cacheDirs)) {
    const folder = folderOf(cacheDir, model.id)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const release = await lock(join(folder, "lock"), options)
      return incomingIn(folder, model.revision, release)
    } catch (error) {
      options.signal.throwIfAborted()
      refusals.push(`${cacheDir}: ${reasonOf(error)}`)
    }
  }
  throw new FetchError("disk", `no cache folder can be written (${refusals.join("; ") || "none is given"})`)
}

function incomingIn(folder: string, revision: string, release: () => void): Incoming {
  const incoming = join(folder, INCOMING)
  const staged = join(incoming, revision)
  const partOf = (checksum: string) => join(incoming, `${checksum}.part`)
  return {
    partOf,
    targetOf: (path) => join(staged, path),
    async demandRoom(files) {
      let needed = 0
      for (const { path, bytes, checksum } of files) {
        needed += Math.max(0, bytes - (await sizeOf(partOf(checksum.hex))) - (await sizeOf(join(staged, path))))
      }
      const volume = await statfs(folder).catch(() => null)
      // A few virtual file systems do not tell.
      if (volume === null || volume.blocks === 0) return
      const free = volume.bavail * volume.bsize
      if (needed > free) throw new FetchError("disk", `${megabytes(needed)} are needed in ${folder} and ${megabytes(free)} are free`)
    },
    async publish(manifest) {
      const path = join(folder, revision)
      await Bun.write(join(staged, MANIFEST), JSON.stringify(manifest, null, 2))
      await syncPath(join(staged, MANIFEST))
      await syncPath(staged)
      // A damaged one: it was not whole, or nothing would have been fetched.
      await rm(path, { recursive: true, force: true })
      await rename(staged, path)
      await syncPath(folder)
      await rm(incoming, { recursive: true, force: true })
      return path
    },
    release,
  }
}

/**
 * SQLite's lock over an empty file: the kernel ends it with the process, so nothing is ever stale, and it also holds
 * between containers that share the folder, where a process id would not.
 */
async function lock(path: string, { signal, clock, onWaiting }: IncomingOptions): Promise<() => void> {
  const database = new Database(path, { create: true })
  for (let waiting = false; ; waiting = true) {
    try {
      database.exec("BEGIN EXCLUSIVE")
      return () => database.close()
    } catch (error) {
      if (codeOf(error) !== "SQLITE_BUSY" || signal.aborted) {
        database.close()
        throw error
      }
      if (!waiting) onWaiting()
    }
    await pause(LOCK_POLL_MS, clock, signal).catch(() => {})
  }
}

/**
 * Of several candidates only those that nobody else could have filled: another user may have made the one in the temp
 * folder before us. A single one was named by the operator.
 */
async function trustedOf(cacheDirs: readonly string[]): Promise<readonly string[]> {
  const uid = process.getuid?.()
  if (cacheDirs.length < 2 || uid === undefined) return cacheDirs
  const trusted = await Promise.all(
    cacheDirs.map(async (cacheDir) => {
      const found = await stat(cacheDir).catch(() => null)
      return found === null || ((found.uid === uid || found.uid === 0) && (found.mode & WRITABLE_BY_OTHERS) === 0)
    }),
  )
  return cacheDirs.filter((_, i) => trusted[i])
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`
