/**
 * One file told to one decoding process: bytes of the source one way, samples the other, each only when it is asked for. Knows
 * no other file and no queue.
 */
import { EngineError } from "../../engines/engine-error.ts"
import { samplesFromBytes } from "../pcm.ts"
import type { DecodeProcess } from "./decode-process.ts"
import type { DecodeOptions } from "./decoder.ts"
import { FROM_PROCESS, FROM_SERVER, type Frame, type Job } from "./talk.ts"

/** What goes to the process at once. */
const PART_BYTES = 64 * 1024

/** As `Decoder.decodeRecording`. The process is free for the next file afterwards, or dead. */
export async function* tellFile(
  process: DecodeProcess,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  { signal, maxSeconds, maxBytes, channel = "mix" }: DecodeOptions,
): AsyncGenerator<Int16Array, void> {
  const parts = createParts(source, maxBytes)
  const abort = () => process.kill("aborted")
  signal.addEventListener("abort", abort, { once: true })
  /** Whether it waits for a word of ours in the middle of the file. */
  let listening = false
  let givenBytes = 0
  try {
    signal.throwIfAborted()
    const job: Job = { channel, maxSeconds, maxBytes }
    process.tell(FROM_SERVER.job, new TextEncoder().encode(JSON.stringify(job)))
    for (;;) {
      const frame = await process.answer()
      if (frame === null) throw await deathOf(process)
      if (frame.kind === FROM_PROCESS.done) return
      if (frame.kind === FROM_PROCESS.failed) throw new EngineError("bad_audio", new TextDecoder().decode(frame.body))
      listening = true
      if (frame.kind === FROM_PROCESS.piece) yield samplesFromBytes(frame.body)
      const answer = await answerTo(frame, parts, signal)
      listening = false
      givenBytes += answer.body.length
      process.allow(givenBytes)
      process.tell(answer.kind, answer.body)
    }
  } catch (error) {
    if (signal.aborted) throw new EngineError("aborted", "the recording was given up")
    throw error
  } finally {
    signal.removeEventListener("abort", abort)
    parts.close()
    if (listening) await stop(process)
    process.allow(0)
  }
}

async function answerTo({ kind }: Frame, parts: ReturnType<typeof createParts>, signal: AbortSignal): Promise<Frame> {
  if (kind === FROM_PROCESS.piece) return { kind: FROM_SERVER.next, body: NOTHING }
  const bytes = await unlessAborted(parts.next(), signal)
  return bytes === null ? { kind: FROM_SERVER.end, body: NOTHING } : { kind: FROM_SERVER.bytes, body: bytes }
}

const NOTHING = new Uint8Array(0)

/** It answers once more, and waits for the next file. */
async function stop(process: DecodeProcess) {
  process.tell(FROM_SERVER.stop)
  await process.answer()
}

async function deathOf(process: DecodeProcess): Promise<EngineError> {
  const { cause, detail } = await process.ended
  if (cause === "spawn")
    return new EngineError("unavailable", "recordings cannot be decoded now: no process could be started", { retryable: true })
  if (cause === "closed") return new EngineError("aborted", "recordings are decoded no more")
  const why = cause === "timeout" ? "it takes too long" : cause === "memory" ? "it takes too much memory" : "it broke"
  return new EngineError("bad_audio", `this file cannot be decoded: ${why}`, { cause: new Error(detail) })
}

/** A source in parts of a size that suits the process; none is empty. Throws `bad_audio` when the source holds more than `maxBytes`. */
function createParts(source: AsyncIterable<Uint8Array> | Uint8Array, maxBytes: number) {
  const iterator = source instanceof Uint8Array ? undefined : source[Symbol.asyncIterator]()
  let current = source instanceof Uint8Array ? source : NOTHING
  let totalBytes = current.length
  let over = iterator === undefined
  return {
    async next(): Promise<Uint8Array | null> {
      while (current.length === 0 && iterator && !over) {
        const { value, done } = await iterator.next()
        over = done === true
        if (done) break
        current = value
        totalBytes += current.length
      }
      if (totalBytes > maxBytes) throw new EngineError("bad_audio", `more than ${maxBytes} bytes`)
      const part = current.subarray(0, PART_BYTES)
      current = current.subarray(part.length)
      return part.length > 0 ? part : null
    },
    /** Not awaited: a source may wait for its sender before it ends. */
    close() {
      if (!over) Promise.resolve(iterator?.return?.()).catch(() => {})
      over = true
    },
  }
}

/** Rejects as soon as the signal aborts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener("abort", abort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort))
}
