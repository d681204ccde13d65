/**
 * The bodies of requests on their way in: counted while they come, whatever their length claims, and given up when no more of
 * one comes. Knows nothing of what is in them.
 */
import type { Clock } from "../clock.ts"
import { Refused } from "../dialects/door.ts"
import { uploadBytesHeld } from "../metrics.ts"

export interface UploadLimits {
  /** Of one body; no more than one client may have kept. */
  readonly bytesMax: number
  /** Of all that is kept of bodies, together; three quarters of it for one client. */
  readonly heldBytesMax: number
  /** Without a byte for so long, while we want some, a body counts as given up. */
  readonly stallMs: number
  /** A body of which less came in the time that we waited for it, each time that this was so long, counts as given up, too. */
  readonly bytesPerSecondMin: number
}

export const UPLOAD_LIMITS: UploadLimits = {
  // Fifty minutes of CD sound, or ten hours of what telephones and podcasts send.
  bytesMax: 512 * 1024 * 1024,
  heldBytesMax: 768 * 1024 * 1024,
  stallMs: 60_000,
  // A modem's; the lowest rate of speech codecs. Whoever sends a byte now and then would hold a place for an hour.
  bytesPerSecondMin: 500,
}

/** Of all that may be kept, so that nobody can have it all. */
const SHARE = 0.75

/** Chunks that are kept are put together until they are so long: of a chunk of one byte the chunk takes 500. */
const BLOCK_BYTES = 64 * 1024

export interface Upload {
  /** As HttpCall.bytes. */
  bytes(): AsyncGenerator<Uint8Array, void>
  /** As HttpCall.keep. */
  keep(): AsyncGenerator<Uint8Array, void>
  /** As HttpCall.readAll. */
  readAll(): Promise<Uint8Array<ArrayBuffer>>
  /** Nobody holds what `keep` and `readAll` gave any more. Idempotent. */
  release(): void
}

export interface Uploads {
  /** Of that owner. Rejections carry the signal's reason once it aborted. */
  open(request: Request, owner: string, signal: AbortSignal): Upload
}

export function createUploads(limits: UploadLimits, clock: Clock): Uploads {
  const { heldBytesMax, stallMs, bytesPerSecondMin } = limits
  const ownerBytesMax = Math.floor(heldBytesMax * SHARE)
  const bytesMax = Math.min(limits.bytesMax, ownerBytesMax)
  let heldBytes = 0
  const heldBy = new Map<string, number>()

  function hold(owner: string, bytes: number) {
    heldBytes += bytes
    const own = (heldBy.get(owner) ?? 0) + bytes
    if (own === 0) heldBy.delete(owner)
    else heldBy.set(owner, own)
    uploadBytesHeld.set(heldBytes)
  }

  function hasRoom(owner: string, bytes: number): boolean {
    return heldBytes + bytes <= heldBytesMax && (heldBy.get(owner) ?? 0) + bytes <= ownerBytesMax
  }

  function open(request: Request, owner: string, signal: AbortSignal): Upload {
    let ownBytes = 0

    async function* bytes() {
      const claimed = Number(request.headers.get("content-length") ?? 0)
      if (claimed > bytesMax) throw tooLarge(bytesMax)
      const reader: Reader | undefined = request.body?.getReader()
      if (!reader) return
      let count = 0
      /** Lately: whoever sent much at first may not hold it with a byte now and then. */
      let lately = { bytes: 0, waitedMs: 0 }
      try {
        for (;;) {
          const askedAtMs = clock.now()
          const { done, value } = await next(reader, signal)
          if (done) return
          count += value.length
          lately.bytes += value.length
          lately.waitedMs += clock.now() - askedAtMs
          if (lately.waitedMs > stallMs) {
            if (lately.bytes * 1000 < lately.waitedMs * bytesPerSecondMin) throw stalled()
            lately = { bytes: 0, waitedMs: 0 }
          }
          if (count > bytesMax) throw tooLarge(bytesMax)
          yield value
        }
      } finally {
        // May never settle if the client is gone; nobody waits for it.
        reader.cancel().catch(() => {})
      }
    }

    /** The next chunk of a body; rejects when it stalls or the signal aborts. */
    async function next(reader: Reader, signal: AbortSignal): Promise<Chunk> {
      signal.throwIfAborted()
      const { promise, reject } = Promise.withResolvers<never>()
      const abort = () => reject(signal.reason)
      const cancelTimer = clock.after(stallMs, () => reject(stalled()))
      signal.addEventListener("abort", abort, { once: true })
      try {
        return await Promise.race([reader.read(), promise])
      } finally {
        cancelTimer()
        signal.removeEventListener("abort", abort)
      }
    }

    async function* keep() {
      let block = new Uint8Array(BLOCK_BYTES)
      let filled = 0
      for await (const chunk of bytes()) {
        if (!hasRoom(owner, chunk.length)) throw busy()
        ownBytes += chunk.length
        hold(owner, chunk.length)
        if (filled + chunk.length > BLOCK_BYTES && filled > 0) {
          yield block.slice(0, filled)
          block = new Uint8Array(BLOCK_BYTES)
          filled = 0
        }
        if (chunk.length > BLOCK_BYTES) {
          yield chunk
          continue
        }
        block.set(chunk, filled)
        filled += chunk.length
      }
      if (filled > 0) yield block.slice(0, filled)
    }

    return {
      bytes,
      keep,
      readAll: async () => joined(await Array.fromAsync(keep())),
      release() {
        hold(owner, -ownBytes)
        ownBytes = 0
      },
    }
  }

  return { open }
}

/** What Bun and the DOM both say of a reader of bytes. */
interface Reader {
  read(): Promise<Chunk>
  cancel(): Promise<void>
}
type Chunk = { done: false; value: Uint8Array } | { done: true; value?: unknown }

function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

function tooLarge(bytesMax: number): Refused {
  return new Refused({ reason: "too_large", status: 413, message: `more than ${bytesMax} bytes`, retryable: false })
}

function stalled(): Refused {
  return new Refused({ reason: "timeout", status: 408, message: "the body stalled" })
}

function busy(): Refused {
  return new Refused({ reason: "busy", status: 429, message: "too many uploads at once", retryAfterSeconds: 1 })
}
