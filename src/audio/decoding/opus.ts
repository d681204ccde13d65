/** Packets of Opus → sound, by libopus as WebAssembly. Knows no container. */
import { OpusDecoder } from "opus-decoder"
import { SAMPLE_RATE_HZ } from "../pcm.ts"
import type { Sound } from "./sound.ts"
import { DAMAGED, UnreadableRecording } from "./unreadable.ts"

/** Where the header of RFC 7845 keeps what. */
const HEADER_BYTES = 19
const CHANNELS_AT = 9
const PRE_SKIP_AT = 10
const FAMILY_AT = 18

const RATE_HZ = 48_000

/** `description`: that header. Rejects with UnreadableRecording. */
export async function openOpus(description: AudioDecoderConfig["description"]) {
  const header = headerOf(description)
  const channels = header[CHANNELS_AT] ?? 1
  const mapped = header[FAMILY_AT] !== 0
  if (mapped && header.length < HEADER_BYTES + 2 + channels) throw new UnreadableRecording(DAMAGED)
  const preSkip = new DataView(header.buffer, header.byteOffset).getUint16(PRE_SKIP_AT, true)
  const decoder = new OpusDecoder({
    sampleRate: SAMPLE_RATE_HZ,
    preSkip: Math.round((preSkip * SAMPLE_RATE_HZ) / RATE_HZ),
    channels,
    ...(mapped && {
      streamCount: header[HEADER_BYTES] ?? 1,
      coupledStreamCount: header[HEADER_BYTES + 1] ?? 0,
      channelMappingTable: [...header.subarray(HEADER_BYTES + 2, HEADER_BYTES + 2 + channels)],
    }),
  })
  await decoder.ready
  return {
    /** Null: nothing in this packet can be heard. */
    decode({ data }: { readonly data: Uint8Array }): Sound | null {
      const { channelData, samplesDecoded } = decoder.decodeFrame(data)
      return samplesDecoded > 0 ? { channels: channelData, rateHz: SAMPLE_RATE_HZ } : null
    },
    end: async () => null,
    free: () => decoder.free(),
  }
}

function headerOf(description: AudioDecoderConfig["description"]): Uint8Array {
  if (description === undefined || description.byteLength < HEADER_BYTES) throw new UnreadableRecording(DAMAGED)
  return ArrayBuffer.isView(description)
    ? new Uint8Array(description.buffer, description.byteOffset, description.byteLength)
    : new Uint8Array(description)
}
