/**
 * Words on the command line → one command → an exit code. Knows the names of the commands and what each is given; the
 * process itself (arguments, environment, streams, signals) comes in from main.ts.
 */
import { Command, CommanderError } from "commander"
import { version } from "../binary/version.ts"
import { createLog, type LogLevel } from "../log.ts"
import { type Environment, parseSettings, type Settings, settingsTable } from "../settings.ts"
import { BENCH_OPTIONS } from "./bench/options.ts"
import { OPS } from "./ops.ts"
import { EXIT, type Program } from "./program.ts"

export interface Surroundings extends Omit<Program, "settings" | "log"> {
  /** What follows the program's name. */
  readonly argv: readonly string[]
}

/** Runs what the arguments ask for, `serve` if they ask for nothing; resolves with the exit code. */
export async function runCommandLine(surroundings: Surroundings): Promise<number> {
  let code: number = EXIT.drained
  const command = describeCommands(surroundings, (result) => {
    code = result
  })
  try {
    await command.parseAsync(surroundings.argv.length === 0 ? ["serve"] : [...surroundings.argv], { from: "user" })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode
    throw error
  }
  return code
}

function describeCommands(surroundings: Surroundings, end: (code: number) => void): Command {
  const { write, writeError, env } = surroundings
  const whole = (line: string) => line.replace(/\n$/, "")
  const root = new Command("xrx-stt")
    .description("Speech to text over a WebSocket, in one file. Settings are environment variables: see `xrx-stt settings`.")
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (line) => write(whole(line)), writeErr: (line) => writeError(whole(line)) })

  root
    .command("serve")
    .description("answer clients on ws://HOST:PORT/api/v1/ws until SIGTERM or Ctrl-C (default)")
    .action(async () => end(await withSettings(surroundings, "info", async (program) => (await import("./serve.ts")).serve(program))))

  root
    .command("transcribe")
    .description("print the words of WAV files")
    .argument("<file...>", "WAV files of any sample rate and width; `-` reads one from standard input")
    .option("--json", "one JSON object a file, with segments and their times")
    .action(async (files: string[], { json = false }: { json?: boolean }) =>
      end(
        await withSettings(surroundings, "warn", async (program) => (await import("./transcribe.ts")).transcribe(program, { files, json })),
      ),
    )

  root
    .command("doctor")
    .description("say what is wrong with this machine and these settings, and what to do about it")
    .action(async () => end(await (await import("./doctor.ts")).doctor({ ...surroundings, result: parseSettings(env) })))

  const bench = root.command("bench").description("say how fast this program is on this machine, also beside another server")
  for (const { flags, meaning } of Object.values(BENCH_OPTIONS)) bench.option(flags, meaning)
  bench
    .option("--markdown <file>", "measure nothing: print a file that --json wrote as Markdown, with a chart")
    .action(async ({ markdown, ...raw }: { markdown?: string }) => {
      const { bench, printMarkdown } = await import("./bench.ts")
      if (markdown !== undefined) return end(await printMarkdown(markdown, surroundings))
      return end(await withSettings(surroundings, "warn", (program) => bench(program, raw)))
    })

  root
    .command("settings")
    .description("print every setting with its default and meaning, as a Markdown table")
    .action(() => write(settingsTable()))

  const ops = root.command("ops").description("print a file for those who run this program")
  for (const [name, { meaning, text }] of Object.entries(OPS))
    ops
      .command(name)
      .description(meaning)
      .action(() => write(whole(text())))

  return root
}

/** Parses the environment and runs a command with it; every fault is printed, and the command does not run. */
async function withSettings(surroundings: Surroundings, quiet: LogLevel, run: (program: Program) => Promise<number>): Promise<number> {
  const { env, writeError } = surroundings
  const result = parseSettings(env)
  if (!result.ok) {
    writeError(["xrx-stt cannot run with these settings:", ...result.faults.map((fault) => `  ${fault}`)].join("\n"))
    return EXIT.badSettings
  }
  const { settings, warnings } = result
  const log = createLog({ level: chosenLevel(settings, env, quiet), write: writeError })
  for (const warning of warnings) log.warn("settings", { warning })
  return run({ ...surroundings, settings, log })
}

/** A command may be quieter than the server as long as nobody asked for a level. */
function chosenLevel(settings: Settings, env: Environment, quiet: LogLevel): LogLevel {
  return env.LOG_LEVEL ? settings.LOG_LEVEL : quiet
}
