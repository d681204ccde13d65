/**
 * The models on this machine, for who looks after them: what there is, whether it is still what came, copies of folders, and taking
 * away. Fetches nothing and loads nothing.
 */
import { copyFile, mkdir, readdir, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { realClock } from "../../clock.ts"
import { EngineError } from "../engine.ts"
import { isHubId, type ListedFile, listStored, openIncoming, readManifest, removeStored, type StoredModel } from "./cache.ts"
import { holds } from "./checked-file.ts"
import { neededPaths } from "./layout.ts"
import { readModelName } from "./models.ts"

export { listStored, type StoredModel }

export interface ShelfOptions {
  readonly cacheDirs: readonly string[]
  readonly signal: AbortSignal
  /** Called once if another process works on the same model: it is waited for. */
  readonly onWaiting: () => void
  /** Bytes done so far, of how many. */
  readonly onProgress: (doneBytes: number, totalBytes: number) => void
}

export type Verdict =
  | { readonly kind: "whole" }
  /** Every file has its size, but nobody noted more when they came. */
  | { readonly kind: "sizes" }
  | { readonly kind: "damaged"; readonly files: readonly string[] }

/** Reads every byte. */
export async function verifyStored({ manifest, path }: StoredModel, { signal, onProgress }: ShelfOptions): Promise<Verdict> {
  if (manifest === null) return { kind: "damaged", files: [] }
  const totalBytes = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0)
  const damaged: string[] = []
  let doneBytes = 0
  for (const { path: file, bytes, checksum } of manifest.files) {
    onProgress(doneBytes, totalBytes)
    const good = checksum ? await holds(join(path, file), { bytes, checksum }, signal) : (await bytesOf(join(path, file))) === bytes
    if (!good) damaged.push(file)
    doneBytes += bytes
  }
  onProgress(doneBytes, totalBytes)
  if (damaged.length > 0) return { kind: "damaged", files: damaged }
  return { kind: manifest.files.every(({ checksum }) => checksum !== undefined) ? "whole" : "sizes" }
}

export interface Imported {
  /** What WHISPER_MODEL calls it. */
  readonly id: string
  readonly path: string
}

/**
 * Copies a folder into the first cache folder that can be written. A folder that was fetched by this program, perhaps on another
 * machine, keeps its name and must hold what was fetched; any other one gets `name`, or `local/FOLDER`.
 * Rejects with an EngineError `unavailable` of one line.
 */
export async function importFolder(said: string, name: string | undefined, options: ShelfOptions): Promise<Imported> {
  const { cacheDirs, signal, onWaiting, onProgress } = options
  const folder = await revisionIn(resolve(said))
  const manifest = await readManifest(folder)
  const id = name === undefined ? (manifest?.id ?? localId(said)) : await idOf(name)
  const files = manifest ? (noted(manifest.files) ?? (await looked(folder, signal))) : await looked(folder, signal)
  const revision = manifest?.revision ?? contentName(files)
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  const incoming = await openIncoming(cacheDirs, { id, revision }, { signal, clock: realClock, onWaiting })
  try {
    await incoming.demandRoom(files)
    let doneBytes = 0
    for (const { path, bytes, checksum } of files) {
      onProgress(doneBytes, totalBytes)
      signal.throwIfAborted()
      const target = incoming.targetOf(path)
      await mkdir(dirname(target), { recursive: true })
      await copyFile(join(folder, path), target)
      if (!(await holds(target, { bytes, checksum }, signal))) throw unusable(said, `${path} is damaged: it is not what was fetched once`)
      doneBytes += bytes
    }
    onProgress(doneBytes, totalBytes)
    return { id, path: await incoming.publish({ id, revision, files: [...files] }) }
  } finally {
    incoming.release()
  }
}

/** False if there was no such model. Rejects with an EngineError if the name is none of a model that can lie there. */
export async function removeModelFiles(name: string, { cacheDirs, signal, onWaiting }: ShelfOptions): Promise<boolean> {
  const ids = await idsOf(name)
  let found = false
  for (const id of ids) found = (await removeStored(cacheDirs, id, { signal, clock: realClock, onWaiting })) || found
  return found
}

/** The names under which a model of this name may lie in the cache. Rejects with an EngineError if none can. */
export async function idsOf(name: string): Promise<readonly string[]> {
  const source = await readModelName(name)
  if (source.kind === "hub") return source.ids
  // A folder of the same name may lie here, too.
  if (source.kind === "folder" && isHubId(name)) return [name]
  const why = source.kind === "embedded" ? "is inside the program" : "is a folder of yours: WHISPER_MODEL takes it as it is"
  throw new EngineError("unavailable", `${name} ${why}`)
}

async function idOf(name: string): Promise<string> {
  const [id] = await idsOf(name)
  if (id === undefined) throw new EngineError("unavailable", `${name} is no name for a model`)
  return id
}

function localId(folder: string): string {
  const name = basename(resolve(folder)).replace(/[^\w.]+/g, "-")
  const id = `local/${name}`
  if (!isHubId(id)) throw new EngineError("unavailable", `${folder}: give the model a name, as in --name local/my-model`)
  return id
}

/** The folder itself, or the one revision in the folder of a cache. */
async function revisionIn(folder: string): Promise<string> {
  if ((await readManifest(folder)) !== null) return folder
  const inside = await Promise.all(
    (await readdir(folder).catch(() => [])).map(async (name) => ((await readManifest(join(folder, name))) ? join(folder, name) : null)),
  )
  const [only, another] = inside.filter((path) => path !== null)
  return only !== undefined && another === undefined ? only : folder
}

function noted(files: NonNullable<StoredModel["manifest"]>["files"]): ListedFile[] | undefined {
  const listed = files.flatMap(({ path, bytes, checksum }) => (checksum ? [{ path, bytes, checksum }] : []))
  return listed.length === files.length ? listed : undefined
}

async function looked(folder: string, signal: AbortSignal): Promise<ListedFile[]> {
  const there = await readdir(folder, { recursive: true }).catch(() => null)
  if (there === null) throw unusable(folder, "is not a folder that can be read")
  const { needed, lacking } = neededPaths(there.map((path) => path.replaceAll("\\", "/")))
  if (lacking.length > 0) throw unusable(folder, `is not a Whisper in the layout of transformers.js: it lacks ${lacking.join(", ")}`)
  return Promise.all(needed.map(async (path) => ({ path, ...(await contentsOf(join(folder, path), signal)) })))
}

async function contentsOf(path: string, signal: AbortSignal) {
  const hasher = new Bun.CryptoHasher("sha256")
  let bytes = 0
  for await (const piece of Bun.file(path).stream()) {
    signal.throwIfAborted()
    hasher.update(piece)
    bytes += piece.length
  }
  return { bytes, checksum: { kind: "sha256" as const, hex: hasher.digest("hex") } }
}

/** Like a commit: other contents, another name. */
function contentName(files: readonly ListedFile[]): string {
  const hasher = new Bun.CryptoHasher("sha1")
  for (const { path, checksum } of files) hasher.update(`${path}\0${checksum.hex}\n`)
  return hasher.digest("hex")
}

async function bytesOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? -1
}

function unusable(folder: string, why: string): EngineError {
  return new EngineError("unavailable", `${folder}: ${why}`)
}
