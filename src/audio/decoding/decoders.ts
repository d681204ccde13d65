/**
 * The Decoder of the server: a few processes that decode one file each at a time, started when they are needed and let go when
 * they were idle for a while. A process that dies costs its own file only. Knows no format.
 */
import { type Clock, realClock } from "../../clock.ts"
import { EngineError } from "../../engines/engine-error.ts"
import type { Log } from "../../log.ts"
import { decodeProcesses, decodesEnded, decodesWaiting } from "../../metrics.ts"
import { createPermits } from "../../permits.ts"
import { type DecodeProcess, startDecodeProcess } from "./decode-process.ts"
import type { Decoder } from "./decoder.ts"
import { tellFile } from "./telling.ts"

/** Starting one takes a tenth of a second and more; keeping one takes 60 MB. */
const IDLE_MS = 60_000

/** More files than these do not wait for a process: they are refused with `overloaded`. */
const WAITING_MAX = 64

export interface DecoderOptions {
  /** Starts this program again as a decoding process. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** At most so many at once, and so many files: a file keeps its process until its reader has taken its end. */
  readonly processes: number
  /** As DecodeCommand.memoryMaxBytes. */
  readonly memoryMaxBytes?: number | undefined
  /** Default: the real one. */
  readonly clock?: Clock
  readonly log: Log
}

interface Idle {
  readonly process: DecodeProcess
  readonly keep: () => void
}

export function createDecoder({ command, env, processes, memoryMaxBytes, clock = realClock, log }: DecoderOptions): Decoder {
  const idle: Idle[] = []
  const alive = new Set<DecodeProcess>()
  const places = createPermits({ atOnce: processes, waitingMax: WAITING_MAX, onWaiting: (count) => decodesWaiting.set(count) })
  const closing = new AbortController()

  return {
    async *decodeRecording(source, options) {
      const signal = AbortSignal.any([options.signal, closing.signal])
      const givePlace = await places.take(signal, options.work)
      let outcome = "aborted"
      try {
        const process = idleProcess() ?? (await startProcess())
        try {
          yield* tellFile(process, source, { ...options, signal })
          outcome = "done"
        } finally {
          keepIdle(process)
        }
      } catch (error) {
        outcome = error instanceof EngineError ? error.code : "source"
        throw error
      } finally {
        decodesEnded.inc({ outcome })
        givePlace()
      }
    },
    async close() {
      closing.abort()
      for (const { keep } of idle.splice(0)) keep()
      for (const process of alive) process.kill("closed")
      await Promise.all([...alive].map(({ ended }) => ended))
    },
  }

  function idleProcess(): DecodeProcess | undefined {
    for (let last = idle.pop(); last; last = idle.pop()) {
      last.keep()
      // One that was killed stays here until the system tells of its end.
      if (last.process.usable) return last.process
    }
    return undefined
  }

  async function startProcess(): Promise<DecodeProcess> {
    const process = startDecodeProcess({ command, env, memoryMaxBytes, clock, log })
    alive.add(process)
    decodeProcesses.set(alive.size)
    process.ended.then(() => {
      alive.delete(process)
      decodeProcesses.set(alive.size)
      const at = idle.findIndex((one) => one.process === process)
      for (const { keep } of at < 0 ? [] : idle.splice(at, 1)) keep()
    })
    if (closing.signal.aborted) process.kill("closed")
    if ((await process.answer()) === null)
      throw new EngineError("unavailable", "recordings cannot be decoded now: the process for it does not start", { retryable: true })
    return process
  }

  function keepIdle(process: DecodeProcess) {
    if (!process.usable || closing.signal.aborted) return process.kill("closed")
    const callOff = clock.after(IDLE_MS, () => process.kill("closed"))
    idle.push({ process, keep: callOff })
  }
}
