/**
 * Copies files that lie inside the executable to a disk, once for all processes and starts. The folder's name is made of
 * the content, so two versions never meet and a copy is either whole or not there. Does not know what the files are.
 */
import { createHash, randomUUID } from "node:crypto"
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { chunksOf, type EmbeddedFile, type FileSet } from "./embedded-file.ts"
import { type Libc, openLibc } from "./libc.ts"
import { hasWitness, verify, writeWitness } from "./verify.ts"

/** Others' bits to write: a folder or copy that carries one of them is not ours alone. */
const WRITABLE_BY_OTHERS = 0o022
const ROOT_UID = 0
/** How long one process waits for another that extracts the same files. After it, both write and the first to finish wins. */
const LOCK_WAIT_MS = 20_000
const LOCK_POLL_MS = 10
/** Without a lock two processes that repair one folder may each undo the other's move, but not for ever. */
const MOVE_TRIES = 5

/**
 * The folder under `cacheDir` that holds whole copies of the files, made or repaired if need be. Safe to call from many
 * processes at once. What is there already is used even if nothing can be written.
 * @throws Error if this folder cannot be used; its message is one line without the folder's name
 */
export async function extract(set: FileSet, cacheDir: string): Promise<string> {
  const base = await privateFolder(cacheDir)
  const folder = join(base, `${set.name}-${contentName(set.files)}`)
  if (await hasWitness(folder, set.files)) return folder

  const lock = await takeLock(join(base, `${set.name}.lock`))
  try {
    // Whoever held the lock before us has most likely done the work.
    if (await verify(folder, set.files)) {
      await writeWitness(folder, set.files)
      return folder
    }
    if (lock !== null) await removeLeftovers(base, set.name)
    await publish(set, base, folder)
    return folder
  } finally {
    await lock?.close()
  }
}

/** Names and contents in one word: any other content has another folder. */
function contentName(files: readonly EmbeddedFile[]): string {
  const hash = createHash("sha256")
  for (const file of files) hash.update(`${file.name}\0${file.sha256}\n`)
  return hash.digest("hex").slice(0, 16)
}

/**
 * A folder that nobody else can write to: `dir` itself, or one of ours inside it where others may write, as in a volume
 * of Kubernetes (root's, mode 0777). A folder of another user is refused, root's excepted, who could change this program as well.
 */
async function privateFolder(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const uid = process.getuid?.()
  if (uid === undefined) return dir
  for (const found of [await lstat(dir), await stat(dir)]) {
    if (found.uid !== uid && found.uid !== ROOT_UID) throw new Error(`belongs to another user (${found.uid})`)
  }
  const { uid: owner, mode } = await stat(dir)
  if (owner === uid && (mode & WRITABLE_BY_OTHERS) === 0) return dir

  const own = join(dir, `xrx-stt-${uid}`)
  await mkdir(own, { recursive: true, mode: 0o700 })
  const inside = await lstat(own)
  const safe = inside.isDirectory() && inside.uid === uid && (inside.mode & WRITABLE_BY_OTHERS) === 0
  if (!safe) throw new Error("others may write to it")
  return own
}

/** Writes beside the place and moves there in one step, so that no process ever sees half a copy. */
async function publish(set: FileSet, base: string, folder: string): Promise<void> {
  const part = join(base, `${set.name}.part-${randomUUID()}`)
  try {
    await mkdir(part, { mode: 0o700 })
    for (const file of set.files) await copy(file, join(part, file.name))
    await moveInto(part, folder, set.files)
  } catch (error) {
    await rm(part, { recursive: true, force: true })
    throw error
  }
  await writeWitness(folder, set.files)
}

async function copy(file: EmbeddedFile, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const handle = await open(path, "wx", 0o400)
  try {
    const hash = createHash("sha256")
    for await (const chunk of chunksOf(file)) {
      hash.update(chunk)
      for (let written = 0; written < chunk.length; ) written += (await handle.write(chunk, written)).bytesWritten
    }
    if (hash.digest("hex") !== file.sha256) throw new Error(`${file.name} is damaged inside the executable itself`)
    // Else a power cut may leave a file of the right size and time, full of zeros.
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** If another process got there first, its copy is as good as ours; a damaged one is moved out of the way. */
async function moveInto(part: string, folder: string, files: readonly EmbeddedFile[]): Promise<void> {
  const aside = `${part}-damaged`
  for (let tries = 1; ; tries++) {
    try {
      return await rename(part, folder)
    } catch (error) {
      if (!isTaken(error) || tries === MOVE_TRIES) throw error
    }
    if (await verify(folder, files)) return await rm(part, { recursive: true, force: true })
    try {
      await rename(folder, aside)
    } catch (error) {
      // Somebody else has moved it: try again.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
    }
    await rm(aside, { recursive: true, force: true })
  }
}

/** Windows says EPERM when the target of a rename is a folder that is there. */
const isTaken = (error: unknown) =>
  ["ENOTEMPTY", "EEXIST", "EPERM", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "") &&
  (error as NodeJS.ErrnoException).syscall === "rename"

/**
 * Only an economy: without it, each of N engines that start together would write its own copy and N-1 would be thrown
 * away. So where a file system knows no locks we go on without (null); an interrupted holder's lock ends with its process.
 */
async function takeLock(path: string): Promise<FileHandle | null> {
  const libc: Libc | undefined = openLibc()
  if (libc === undefined) return null
  const handle = await open(path, "a", 0o600).catch(() => null)
  if (handle === null) return null
  for (const startedMs = performance.now(); ; await Bun.sleep(LOCK_POLL_MS)) {
    const outcome = libc.lock(handle.fd)
    if (outcome === "taken") return handle
    if (outcome === "unsupported" || performance.now() - startedMs > LOCK_WAIT_MS) break
  }
  await handle.close()
  return null
}

/** Parts that a killed process left: whoever holds the lock is the only one who writes parts. */
async function removeLeftovers(base: string, name: string): Promise<void> {
  for (const entry of await readdir(base)) {
    if (entry.startsWith(`${name}.part-`)) await rm(join(base, entry), { recursive: true, force: true })
  }
}
