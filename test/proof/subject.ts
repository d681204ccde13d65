/** The server that is put to the proof: the real program with real engines, and what can be seen of it from outside. Linux only. */
import { readdir, readFile, readlink } from "node:fs/promises"
import { usageOf } from "../../src/audio/decoding/usage.ts"
import { processTree, pssBytes } from "../../src/commands/bench/memory.ts"
import type { Environment } from "../../src/settings.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"

/** What the process tree holds at one moment. */
export interface Holding {
  /** Proportional set size of all processes together. */
  readonly pssBytes: number
  /** Of which, by what each was started as. */
  readonly pssBytesOf: Readonly<Record<Kind, number>>
  /** Open files, pipes and sockets of the server itself. */
  readonly descriptors: number
  /** Ids by what each was started as. */
  readonly processes: Readonly<Record<Kind, readonly number[]>>
}

export type Kind = "server" | "engine" | "vad" | "decode" | "other"

export interface Subject {
  readonly pid: number
  /** `http://…/`. */
  readonly url: URL
  readonly wyomingPort: number
  holding(): Promise<Holding>
  engines(): Promise<readonly number[]>
  /** Of all processes that are there now, in ms. */
  cpuMs(): Promise<number>
  /** The sum of a metric over its labels, or over those that hold `label`, as in `outcome="text"`. */
  metric(name: string, label?: string): Promise<number>
  /** Status of `/readyz`; 0 if nobody answers. */
  readiness(): Promise<number>
  /** Waits, at most `limitMs`, until `check` holds; tells whether it did. */
  settles(check: () => Promise<boolean>, limitMs?: number): Promise<boolean>
  /** Lines of the log that must not be there: errors, and whatever is no log line. */
  faults(): string[]
  /** How often each event was warned of. */
  warnings(): Record<string, number>
  readonly alive: boolean
  /** The exit code of a drain. */
  stop(): Promise<number>
  [Symbol.asyncDispose](): Promise<void>
}

const WORDS: Readonly<Record<string, Kind>> = { __engine: "engine", __vad: "vad", __decode: "decode" }

const POLL_MS = 100

/** Ready when this resolves. `STT_MAX_SPEAKERS` would refuse those who only come and go; where it is no setting, it is ignored. */
export async function startSubject(env: Environment = {}): Promise<Subject> {
  const wyomingPort = await freePort()
  const program = startProgram(["serve"], {
    HOST: "127.0.0.1",
    PORT: "0",
    WYOMING_PORT: String(wyomingPort),
    STT_OFFLINE: "1",
    STT_MAX_SPEAKERS: "0",
    ...env,
  })
  // Whoever ends the suite early ends it with the server.
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      program.signal("SIGKILL")
      process.exit(1)
    })
  }
  const url = new URL("/", String((await program.seen("listening")).address).replace(/^ws/, "http"))
  await program.seen("ready")
  let alive = true
  void program.exited.then(() => {
    alive = false
  })
  await settles(async () => (await readiness(url)) === 200, 60_000)
  return {
    pid: program.pid,
    url,
    wyomingPort,
    holding: () => holdingOf(program.pid),
    engines: async () => (await kindsOf(program.pid)).engine,
    async cpuMs() {
      const pids = await processTree(program.pid)
      return pids.reduce((total, pid) => total + usageOf(pid).cpuMs, 0)
    },
    metric: (name, label) => metricOf(url, name, label),
    readiness: () => readiness(url),
    settles,
    faults: () => faultsIn(program),
    warnings: () => warningsIn(program),
    get alive() {
      return alive
    },
    async stop() {
      program.signal("SIGTERM")
      return program.exited
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

/** Whoever is quick could take it before the program does; nobody here is. */
async function freePort(): Promise<number> {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
  const { port } = listener
  listener.stop(true)
  return port
}

async function holdingOf(pid: number): Promise<Holding> {
  const [descriptors, processes] = await Promise.all([descriptorsOf(pid), kindsOf(pid)])
  const kinds = Object.keys(processes) as Kind[]
  const sizes = await Promise.all(
    kinds.map(async (kind) => [kind, sum(await Promise.all(processes[kind].map(async (one) => (await pssBytes(one)) ?? 0)))] as const),
  )
  const pssBytesOf = Object.fromEntries(sizes) as Record<Kind, number>
  return { pssBytes: sum(Object.values(pssBytesOf)), pssBytesOf, descriptors, processes }
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

async function descriptorsOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`).catch(() => [])).length
}

/** What is open, by its kind; for a message that tells what leaked. */
export async function openFilesOf(pid: number): Promise<Record<string, number>> {
  const kinds: Record<string, number> = {}
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "gone")
    const kind = target.replace(/:.*|\[.*/, "")
    kinds[kind] = (kinds[kind] ?? 0) + 1
  }
  return kinds
}

async function kindsOf(pid: number): Promise<Record<Kind, number[]>> {
  const kinds: Record<Kind, number[]> = { server: [], engine: [], vad: [], decode: [], other: [] }
  for (const one of await processTree(pid)) {
    const words = (await readFile(`/proc/${one}/cmdline`, "utf8").catch(() => "")).split("\0")
    const word = words.find((word) => word in WORDS)
    kinds[one === pid ? "server" : word === undefined ? "other" : (WORDS[word] ?? "other")].push(one)
  }
  return kinds
}

async function readiness(url: URL): Promise<number> {
  return fetch(new URL("/readyz", url), { signal: AbortSignal.timeout(10_000) }).then(
    ({ status }) => status,
    () => 0,
  )
}

async function metricOf(url: URL, name: string, label = ""): Promise<number> {
  const page = await (await fetch(new URL("/metrics", url))).text()
  return page
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(label))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0)
}

async function settles(check: () => Promise<boolean>, limitMs = 15_000): Promise<boolean> {
  const until = performance.now() + limitMs
  while (!(await check())) {
    if (performance.now() > until) return false
    await Bun.sleep(POLL_MS)
  }
  return true
}

function linesOf({ errors }: RunningProgram): string[] {
  return errors.split("\n").filter((line) => line.trim() !== "")
}

function faultsIn(program: RunningProgram): string[] {
  return linesOf(program).filter((line) => {
    try {
      return JSON.parse(line).level === "error"
    } catch {
      return true
    }
  })
}

function warningsIn(program: RunningProgram): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const line of linesOf(program)) {
    const { level, event } = line.startsWith("{") ? JSON.parse(line) : {}
    if (level === "warn") counts[event] = (counts[event] ?? 0) + 1
  }
  return counts
}
