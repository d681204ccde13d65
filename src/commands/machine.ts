/**
 * What this machine, or the container on it, lets us use. Reads the system, decides only how much of it goes to whom.
 */
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"

export interface Machine {
  /** Cores that may be used at once: affinity and the container's quota counted. */
  readonly cores: number
  /** Bytes that may still be taken: the container's limit counted. */
  readonly memoryBytes: number
}

/** An engine with the model inside takes 150 MB while idle, up to 250 at work, 300 for the second that a full 30 s takes it. */
export const ENGINE_BYTES = 300 * 1024 * 1024

/** The server itself, its sockets and the audio that waits: 60 MB and more with each client. And its voice activity process: 60 MB. */
const SERVER_BYTES = 300 * 1024 * 1024

/** One engine a core, fewer if memory is short, never none. */
export function enginesThatFit({ cores, memoryBytes }: Machine): number {
  return Math.max(1, Math.min(Math.floor(cores), Math.floor((memoryBytes - SERVER_BYTES) / ENGINE_BYTES)))
}

/** What strangers may have us hold, in bytes: nothing of it may cost the engines their memory. */
export interface RecordingMemory {
  /** All uploads that are kept, together. */
  readonly uploadsBytes: number
  /** One decoding process, beside the file that it holds. */
  readonly decoderBytes: number
}

const MEBIBYTE = 1024 * 1024
const UPLOADS = { least: 64 * MEBIBYTE, most: 768 * MEBIBYTE }
/** One takes 80 MB with a common file. */
const DECODER = { least: 192 * MEBIBYTE, most: 512 * MEBIBYTE }

/** A file that is decoded lies in memory twice: here, and in its process. */
export function recordingMemory({ memoryBytes }: Machine, engines: number, decoders: number): RecordingMemory {
  const rest = memoryBytes - SERVER_BYTES - engines * ENGINE_BYTES
  const decoderBytes = within(DECODER, rest / 2 / decoders)
  return { decoderBytes, uploadsBytes: within(UPLOADS, (rest - decoders * decoderBytes) / 2) }
}

function within({ least, most }: typeof DECODER, bytes: number): number {
  return Math.floor(Math.min(most, Math.max(least, bytes)))
}

export function readMachine(cgroupDir = "/sys/fs/cgroup"): Machine {
  const read = (file: string) => readText(`${cgroupDir}/${file}`)
  const memoryLimit = Number(read("memory.max")) - Number(read("memory.current"))
  return {
    cores: Math.min(availableParallelism(), coresOfQuota(read("cpu.max"))),
    memoryBytes: Math.min(
      process.availableMemory(),
      // A group's own limit, as a unit's MemoryMax is, wherever that group stands; 0 where there is none.
      process.constrainedMemory() || Number.POSITIVE_INFINITY,
      Number.isFinite(memoryLimit) ? memoryLimit : Number.POSITIVE_INFINITY,
    ),
  }
}

/** cgroup v2 writes "quota period" in µs, or "max period". A part of a core still runs one engine. */
function coresOfQuota(cpuMax: string | undefined): number {
  const [quota = "max", period = "100000"] = (cpuMax ?? "max").trim().split(" ")
  return quota === "max" ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil(Number(quota) / Number(period)))
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}
