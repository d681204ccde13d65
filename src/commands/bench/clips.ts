/** What the bench says to a server: recordings inside this program, or a folder of WAV files. Knows no server. */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { samplesFromWav } from "../../audio/files.ts"
import { joinSamples, SAMPLE_RATE_HZ } from "../../audio/pcm.ts"
import { reasonOf } from "../reason.ts"
import austen870 from "./austen-0870.wav" with { type: "file" }
import austen880 from "./austen-0880.wav" with { type: "file" }
import austen890 from "./austen-0890.wav" with { type: "file" }
import { LONGEST_UTTERANCE_SECONDS } from "./options.ts"

export interface Clip {
  readonly name: string
  readonly samples: Int16Array
  readonly seconds: number
}

/** Three sentences in a row of one reader, from the test data of PocketSphinx; the licence lies beside them. */
export async function builtInClips(): Promise<Clip[]> {
  const [seven = empty, three = empty, five = empty] = await Promise.all([austen870, austen880, austen890].map(samplesOf))
  return [clip("3 s", three), clip("7 s", seven), clip("15 s", joinSamples([seven, three, five]))]
}

const Manifest = z.array(
  z.object({
    id: z.string(),
    file: z.string(),
    seconds: z.number(),
    lang: z.string().optional(),
    kind: z.string(),
    tags: z.array(z.string()).optional(),
  }),
)

/**
 * The WAV files of a folder; if it holds a `manifest.json`, the English speech of it that is not tagged `hard`. Longer files
 * than a server hears in one piece are left out. `limit` takes them evenly spread.
 */
export async function clipsOfFolder(folder: string, limit = Number.POSITIVE_INFINITY): Promise<Clip[]> {
  const manifest = Bun.file(join(folder, "manifest.json"))
  if (await manifest.exists()) return readClips(folder, evenly(await listedIn(manifest), limit))
  const clips = await readClips(folder, await wavFilesIn(folder))
  return evenly(
    clips.filter(({ seconds }) => seconds > 0 && seconds <= LONGEST_UTTERANCE_SECONDS),
    limit,
  )
}

interface Listed {
  readonly name: string
  readonly file: string
}

async function listedIn(manifest: Bun.BunFile): Promise<Listed[]> {
  const parsed = Manifest.safeParse(await manifest.json())
  if (!parsed.success) throw new Error("manifest.json is not a list of { id, file, seconds, lang, kind, tags }")
  return parsed.data
    .filter(({ lang, kind, seconds, tags }) => {
      return lang === "en" && kind !== "non-speech" && seconds <= LONGEST_UTTERANCE_SECONDS && !tags?.includes("hard")
    })
    .map(({ id, file }) => ({ name: id, file }))
}

async function wavFilesIn(folder: string): Promise<Listed[]> {
  const files = (await readdir(folder)).filter((file) => /\.wav$/i.test(file)).sort()
  return files.map((file) => ({ name: file.replace(/\.wav$/i, ""), file }))
}

async function readClips(folder: string, listed: readonly Listed[]): Promise<Clip[]> {
  const clips: Clip[] = []
  for (const { name, file } of listed) clips.push(clip(name, await samplesOf(join(folder, file))))
  return clips
}

function evenly<T>(all: readonly T[], limit: number): T[] {
  if (limit >= all.length) return [...all]
  return Array.from({ length: limit }, (_, index) => all[Math.floor((index * all.length) / limit)] as T)
}

/** The same sound in other bytes for each turn, so that no server can answer from memory. */
export function distinctSamples({ samples }: Clip, turn: number): Int16Array<ArrayBuffer> {
  const copy = Int16Array.from(samples)
  const at = turn % copy.length
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

const empty = new Int16Array(0)

function clip(name: string, samples: Int16Array): Clip {
  return { name, samples, seconds: samples.length / SAMPLE_RATE_HZ }
}

async function samplesOf(path: string): Promise<Int16Array> {
  try {
    return await samplesFromWav(Bun.file(path).stream())
  } catch (error) {
    throw new Error(`${path}: ${reasonOf(error)}`)
  }
}
