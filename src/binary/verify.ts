/**
 * Tells whether an extracted folder still holds what the executable put there. Reading 128 MB to hash it costs 70 ms with
 * the processor's help and 400 ms without, in every engine at every start; so a folder that was found whole keeps a
 * witness: size, inode and times of each copy. The time of change cannot be set by anyone, so whatever was written to,
 * replaced or restored since then no longer fits its witness, and is hashed again.
 */
import { createHash, randomUUID } from "node:crypto"
import type { BigIntStats } from "node:fs"
import { lstat, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { chunksOf, type EmbeddedFile } from "./embedded-file.ts"

const WITNESS = "verified.json"
const WRITABLE_BY_OTHERS = 0o022n

/** True if every copy looks as it did when it was last found whole. Reads no content. */
export async function hasWitness(folder: string, files: readonly EmbeddedFile[]): Promise<boolean> {
  const [now, then] = await Promise.all([looks(folder, files), readFile(join(folder, WITNESS), "utf8").catch(() => null)])
  return now !== null && now === then
}

/** True if every copy is ours alone and has the right content. Reads all of it. */
export async function verify(folder: string, files: readonly EmbeddedFile[]): Promise<boolean> {
  if ((await looks(folder, files)) === null) return false
  for (const file of files) {
    const hash = createHash("sha256")
    for await (const chunk of chunksOf({ ...file, path: join(folder, file.name) })) hash.update(chunk)
    if (hash.digest("hex") !== file.sha256) return false
  }
  return true
}

/** To be called for a folder that was just found whole. Where nothing can be written, the next start hashes again. */
export async function writeWitness(folder: string, files: readonly EmbeddedFile[]): Promise<void> {
  const text = await looks(folder, files)
  const draft = join(folder, `${WITNESS}.${randomUUID()}`)
  try {
    if (text !== null) await writeFile(draft, text, { mode: 0o600, flag: "wx" })
    if (text !== null) await rename(draft, join(folder, WITNESS))
  } catch {
    await rm(draft, { force: true }).catch(() => {})
  }
}

/** What a change would change, in one text; null if a copy is missing, has another size, or is not ours alone. */
async function looks(folder: string, files: readonly EmbeddedFile[]): Promise<string | null> {
  try {
    const found = await Promise.all([".", ...files.map((file) => file.name)].map((name) => lstat(join(folder, name), { bigint: true })))
    const [top, ...copies] = found
    if (top === undefined || !top.isDirectory() || !oursAlone(top)) return null
    const whole = copies.every((copy, at) => copy.isFile() && oursAlone(copy) && copy.size === BigInt(files[at]?.sizeBytes ?? -1))
    if (!whole) return null
    return JSON.stringify(copies.map(({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].map(String)))
  } catch {
    return null
  }
}

function oursAlone(found: BigIntStats): boolean {
  const uid = process.getuid?.()
  return uid === undefined || (found.uid === BigInt(uid) && (found.mode & WRITABLE_BY_OTHERS) === 0n)
}
