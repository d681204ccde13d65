/**
 * `models`: which Whispers this machine has, and what to do with them. Each function is one command; knows no hub and no layout of a
 * folder.
 */
import { EngineError } from "../engines/engine.ts"
import { modelPlaces } from "../engines/index.ts"
import { EMBEDDED_SIZE, MODEL_SIZES, obtainModel, readModelName } from "../engines/whisper/models.ts"
import {
  idsOf,
  importFolder,
  listStored,
  removeModelFiles,
  type ShelfOptions,
  type StoredModel,
  type Verdict,
  verifyStored,
} from "../engines/whisper/shelf.ts"
import { createPaint } from "./colours.ts"
import { EXIT, type Program } from "./program.ts"
import { type Bar, createBar, showDownload } from "./progress.ts"
import { reasonOf } from "./reason.ts"

/** One line a model; `*` stands before the one that WHISPER_MODEL names. */
export async function listModels(program: Program): Promise<number> {
  const { settings, env, write, screen } = program
  const paint = createPaint(screen !== null, env)
  const stored = await listStored(modelPlaces(settings, env).cacheDirs)
  const chosen = await chosenIds(settings.WHISPER_MODEL)
  const row = (isChosen: boolean, name: string, size: string, state: string) =>
    `${isChosen ? paint("green", "*") : " "} ${paint("bold", name.padEnd(NAME_COLUMNS))} ${size.padStart(8)}  ${state}`
  write(row(chosen === null, EMBEDDED_SIZE, "", "inside the program"))
  for (const model of stored) write(row(chosen?.includes(model.id) ?? false, model.id, sizeOf(model), stateOf(model)))
  write(`To be had with \`xrx-stt models get NAME\`: ${MODEL_SIZES.filter((size) => size !== EMBEDDED_SIZE).join(", ")}`)
  return EXIT.drained
}

const NAME_COLUMNS = 36

/** Null: the one inside the program. A folder of the operator's lies on no shelf. */
async function chosenIds(name: string): Promise<readonly string[] | null> {
  const source = await readModelName(name).catch(() => null)
  if (source?.kind === "embedded") return null
  return source?.kind === "hub" ? source.ids : []
}

function sizeOf({ manifest }: StoredModel): string {
  return manifest ? megabytes(manifest.files.reduce((sum, { bytes }) => sum + bytes, 0)) : ""
}

function stateOf({ id, manifest, path }: StoredModel): string {
  return manifest ? path : `fetched in part: \`xrx-stt models get ${id}\` goes on`
}

export function getModel(program: Program, name: string): Promise<number> {
  const { settings, env, stop, log, write } = program
  return attempt(program, async () => {
    const { onProgress, end } = showDownload(program)
    const choice = await obtainModel(name, { ...modelPlaces(settings, env), onProgress, signal: stop, log }).finally(end)
    write(choice.kind === "embedded" ? `${name} is inside the program` : `${name} is there: ${choice.path}`)
    return EXIT.drained
  })
}

/** 1 if one is not what it was. */
export function verifyModels(program: Program, name: string | undefined): Promise<number> {
  const { settings, env, write, writeError } = program
  return attempt(program, async () => {
    const ids = name === undefined ? null : await idsOf(name)
    const stored = await listStored(modelPlaces(settings, env).cacheDirs)
    const wanted = stored.filter(({ id, manifest }) => manifest !== null && (ids?.includes(id) ?? true))
    if (wanted.length === 0) {
      const what = name === undefined ? "no model was fetched to this machine" : `${name} is not on this machine`
      if (name !== undefined) throw new EngineError("unavailable", what)
      write(what)
      return EXIT.drained
    }
    let damaged = 0
    for (const model of wanted) {
      const verdict = await withBar(program, `reading ${model.id}`, (options) => verifyStored(model, options))
      if (verdict.kind !== "damaged") write(`${model.id}: ${GOOD[verdict.kind]}`)
      else {
        damaged++
        writeError(`${model.id}: damaged (${verdict.files.join(", ")}); \`xrx-stt models remove ${model.id}\`, then get it again`)
      }
    }
    return damaged > 0 ? EXIT.failed : EXIT.drained
  })
}

const GOOD: Readonly<Record<Exclude<Verdict["kind"], "damaged">, string>> = {
  whole: "whole",
  sizes: "every file has its size; it was fetched by a version that noted no checksums",
}

export function importModel(program: Program, folder: string, name: string | undefined): Promise<number> {
  return attempt(program, async () => {
    const { id, path } = await withBar(program, `copying ${folder}`, (options) => importFolder(folder, name, options))
    program.write(`WHISPER_MODEL=${id} is there: ${path}`)
    return EXIT.drained
  })
}

export function removeModel(program: Program, name: string): Promise<number> {
  return attempt(program, async () => {
    const removed = await withBar(program, name, (options) => removeModelFiles(name, options))
    if (!removed) throw new EngineError("unavailable", `${name} is not on this machine`)
    program.write(`${name} is removed`)
    return EXIT.drained
  })
}

/** 1 and one line on stderr if it fails. */
async function attempt({ writeError, stop }: Program, work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (error) {
    writeError(`xrx-stt models: ${stop.aborted ? "stopped" : reasonOf(error)}`)
    return EXIT.failed
  }
}

async function withBar<Done>(program: Program, label: string, work: (options: ShelfOptions) => Promise<Done>): Promise<Done> {
  const { settings, env, stop, log } = program
  const bar: Bar = createBar({ ...program, label, unit: "MB" })
  try {
    return await work({
      cacheDirs: modelPlaces(settings, env).cacheDirs,
      signal: stop,
      onWaiting: () => log.warn("model waiting", { reason: "another process is at it" }),
      onProgress: (doneBytes, totalBytes) => bar.set(doneBytes / BYTES_PER_MB, totalBytes / BYTES_PER_MB),
    })
  } finally {
    bar.end()
  }
}

const BYTES_PER_MB = 1_000_000

const megabytes = (bytes: number) => `${Math.max(1, Math.round(bytes / BYTES_PER_MB))} MB`
