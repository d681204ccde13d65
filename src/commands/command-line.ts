/**
 * Words on the command line → one command → an exit code. Knows the names of the commands and what each is given; the
 * process itself (arguments, environment, streams, signals) comes in from main.ts.
 */
import { Command, CommanderError, Option } from "commander"
import { version } from "../binary/version.ts"
import { createLog, type LogLevel } from "../log.ts"
import { type Environment, parseSettings, type Settings, settingsTable } from "../settings.ts"
import { BENCH_OPTIONS } from "./bench/options.ts"
import { LISTEN_WISHES, type RawListenOptions } from "./listen/options.ts"
import { OPS } from "./ops.ts"
import { EXIT, type Program } from "./program.ts"
import { FORMATS, type Format } from "./transcript-formats.ts"

export interface Surroundings extends Omit<Program, "settings" | "log"> {
  /** What follows the program's name. */
  readonly argv: readonly string[]
}

type End = (code: number) => void

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

function describeCommands(surroundings: Surroundings, end: End): Command {
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

  describeTranscribe(root, surroundings, end)
  describeListen(root, surroundings, end)
  describeModels(root, surroundings, end)

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

/** Two settings that people want to change for one call. */
interface Overrides {
  readonly language?: string
  readonly model?: string
}

const LANGUAGE = ["--language <code>", "language of the speech, or auto: in place of STT_LANGUAGE_CODE"] as const
const MODEL = ["--model <name>", "Whisper's size, a Hugging Face id or a folder: in place of WHISPER_MODEL"] as const

function formats(): Option {
  return new Option("--format <format>", "txt, srt, vtt or json").choices(FORMATS).default("txt")
}

interface RawTranscribeOptions extends Overrides {
  readonly format: Format
  readonly json?: boolean
  readonly output?: string
  readonly words?: boolean
  readonly translate?: boolean
}

function describeTranscribe(root: Command, surroundings: Surroundings, end: End) {
  root
    .command("transcribe")
    .description("print the words of recordings (WAV, FLAC, MP3, Ogg, WebM, M4A, MP4 …)")
    .argument("<file...>", "files, folders and patterns; `-` is standard input")
    .addOption(formats())
    .option("--json", "the same as --format json")
    .option("--output <folder>", "write a file for each recording instead of printing its words")
    .option(...LANGUAGE)
    .option(...MODEL)
    .option("--words", "the times of words, in json")
    .option("--translate", "tell in English what was said in another language")
    .action(async (files: string[], raw: RawTranscribeOptions) => {
      const { json, output, words = false, translate = false } = raw
      const options = { files, format: json ? "json" : raw.format, output, words, translate } as const
      const run = async (program: Program) => (await import("./transcribe.ts")).transcribe(program, options)
      end(await withSettings(surroundings, "warn", run, raw))
    })
}

function describeListen(root: Command, surroundings: Surroundings, end: End) {
  const listen = root
    .command("listen")
    .description("print what is said on standard input while it is said: arecord -q -f S16_LE -r 16000 -c 1 | xrx-stt listen")
    .addOption(formats())
    .option("--url <address>", "have a server hear it, such as ws://localhost:8000, instead of an engine of its own")
    .option(...LANGUAGE)
    .option(...MODEL)
  for (const { flags, meaning } of Object.values(LISTEN_WISHES)) listen.option(flags, meaning)
  listen.action(async (raw: RawListenOptions & Overrides) => {
    const run = async (program: Program) => (await import("./listen.ts")).listen(program, raw)
    end(await withSettings(surroundings, "warn", run, raw))
  })
}

function describeModels(root: Command, surroundings: Surroundings, end: End) {
  const models = root.command("models").description("list the models on this machine; fetch, check, copy and remove them")
  const runs = (run: (commands: typeof import("./models.ts"), program: Program) => Promise<number>) =>
    withSettings(surroundings, "warn", async (program) => run(await import("./models.ts"), program)).then(end)

  models
    .command("list", { isDefault: true })
    .description("what is inside the program, what was fetched, and what can be (default)")
    .action(() => runs((commands, program) => commands.listModels(program)))
  models
    .command("get <name>")
    .description("fetch a model, so that a later start needs no network: a size such as small, or a Hugging Face id")
    .action((name: string) => runs((commands, program) => commands.getModel(program, name)))
  models
    .command("verify [name]")
    .description("read every byte of one model, or of all, and compare it with what was fetched")
    .action((name?: string) => runs((commands, program) => commands.verifyModels(program, name)))
  models
    .command("import <folder>")
    .description("copy a folder with a Whisper in the layout of transformers.js, for machines without a network")
    .option("--name <name>", "what WHISPER_MODEL will call it: a size, or owner/name. Default: as it was fetched, or local/FOLDER")
    .action((folder: string, { name }: { name?: string }) => runs((commands, program) => commands.importModel(program, folder, name)))
  models
    .command("remove <name>")
    .description("delete a fetched or copied model from this machine")
    .action((name: string) => runs((commands, program) => commands.removeModel(program, name)))
}

/** Parses the environment and runs a command with it; every fault is printed, and the command does not run. */
async function withSettings(
  surroundings: Surroundings,
  quiet: LogLevel,
  run: (program: Program) => Promise<number>,
  { language, model }: Overrides = {},
): Promise<number> {
  const { writeError } = surroundings
  const env = {
    ...surroundings.env,
    ...(language !== undefined && { STT_LANGUAGE_CODE: language }),
    ...(model !== undefined && { WHISPER_MODEL: model }),
  }
  const result = parseSettings(env)
  if (!result.ok) {
    writeError(["xrx-stt cannot run with these settings:", ...result.faults.map((fault) => `  ${fault}`)].join("\n"))
    return EXIT.badSettings
  }
  const { settings, warnings } = result
  const log = createLog({ level: chosenLevel(settings, env, quiet), write: writeError })
  for (const warning of warnings) log.warn("settings", { warning })
  return run({ ...surroundings, env, settings, log })
}

/** A command may be quieter than the server as long as nobody asked for a level. */
function chosenLevel(settings: Settings, env: Environment, quiet: LogLevel): LogLevel {
  return env.LOG_LEVEL ? settings.LOG_LEVEL : quiet
}
