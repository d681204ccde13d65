/** Packets of one codec → sound, each codec by a library of its own, as WebAssembly. Knows no container. */
import { FLACDecoder } from "@wasm-audio-decoders/flac"
import type { EncodedPacket, InputAudioTrack } from "mediabunny"
import { MPEGDecoder } from "mpg123-decoder"
import { openAac } from "./aac.ts"
import { openOpus } from "./opus.ts"
import type { Sound } from "./sound.ts"
import { DAMAGED, OTHER_KIND, UnreadableRecording } from "./unreadable.ts"

export interface Codec {
  /** Null: nothing to be heard yet, or a packet that is damaged. */
  decode(packet: EncodedPacket): Sound | null | Promise<Sound | null>
  /** What was held back. The codec cannot be used again. */
  end(): Promise<Sound | null>
  free(): void
}

/** `mixed`: one channel, the mean of all, will do. Rejects with UnreadableRecording. */
export async function openCodec(track: InputAudioTrack, mixed: boolean): Promise<Codec> {
  const name = await track.getCodec()
  if (name === "mp3") return openMp3(await track.getNumberOfChannels())
  if (name === "flac") return openFlac()
  if (name !== "aac" && name !== "opus") throw new UnreadableRecording(OTHER_KIND)
  const config = await track.getDecoderConfig()
  if (config === null) throw new UnreadableRecording(DAMAGED)
  return name === "aac" ? openAac(config, mixed) : openOpus(config.description)
}

async function openMp3(channels: number): Promise<Codec> {
  // The frame that tells what to leave out at both ends does not come by here.
  const decoder = new MPEGDecoder({ enableGapless: false })
  await decoder.ready
  return {
    decode({ data }) {
      const { channelData, samplesDecoded, sampleRate } = decoder.decode(data)
      // Of one channel it makes two.
      return samplesDecoded > 0 ? { channels: channelData.slice(0, channels), rateHz: sampleRate } : null
    },
    end: async () => null,
    free: () => decoder.free(),
  }
}

async function openFlac(): Promise<Codec> {
  const decoder = new FLACDecoder()
  await decoder.ready
  return {
    async decode({ data }) {
      const { channelData, samplesDecoded, sampleRate } = await decoder.decodeFrames([data])
      return samplesDecoded > 0 ? { channels: channelData, rateHz: sampleRate } : null
    },
    end: async () => null,
    free: () => decoder.free(),
  }
}
