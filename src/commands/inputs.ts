/**
 * What the words of a command line mean by recordings: files, folders of them, patterns, and standard input. Looks at names only;
 * what is in a file shows when it is heard.
 */
import { stat } from "node:fs/promises"
import { basename, extname, join } from "node:path"
import { Glob } from "bun"
import { reasonOf } from "./reason.ts"

export type Found = Recording | Fault

export interface Recording {
  readonly kind: "recording"
  /** As a person knows it: the path, or `-`. */
  readonly name: string
  /** Null: standard input. */
  readonly path: string | null
  /** Below the folder that was named, without its ending: `talks/monday`. */
  readonly stem: string
}

/** A word that means no recording, and why. */
export interface Fault {
  readonly kind: "fault"
  readonly name: string
  readonly reason: string
}

export const STDIN = "-"

/** What is taken out of folders. A file that is named is taken whatever its name. */
const ENDINGS = ["wav", "flac", "mp3", "mp2", "ogg", "oga", "opus", "webm", "weba", "mkv", "mka", "m4a", "m4b", "mp4", "m4v", "mov", "aac"]

/** In the order of the words, those of a folder by name; each file once. */
export async function findRecordings(words: readonly string[]): Promise<Found[]> {
  const found = (await Promise.all(words.map(lookUp))).flat()
  const seen = new Set<string>()
  return found.filter((one) => one.kind === "fault" || (!seen.has(one.name) && seen.add(one.name)))
}

async function lookUp(word: string): Promise<Found[]> {
  if (word === STDIN) return [{ kind: "recording", name: STDIN, path: null, stem: "stdin" }]
  try {
    const there = await stat(word)
    return there.isDirectory() ? await inFolder(word) : [recording(word, basename(word))]
  } catch (error) {
    // Shells hand on a pattern that fits nothing, and Windows hands on every one.
    return /[*?[{]/.test(word) ? await matching(word) : [fault(word, reasonOf(error))]
  }
}

async function inFolder(folder: string): Promise<Found[]> {
  const names = await Array.fromAsync(new Glob("**/*").scan({ cwd: folder, onlyFiles: true }))
  const taken = names.filter((name) => ENDINGS.includes(extname(name).slice(1).toLowerCase())).sort()
  if (taken.length === 0) return [fault(folder, `no recordings in this folder (${ENDINGS.join(", ")})`)]
  return taken.map((name) => recording(join(folder, name), name))
}

async function matching(pattern: string): Promise<Found[]> {
  const paths = await Array.fromAsync(new Glob(pattern).scan({ cwd: ".", onlyFiles: true }))
  if (paths.length === 0) return [fault(pattern, "no file fits this pattern")]
  return paths.sort().map((path) => recording(path, basename(path)))
}

function recording(path: string, name: string): Recording {
  return { kind: "recording", name: path, path, stem: name.slice(0, name.length - extname(name).length) }
}

function fault(name: string, reason: string): Fault {
  return { kind: "fault", name, reason }
}
