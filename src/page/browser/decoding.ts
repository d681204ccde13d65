/** Recordings of any kind that this browser can read, as the page keeps sound. Knows no document. */
import { RATE_HZ, toPcm } from "../flow/resampling.ts"

/** One channel of 16 kHz. @throws DOMException if the browser cannot read it */
export async function decodeSound(bytes: ArrayBuffer): Promise<Int16Array> {
  const sound = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(bytes)
  const channels = Array.from({ length: sound.numberOfChannels }, (_, at) => sound.getChannelData(at))
  return Int16Array.from({ length: sound.length }, (_, at) =>
    toPcm(channels.reduce((sum, channel) => sum + (channel[at] ?? 0), 0) / channels.length),
  )
}
