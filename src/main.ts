/**
 * The composition root and the command line. The only file that reads process.env, catches signals, or exits.
 *
 * Engine processes are this same program with the argument `__engine`, the voice activity process is it with `__vad`, and those that
 * decode recordings are it with `__decode`. They are sorted out before anything else is imported: they must not load the server,
 * and the server must not load ONNX Runtime.
 */
import type { Screen } from "./commands/program.ts"

if (process.argv[2] === "__engine") {
  const { runEngine } = await import("./engines/whisper/child.ts")
  await runEngine()
} else if (process.argv[2] === "__vad") {
  const { runVad } = await import("./speech/vad/child.ts")
  await runVad()
} else if (process.argv[2] === "__decode") {
  const { runDecoder } = await import("./audio/decoding/child.ts")
  await runDecoder()
} else {
  const code = await runProgram()
  // Exiting drops what a slow reader of a pipe has not taken yet.
  process.stdout.end(() => process.exit(code))
}

async function runProgram(): Promise<number> {
  const [{ runCommandLine }, { isCompiled }, { createLog }] = await Promise.all([
    import("./commands/command-line.ts"),
    import("./binary/bunfs.ts"),
    import("./log.ts"),
  ])
  // Whoever reads the log may go away, as a collector that restarts does: that costs the log, not the service.
  process.stderr.on("error", () => {})
  // Nobody wants the rest of the words, as behind `| head -1`.
  process.stdout.on("error", () => process.exit(1))
  const writeError = (text: string) => void process.stderr.write(`${text}\n`)
  const lastWords = createLog({ level: "error", write: writeError })
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      lastWords.error(event, describeError(error))
      process.exit(1)
    })
  }
  const stop = catchSignals()
  const thisProgram = isCompiled ? [process.execPath] : [process.execPath, import.meta.path]
  return runCommandLine({
    argv: process.argv.slice(2),
    env: process.env,
    engineCommand: [...thisProgram, "__engine"],
    vadCommand: [...thisProgram, "__vad"],
    decodeCommand: [...thisProgram, "__decode"],
    ...stop,
    terminal: process.stderr.isTTY === true,
    screen: screenOf(process.stdout),
    input: { terminal: process.stdin.isTTY === true, bytes: () => Bun.stdin.stream() },
    write: (text) => void process.stdout.write(`${text}\n`),
    writeError,
  })
}

/** Asked again, the process ends at once. A terminal that closes asks for the end too, unless somebody listens for that. */
function catchSignals() {
  const stop = new AbortController()
  const hangUps = new Set<() => void>()
  let askedAtMs = 0
  // The same wish may come twice: Ctrl-C reaches all processes of a terminal, and `bun run` hands on what it got.
  const againMs = 1_000
  const ask = () => {
    if (!stop.signal.aborted) askedAtMs = performance.now()
    else if (performance.now() - askedAtMs > againMs) process.exit(1)
    stop.abort()
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, ask)
  process.on("SIGHUP", () => {
    if (hangUps.size === 0) ask()
    for (const listener of hangUps) listener()
  })
  return {
    stop: stop.signal,
    onHangUp(listener: () => void) {
      hangUps.add(listener)
      return () => void hangUps.delete(listener)
    },
  }
}

/** Null in a pipe, in a file, and where the cursor does not move. */
function screenOf(stdout: NodeJS.WriteStream): Screen | null {
  if (!stdout.isTTY || process.env.TERM === "dumb") return null
  return {
    get columns() {
      return stdout.columns
    },
    get rows() {
      return stdout.rows
    },
    write: (text) => void stdout.write(text),
  }
}

/** Where it happened, and not its message: one that quotes its input would bring a transcript into the log. */
function describeError(error: unknown) {
  if (!(error instanceof Error)) return { name: typeof error }
  const frames = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? []
  return { name: error.name, at: frames.map((line) => line.trim()).join(" ") }
}
