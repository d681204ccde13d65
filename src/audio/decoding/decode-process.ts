/**
 * One decoding process, from its spawn to its end: it is told a file in turns and answers within a deadline and a ceiling of
 * memory, or is killed. Knows no source and no queue, and never throws: how a process ended is a value.
 */
import type { Clock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { FRAME_HEADER_BYTES, FROM_PROCESS, type Frame, frameHeader, readFrameHeader } from "./talk.ts"
import { usageOf } from "./usage.ts"

/** Reading the program, on a machine that does much else. */
const START_DEADLINE_MS = 20_000
/** Of a core, for one answer: two seconds of sound take some ms, to look through a file that is held whole less than a second. */
const ANSWER_CPU_MAX_MS = 2_000
/** By the clock, for a process that waits for nothing; one on a crowded machine is not to blame. */
const ANSWER_DEADLINE_MS = 30_000
/** A process with its modules and one common file: 80 MB. A module may grow to 256 MB. */
const DEFAULT_MEMORY_MAX_BYTES = 512 * 1024 * 1024
/** A damaged file makes some grow by 1 GB a second. */
const LOOK_EVERY_MS = 100
/** What is kept of the last lines that the process wrote on stderr. */
const STDERR_TAIL_CHARS = 1_000

export interface DecodeCommand {
  /** The program and its arguments. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Beside the file that it holds. Default: 512 MiB. */
  readonly memoryMaxBytes?: number | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Why a process is no more. */
export interface Ending {
  readonly cause:
    | "exit" /** It left by itself. */
    | "signal" /** It crashed, or somebody else killed it. */
    | "timeout" /** We killed it: it was stuck. */
    | "memory" /** We killed it: it took too much. */
    | "aborted" /** We killed it in the middle of its work: nobody waits for it. */
    | "closed" /** We killed it: nobody needs it any more. */
    | "spawn" /** The system did not start it. */
  /** One line for the log. */
  readonly detail: string
}

export interface DecodeProcess {
  /** False from the moment it ends, or was told to. */
  readonly usable: boolean
  readonly ended: Promise<Ending>
  /** What it says next; null if it ended first. One call at a time: its deadline begins with the call. */
  answer(): Promise<Frame | null>
  /** Only when it is its turn to listen. */
  tell(kind: number, body?: Uint8Array): void
  /** Bytes of the file it works on that it may hold beside its own memory. */
  allow(fileBytes: number): void
  kill(cause: "aborted" | "closed"): void
}

/** `ready` is its first answer. */
export function startDecodeProcess(options: DecodeCommand): DecodeProcess {
  const { command, env, memoryMaxBytes = DEFAULT_MEMORY_MAX_BYTES, clock, log } = options
  const ended = Promise.withResolvers<Ending>()
  const startedAt = clock.now()
  let killed: Ending | undefined
  let fileBytes = 0
  let stopWatching = () => {}

  const child = spawn()
  if (!child) return { usable: false, ended: ended.promise, answer: async () => null, tell() {}, allow() {}, kill() {} }
  const frames = readFrames(child.stdout)
  const stderr = keepTail(child.stderr)
  let deadlineMs = START_DEADLINE_MS
  /** Of a core, when the question was asked that it works on. */
  let askedAtCpuMs = Number.POSITIVE_INFINITY
  watchUsage(child.pid)
  watchEnd(child)

  return {
    get usable() {
      return killed === undefined && child.exitCode === null && child.signalCode === null
    },
    ended: ended.promise,
    async answer() {
      const detail = `gave no answer within ${deadlineMs} ms`
      const callOff = clock.after(deadlineMs, () => kill({ cause: "timeout", detail }))
      if (deadlineMs === ANSWER_DEADLINE_MS) askedAtCpuMs = usageOf(child.pid).cpuMs
      const frame = await frames.next()
      askedAtCpuMs = Number.POSITIVE_INFINITY
      callOff()
      if (frame?.kind === FROM_PROCESS.ready)
        log.debug("decoding process ready", { pid: child.pid, startMs: Math.round(clock.now() - startedAt) })
      deadlineMs = ANSWER_DEADLINE_MS
      return frame
    },
    tell(kind, body: Uint8Array = new Uint8Array(0)) {
      // A process that is already gone reads nothing: its end is on the way.
      try {
        child.stdin.write(frameHeader(kind, body.length))
        if (body.length > 0) child.stdin.write(body)
        Promise.resolve(child.stdin.flush()).catch(() => {})
      } catch {
        child.kill("SIGKILL")
      }
    },
    allow(bytes) {
      fileBytes = bytes
    },
    kill: (cause) => kill({ cause, detail: cause }),
  }

  function spawn() {
    try {
      return Bun.spawn([...command], { env, stdin: "pipe", stdout: "pipe", stderr: "pipe" })
    } catch (error) {
      ended.resolve({ cause: "spawn", detail: error instanceof Error ? error.message : String(error) })
      return undefined
    }
  }

  function kill(why: Ending) {
    killed ??= why
    child?.kill("SIGKILL")
  }

  function watchUsage(pid: number) {
    stopWatching = clock.after(LOOK_EVERY_MS, () => {
      const { residentBytes, cpuMs } = usageOf(pid)
      const maxBytes = memoryMaxBytes + fileBytes
      if (residentBytes > maxBytes) kill({ cause: "memory", detail: `took more than ${maxBytes} bytes of memory` })
      else if (cpuMs - askedAtCpuMs > ANSWER_CPU_MAX_MS)
        kill({ cause: "timeout", detail: `gave no answer within ${ANSWER_CPU_MAX_MS} ms of a core` })
      else watchUsage(pid)
    })
  }

  async function watchEnd(process: NonNullable<typeof child>) {
    await process.exited
    stopWatching()
    const natural: Ending = process.signalCode
      ? { cause: "signal", detail: `died of ${process.signalCode}` }
      : { cause: "exit", detail: `left with exit code ${process.exitCode}` }
    const ending = killed ?? natural
    ended.resolve(ending)
    const fields = { pid: process.pid, cause: ending.cause, detail: ending.detail }
    if (ending.cause === "closed" || ending.cause === "aborted") log.debug("decoding process ended", fields)
    else log.warn("decoding process ended", { ...fields, stderr: await stderr })
  }
}

function readFrames(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader()
  let held: Uint8Array = new Uint8Array(0)

  async function take(length: number): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = []
    let missing = length
    while (missing > 0) {
      if (held.length === 0) {
        const { value, done } = await reader.read()
        if (done) return null
        held = value
      }
      const part = held.subarray(0, missing)
      parts.push(part)
      held = held.subarray(part.length)
      missing -= part.length
    }
    return new Uint8Array(Buffer.concat(parts))
  }

  return {
    /** Null at the end of the stream. */
    async next(): Promise<Frame | null> {
      const header = await take(FRAME_HEADER_BYTES)
      if (header === null) return null
      const { kind, bodyBytes } = readFrameHeader(header)
      const body = await take(bodyBytes)
      return body && { kind, body }
    },
  }
}

/** Reads a stream to its end, so that the writer never blocks, and keeps its last lines. */
async function keepTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let tail = ""
  for await (const bytes of stream) tail = (tail + decoder.decode(bytes, { stream: true })).slice(-STDERR_TAIL_CHARS)
  return tail.trim()
}
