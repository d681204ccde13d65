/** The program as a user meets it: run from source as a process, or its commands with their streams caught. */
import { join } from "node:path"
import { runCommandLine, type Surroundings } from "../../src/commands/command-line.ts"
import type { Environment } from "../../src/settings.ts"

const root = join(import.meta.dir, "../..")
const main = join(root, "src/main.ts")

/** Settings of the machine that runs the tests must not reach the program under test. */
const inherited = { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME }

/** What this machine can follow while it runs tests is not what they are about; `STT_MAX_SPEAKERS: ""` has it measured. */
const MANY = "0"

export interface RunningProgram {
  readonly pid: number
  /** Resolves with the log line when `event` came, before or after the call; rejects if the program ends without it. */
  seen(event: string): Promise<Record<string, unknown>>
  signal(name: NodeJS.Signals): void
  readonly exited: Promise<number>
  /** All of stderr so far. */
  readonly errors: string
  /** Closes our end of stderr, as a log collector that dies does. */
  stopReadingErrors(): Promise<void>
  readonly output: Promise<string>
  [Symbol.asyncDispose](): Promise<void>
}

export function startProgram(args: readonly string[], env: Environment = {}, input?: Blob): RunningProgram {
  const child = Bun.spawn([process.execPath, main, ...args], {
    cwd: root,
    env: { ...inherited, STT_MAX_SPEAKERS: MANY, ...env },
    stdin: input ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  let errors = ""
  let ended = false
  const waiters = new Set<() => void>()
  const wakeAll = () => {
    for (const wake of [...waiters]) wake()
  }
  const stderr = child.stderr.getReader()
  const reading = (async () => {
    const decoder = new TextDecoder()
    for (let read = await stderr.read(); !read.done; read = await stderr.read()) {
      errors += decoder.decode(read.value, { stream: true })
      wakeAll()
    }
    ended = true
    wakeAll()
  })()
  return {
    pid: child.pid,
    seen(event) {
      return new Promise((resolve, reject) => {
        const check = () => {
          const line = logLines(errors).find((line) => line.event === event)
          if (!line && !ended) return void waiters.add(check)
          waiters.delete(check)
          if (line) resolve(line)
          else reject(new Error(`ended without "${event}":\n${errors}`))
        }
        check()
      })
    },
    signal: (name) => child.kill(name),
    exited: reading.then(() => child.exited),
    get errors() {
      return errors
    },
    stopReadingErrors: () => stderr.cancel(),
    output: new Response(child.stdout).text(),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await child.exited
    },
  }
}

function logLines(text: string): Record<string, unknown>[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))
}

export interface Ran {
  readonly code: number
  readonly output: readonly string[]
  readonly errors: readonly string[]
}

/** Runs a command inside this process; engine processes are real. */
export async function runCommand(args: readonly string[], env: Environment = {}, changes: Partial<Surroundings> = {}): Promise<Ran> {
  const output: string[] = []
  const errors: string[] = []
  const code = await runCommandLine({
    argv: args,
    env: { ...inherited, ...env },
    engineCommand: [process.execPath, main, "__engine"],
    vadCommand: [process.execPath, main, "__vad"],
    decodeCommand: [process.execPath, main, "__decode"],
    stop: new AbortController().signal,
    onHangUp: () => () => {},
    terminal: false,
    write: (text) => output.push(text),
    writeError: (text) => errors.push(text),
    ...changes,
  })
  return { code, output, errors }
}
