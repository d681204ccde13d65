import { join } from "node:path"
import { SAMPLE_RATE_HZ, samplesFromBytes } from "../../src/audio/pcm.ts"

const WAV_HEADER_BYTES = 44

/** Where a recording of test/fixtures/speech lies. */
export const clipFile = (id: string) => join(import.meta.dir, "../fixtures/speech", `${id}.wav`)

/** The samples of a recording in test/fixtures/speech. */
export async function clip(id: string): Promise<Int16Array> {
  const bytes = await Bun.file(clipFile(id)).bytes()
  return samplesFromBytes(bytes.subarray(WAV_HEADER_BYTES))
}

/** Recordings one after the other, with silence behind each. */
export async function talkOf(ids: readonly string[], silenceMs: number): Promise<Int16Array> {
  const silence = new Int16Array((silenceMs * SAMPLE_RATE_HZ) / 1000)
  const parts = await Promise.all(ids.map(clip))
  return Int16Array.from(parts.flatMap((part) => [...part, ...silence]))
}

/** Lower case, without marks: what is left to compare is the words. */
export function words(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s]/gu, " ")
    .replace(/\s+/g, " ")
    .trim()
}
