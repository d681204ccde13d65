/**
 * `transcribe`: the words of recordings, in order, on standard output or as a file each. A recording that fails costs only itself:
 * its reason goes to stderr and the exit code is 1. Knows no model.
 */
import { mkdir } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { Heard } from "../speech/transcript.ts"
import { createPaint } from "./colours.ts"
import { createHearing, type Hearing } from "./hearing.ts"
import { type Found, findRecordings, type Recording } from "./inputs.ts"
import { EXIT, type Program } from "./program.ts"
import { createBar } from "./progress.ts"
import { reasonOf } from "./reason.ts"
import { type Format, isCaptions, written } from "./transcript-formats.ts"

export interface TranscribeOptions {
  /** Files, folders, patterns; `-` is standard input. */
  readonly files: readonly string[]
  readonly format: Format
  /** A folder, for a file beside every recording's name. Default: standard output. */
  readonly output?: string | undefined
  /** Whether JSON tells the times of the words. */
  readonly words: boolean
  readonly translate: boolean
}

export async function transcribe(program: Program, options: TranscribeOptions): Promise<number> {
  const { settings, writeError, stop } = program
  const found = claimed(await findRecordings(options.files), options)
  const fault = settings.STT_PROVIDER === "deepgram" ? NO_RECORDINGS : severalInOne(found, options)
  if (fault !== undefined) {
    writeError(fault)
    return EXIT.badSettings
  }
  const paint = createPaint(program.terminal, program.env)
  const hearing = createHearing(program, found.length === 1)
  let code: number = EXIT.drained
  try {
    for (const one of found) {
      const reason = one.kind === "fault" ? one.reason : await failureOf(() => tell(one, hearing, program, options, found.length))
      if (reason === undefined) continue
      if (stop.aborted) {
        writeError(`${one.name}: stopped before it was heard`)
        return EXIT.failed
      }
      writeError(`${paint("red", one.name)}: ${reason}`)
      code = EXIT.failed
    }
  } finally {
    await hearing.close()
  }
  return code
}

const NO_RECORDINGS = "transcribe needs STT_PROVIDER=faster_whisper or groq: deepgram is used for live streams only"

/** Captions of two recordings in one stream are captions of none. */
function severalInOne(found: readonly Found[], { format, output }: TranscribeOptions): string | undefined {
  if (!isCaptions(format) || output !== undefined || found.length < 2) return undefined
  return `captions of several recordings need a folder: --format ${format} --output DIR`
}

async function failureOf(work: () => Promise<void>): Promise<string | undefined> {
  return work().then(() => undefined, reasonOf)
}

async function tell(one: Recording, hearing: Hearing, program: Program, options: TranscribeOptions, count: number): Promise<void> {
  const { format, output } = options
  const contents = written(format, await heard(one, hearing, program, options), one.name)
  if (output === undefined) {
    if (count > 1 && format === "txt" && program.screen) program.write(createPaint(true, program.env)("bold", one.name))
    program.write(contents.replace(/\n$/, ""))
    return
  }
  const path = targetOf(one, output, format)
  await mkdir(dirname(path), { recursive: true })
  await Bun.write(path, contents)
  if (program.terminal) program.writeError(`${one.name} → ${path}`)
}

async function heard(one: Recording, hearing: Hearing, program: Program, { words, translate }: TranscribeOptions): Promise<Heard> {
  const bar = createBar({ ...program, label: one.name, unit: "s" })
  const onProgress = (heardMs: number, totalMs: number | null) => bar.set(heardMs / 1000, totalMs === null ? null : totalMs / 1000)
  try {
    const source = one.path === null ? program.input.bytes() : Bun.file(one.path).stream()
    return await hearing.hear(source, { words, translate, onProgress })
  } finally {
    bar.end()
  }
}

function targetOf({ stem }: Recording, output: string, format: Format): string {
  return join(output, `${stem}.${format}`)
}

/** The same, but for those whose file another one gets. */
function claimed(found: readonly Found[], { output, format }: TranscribeOptions): Found[] {
  if (output === undefined) return [...found]
  const owners = new Map<string, string>()
  return found.map((one) => {
    if (one.kind === "fault") return one
    const path = targetOf(one, output, format)
    const owner = owners.get(path)
    owners.set(path, owner ?? one.name)
    return owner === undefined ? one : { kind: "fault", name: one.name, reason: `${path} is for the words of ${owner} already` }
  })
}
