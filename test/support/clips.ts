import { join } from "node:path"
import { samplesFromBytes } from "../../src/audio/pcm.ts"

const WAV_HEADER_BYTES = 44

/** The samples of a recording in test/fixtures/speech. */
export async function clip(id: string): Promise<Int16Array> {
  const bytes = await Bun.file(join(import.meta.dir, "../fixtures/speech", `${id}.wav`)).bytes()
  return samplesFromBytes(bytes.subarray(WAV_HEADER_BYTES))
}

/** Lower case, without marks: what is left to compare is the words. */
export function words(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s]/gu, " ")
    .replace(/\s+/g, " ")
    .trim()
}
