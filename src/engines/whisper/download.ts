/**
 * One file from a web address to a path on disk: resumed where an earlier try (or an earlier process) stopped, bounded in
 * time, checked, and there only when it is whole. Knows no model and no hub. The caller holds the lock over `part`.
 */
import { type FileHandle, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { type Clock, pause } from "../../clock.ts"
import { holds, type KnownContents, sizeOf, syncPath } from "./checked-file.ts"
import { FetchError, reasonOf } from "./fetch-error.ts"

export interface RemoteFile extends KnownContents {
  /** Relative path inside the model, with slashes; also its name in messages. */
  readonly path: string
  readonly url: string
}

export interface FetchLimits {
  /** Fewer than 16 KiB in this long, the wait for the answer included, and the try is given up. Default 30 s. */
  readonly stallMs: number
  /** Tries in a row that may bring less than 1 MiB of news each. Default 5. */
  readonly tries: number
  /** Pause after the first fruitless try, doubled after each further one. Default 1 s. */
  readonly pauseMs: number
}

export const FETCH_LIMITS: FetchLimits = { stallMs: 30_000, tries: 5, pauseMs: 1000 }

/** A try that brings this much is worth another one; together with STALL_BYTES no dripping server holds us for ever. */
const FRUITFUL_BYTES = 1 << 20
const STALL_BYTES = 16 << 10

export interface DownloadOptions {
  readonly part: string
  readonly target: string
  readonly limits: FetchLimits
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Bytes of the file on disk; called for every piece that arrives. */
  readonly onBytes: (loadedBytes: number) => void
}

/** Rejects with a FetchError, or with the signal's reason; `part` then stays for the next call. */
export async function downloadFile(file: RemoteFile, options: DownloadOptions): Promise<void> {
  const { part, target, signal } = options
  await mkdir(dirname(part), { recursive: true })
  await mkdir(dirname(target), { recursive: true })
  if (await holds(target, file, signal)) return options.onBytes(file.bytes)
  await fillPart(file, options)
  if (!(await holds(part, file, signal))) {
    await discard(part)
    await fillPart(file, options)
    if (!(await holds(part, file, signal))) {
      await discard(part)
      throw new FetchError("contents", `${file.path} came twice with a wrong checksum`)
    }
  }
  await syncPath(part)
  await rename(part, target)
  await discard(part)
  await syncPath(dirname(target))
}

async function fillPart(file: RemoteFile, options: DownloadOptions): Promise<void> {
  const { part, limits, clock, signal } = options
  let furthest = await sizeOf(part)
  for (let fruitless = 0; ; ) {
    const outcome = await tryOnce(file, options)
    if (outcome.whole) return
    const reached = await sizeOf(part)
    fruitless = reached - furthest >= FRUITFUL_BYTES ? 0 : fruitless + 1
    furthest = Math.max(furthest, reached)
    if (fruitless >= limits.tries) throw new FetchError("network", `${file.path}: ${outcome.reason} (${fruitless} tries)`)
    if (fruitless > 0) await pause(limits.pauseMs * 2 ** (fruitless - 1), clock, signal)
  }
}

type Outcome = { readonly whole: true } | { readonly whole: false; readonly reason: string }
const interrupted = (reason: string): Outcome => ({ whole: false, reason })

/** One request. What arrives before it ends, however it ends, is kept in `part`. */
async function tryOnce(file: RemoteFile, options: DownloadOptions): Promise<Outcome> {
  const { part, clock, limits, signal } = options
  const from = await sizeOf(part)
  if (from > file.bytes) {
    await discard(part)
    return interrupted("more bytes than the hub lists")
  }
  if (from === file.bytes && from > 0) return { whole: true }
  const watch = watchStall(limits.stallMs, clock, signal)
  try {
    const response = await fetch(file.url, { headers: await rangeHeaders(part, from), signal: watch.signal })
    const start = await startOf(response, file, part, from)
    if (typeof start !== "number") return start
    return await append(response, start, file, { ...options, onPiece: watch.passed })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof FetchError) throw error
    return interrupted(watch.stalled() ? `stalled for ${limits.stallMs / 1000} s` : reasonOf(error))
  } finally {
    watch.stop()
  }
}

async function rangeHeaders(part: string, from: number): Promise<Record<string, string>> {
  // Compressed bytes would have other offsets.
  const headers: Record<string, string> = { "accept-encoding": "identity" }
  if (from === 0) return headers
  headers.range = `bytes=${from}-`
  const etag = await readFile(etagPath(part), "utf8").catch(() => "")
  if (etag !== "") headers["if-range"] = etag
  return headers
}

/** At which byte of the file the body starts; or why the body is of no use. */
async function startOf(response: Response, file: RemoteFile, part: string, from: number): Promise<number | Outcome> {
  const { status } = response
  if (status === 200) {
    await discard(part)
    const etag = response.headers.get("etag")
    // A weak tag does not promise the same bytes, so it must not guard a range (RFC 9110, 13.1.5).
    if (etag !== null && !etag.startsWith("W/")) await onDisk(() => writeFile(etagPath(part), etag))
    return 0
  }
  if (status === 206) {
    if (response.headers.get("content-range")?.startsWith(`bytes ${from}-`)) return from
    await discard(part)
    return interrupted("the answer is another range than asked for")
  }
  await response.body?.cancel()
  if (status === 416) {
    await discard(part)
    return interrupted("the hub has fewer bytes than it lists")
  }
  if (status === 401 || status === 403 || status === 404 || status === 410) {
    throw new FetchError("not_public", `${file.path} is not there or not public (HTTP ${status})`)
  }
  return interrupted(`HTTP ${status}`)
}

async function append(
  response: Response,
  start: number,
  file: RemoteFile,
  { part, onBytes, onPiece, signal }: DownloadOptions & { readonly onPiece: (bytes: number) => void },
): Promise<Outcome> {
  let loaded = start
  const handle = await onDisk(() => open(part, "a"))
  try {
    for await (const piece of response.body ?? []) {
      signal.throwIfAborted()
      await onDisk(() => writeWhole(handle, piece))
      loaded += piece.byteLength
      if (loaded > file.bytes) break
      onPiece(piece.byteLength)
      onBytes(loaded)
    }
  } finally {
    await handle.close()
  }
  if (loaded > file.bytes) {
    await discard(part)
    return interrupted("more bytes than the hub lists")
  }
  return loaded === file.bytes ? { whole: true } : interrupted("the answer ended early")
}

async function writeWhole(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) done += (await handle.write(bytes, done)).bytesWritten
}

async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new FetchError("disk", reasonOf(error), error)
  }
}

/** Aborts its signal when fewer than STALL_BYTES pass in `stallMs`, and when the caller's signal aborts. */
function watchStall(stallMs: number, clock: Clock, signal: AbortSignal) {
  const stall = new AbortController()
  const giveUp = () => stall.abort()
  let cancel = clock.after(stallMs, giveUp)
  let sinceRestart = 0
  return {
    signal: AbortSignal.any([stall.signal, signal]),
    stalled: () => stall.signal.aborted,
    passed(bytes: number) {
      sinceRestart += bytes
      if (sinceRestart < STALL_BYTES) return
      sinceRestart = 0
      cancel()
      cancel = clock.after(stallMs, giveUp)
    },
    stop: () => cancel(),
  }
}

async function discard(part: string): Promise<void> {
  await rm(part, { force: true })
  await rm(etagPath(part), { force: true })
}

const etagPath = (part: string) => `${part}.etag`
