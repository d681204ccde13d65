/**
 * Files on disk: how long, whether they hold what they should, and that they stay. Knows no network and no model.
 */
import { createReadStream } from "node:fs"
import { open, stat } from "node:fs/promises"
import { codeOf } from "./fetch-error.ts"

export interface KnownContents {
  readonly bytes: number
  /** `git` is the checksum of a git blob: sha1 over a short header and the contents. */
  readonly checksum: { readonly kind: "sha256" | "git"; readonly hex: string }
}

const HASH_CHUNK_BYTES = 1 << 20

/** True if the path holds exactly these contents. Reads it in pieces, so the size of a model does not matter. */
export async function holds(path: string, contents: KnownContents, signal: AbortSignal): Promise<boolean> {
  if ((await sizeOf(path)) !== contents.bytes) return false
  const { kind, hex } = contents.checksum
  const hasher = new Bun.CryptoHasher(kind === "git" ? "sha1" : "sha256")
  if (kind === "git") hasher.update(`blob ${contents.bytes}\0`)
  try {
    for await (const piece of createReadStream(path, { highWaterMark: HASH_CHUNK_BYTES })) {
      signal.throwIfAborted()
      hasher.update(piece as Uint8Array)
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false
    throw error
  }
  return hasher.digest("hex") === hex
}

/** Bytes on disk; 0 if there is no such file. */
export async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => null)
  return found?.isFile() ? found.size : 0
}

/** What is written there survives a loss of power. Windows cannot do this to a folder, and need not. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r+")
    .catch(() => open(path, "r"))
    .catch(() => null)
  await handle?.sync().catch(() => {})
  await handle?.close()
}
