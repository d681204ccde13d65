/** Runs the built file as a stranger would: from a folder of its own, with nothing in its environment that was not put there. */
import { chmod, copyFile, link, mkdir, mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Home {
  /** Holds the built file and nothing else, and is the current folder. */
  readonly cwd: string
  readonly program: string
  readonly home: string
  readonly tmp: string
  /** HOME, TMPDIR and a port that the system chooses. */
  readonly env: Readonly<Record<string, string>>
  remove(): Promise<void>
}

/** A foreign place, which any user may enter. */
export async function makeHome(builtFile: string): Promise<Home> {
  const room = await mkdtemp(join(tmpdir(), "xrx-stt-built-"))
  await chmod(room, 0o755)
  const [cwd, home, tmp] = [join(room, "cwd"), join(room, "home"), join(room, "tmp")]
  for (const dir of [cwd, home, tmp]) await mkdir(dir)
  const program = join(cwd, "xrx-stt")
  // 240 MB: linked where the file systems allow it.
  await link(builtFile, program).catch(() => copyFile(builtFile, program))
  return { cwd, program, home, tmp, env: { HOME: home, TMPDIR: tmp, PORT: "0" }, remove: () => rm(room, { recursive: true, force: true }) }
}

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command there to its end. It has the given environment and nothing else. */
export async function runIn({ cwd }: Home, command: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const child = Bun.spawn([...command], { cwd, env: { ...env }, stdin: "ignore", stdout: "pipe", stderr: "pipe" })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code, stdout, stderr }
}

export interface Served {
  readonly pid: number
  readonly url: URL
  /** Everything it wrote so far. */
  readonly stderr: () => string
  /** Asks it to end; resolves with the exit code. */
  stop(): Promise<number>
}

/** Resolves when the log says that it is ready; rejects with what it wrote if it ends before. */
export async function serveIn({ cwd, program }: Home, env: Readonly<Record<string, string>>): Promise<Served> {
  const child = Bun.spawn([program], { cwd, env: { ...env }, stdin: "ignore", stdout: "ignore", stderr: "pipe" })
  const ready = Promise.withResolvers<void>()
  let stderr = ""
  let address: string | undefined
  const reading = (async () => {
    const decoder = new TextDecoder()
    for await (const bytes of child.stderr) {
      stderr += decoder.decode(bytes, { stream: true })
      for (const line of stderr.split("\n").slice(0, -1)) {
        const entry = line.startsWith("{") ? JSON.parse(line) : {}
        if (entry.event === "listening") address = entry.address
        if (entry.event === "ready") ready.resolve()
      }
    }
    ready.reject(new Error(`it ended with ${await child.exited}: ${stderr}`))
  })()
  await ready.promise
  if (address === undefined) throw new Error(`it is ready and listens nowhere: ${stderr}`)
  const url = new URL(address)
  url.protocol = "http:"
  return {
    pid: child.pid,
    url: new URL("/", url),
    stderr: () => stderr,
    async stop() {
      child.kill("SIGTERM")
      await reading.catch(() => {})
      return child.exited
    },
  }
}

/** Every file below a folder, sorted, relative to it. */
export async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort()
}
