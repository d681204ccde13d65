/**
 * Files of many kinds → sound: chooses the reader by the first bytes, and says of what cannot be heard why, in one line. Runs
 * in the decoding process only. Knows no wire and no limits on length.
 */
import type { ByteSource } from "./byte-source.ts"
import { readFlac, readOgg } from "./ogg.ts"
import type { Sound } from "./sound.ts"
import { readTrack } from "./tracks.ts"
import { DAMAGED, UnreadableRecording } from "./unreadable.ts"
import { readWav } from "./waves.ts"

/**
 * The whole recording. What is damaged in the middle is left out or ends it; what is cut off ends there. Throws
 * UnreadableRecording if nothing can be heard, and what the source threw as it is. `mixed`: one channel, the mean of all, will do.
 */
export async function* readSounds(source: ByteSource, mixed: boolean): AsyncGenerator<Sound, void> {
  let heard = false
  try {
    for await (const sound of readerOf(source, mixed)) {
      heard = true
      yield sound
    }
  } catch (error) {
    if (source.failure !== undefined) throw source.failure
    // Libraries throw anything at damaged bytes, and WebAssembly traps.
    if (!heard) throw error instanceof UnreadableRecording ? error : new UnreadableRecording(DAMAGED)
  }
}

function readerOf({ head, take, takeSlice, whole }: ByteSource, mixed: boolean): AsyncGenerator<Sound, void> {
  const name = String.fromCharCode(...head.subarray(0, 4))
  if (name === "RIFF") return readWav(take)
  if (name === "OggS") return readOgg(takeSlice)
  if (name === "fLaC") return readFlac(takeSlice)
  return readTrack(whole ?? take, mixed)
}
