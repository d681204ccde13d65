/** Recordings whose words tell them apart, and which of them a text is of. Knows no server. */
import { join } from "node:path"
import leven from "leven"
import { type Clip, clipsOfFolder } from "../../src/commands/bench/clips.ts"
import { words } from "../support/clips.ts"

const FOLDER = join(import.meta.dir, "../fixtures/speech")

export interface KnownClip extends Clip {
  /** In the words of its reader, as `words` has them. */
  readonly said: string
}

/** Numbers said by somebody else are too much alike. */
const ALIKE = /cards/

/** Of its length: a text that is further from all of them is of none. */
const DISTANCE_MAX = 0.5

export async function knownClips(): Promise<KnownClip[]> {
  const manifest: { id: string; text: string }[] = await Bun.file(join(FOLDER, "manifest.json")).json()
  const clips = await clipsOfFolder(FOLDER)
  return clips
    .filter(({ name }) => !ALIKE.test(name))
    .map((clip) => ({ ...clip, said: words(manifest.find(({ id }) => id === clip.name)?.text ?? "") }))
}

/** The clip whose words these are, misheard or not; undefined if they are of none. */
export function clipOf(text: string, clips: readonly KnownClip[]): KnownClip | undefined {
  const heard = words(text)
  const distances = clips.map((clip) => ({ clip, distance: leven(heard, clip.said) / clip.said.length }))
  const nearest = distances.reduce((best, one) => (one.distance < best.distance ? one : best))
  return nearest.distance <= DISTANCE_MAX ? nearest.clip : undefined
}
