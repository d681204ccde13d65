/** WAV → sound, by `@audio/decode-wav`. Wants a plain header, which `wav-header.ts` makes. */
import { decoder } from "@audio/decode-wav"
import type { Sound, Take } from "./sound.ts"
import { OTHER_KIND, UnreadableRecording } from "./unreadable.ts"

export async function* readWav(take: Take): AsyncGenerator<Sound, void> {
  const decoding = decoder()
  for (let bytes = take(); bytes !== null; bytes = take()) {
    const { channelData, sampleRate } = decode(decoding, bytes)
    if (channelData.length > 0) yield { channels: channelData, rateHz: sampleRate }
  }
}

function decode(decoding: ReturnType<typeof decoder>, bytes: Uint8Array) {
  try {
    return decoding.decode(bytes)
  } catch (error) {
    throw error instanceof TypeError ? new UnreadableRecording(OTHER_KIND) : error
  }
}
