/**
 * Packets of AAC → sound, by FFmpeg as WebAssembly. It reads whole files only: it is given short ones, each of some seconds of
 * packets. Knows no container but theirs.
 */
import { AudioDecoder, getAudioDecoder } from "@humansignal/audio-file-decoder"
import wasmPath from "@humansignal/audio-file-decoder/decode-audio.wasm" with { type: "file" }
import { AdtsOutputFormat, BufferTarget, EncodedAudioPacketSource, type EncodedPacket, Output } from "mediabunny"
import type { Codec } from "./codecs.ts"
import type { Sound } from "./sound.ts"
import { OTHER_KIND, UnreadableRecording } from "./unreadable.ts"

/** What one short file holds: damage costs all of it, at most 8 s. */
const FILE_PACKETS = 64

/** The first packet of a file is left out, and the second sounds wrong, since what came before it is not known. */
const WARM_PACKETS = 2

/** Low complexity, also of high efficiency, whose packets hold one of low complexity. */
const KNOWN_CODEC = /^mp4a\.(40\.(1|2|4|5|29)|67)$/

/** Rejects with UnreadableRecording. */
export async function openAac(config: AudioDecoderConfig, mixed: boolean): Promise<Codec> {
  if (!KNOWN_CODEC.test(config.codec)) throw new UnreadableRecording(OTHER_KIND)
  const wasmUrl = URL.createObjectURL(new Blob([await Bun.file(wasmPath).bytes()], { type: "application/wasm" }))
  let packets: EncodedPacket[] = []
  let warmPackets = 0
  let ffmpeg: unknown

  async function decodeFile(): Promise<Sound | null> {
    const file = await fileOf(packets, config)
    const decoder = ffmpeg === undefined ? await getAudioDecoder(wasmUrl, file) : new AudioDecoder(ffmpeg, file)
    try {
      // Loaded once: each module would be compiled, and grow fast, anew.
      ffmpeg ??= Reflect.get(decoder, "_module")
      // Each sample is fetched by a call of its own: of one channel there are fewer.
      const samples = decoder.decodeAudioData(0, -1, { multiChannel: !mixed })
      const channels = planes(samples, mixed ? 1 : decoder.channelCount)
      const frames = channels[0]?.length ?? 0
      const warmFrames = warmPackets === 0 ? 0 : Math.round((frames * (warmPackets - 1)) / (packets.length - 1))
      if (frames <= warmFrames) return null
      return { channels: channels.map((samples) => samples.subarray(warmFrames)), rateHz: decoder.sampleRate }
    } finally {
      decoder.dispose()
    }
  }

  async function decodePackets(): Promise<Sound | null> {
    if (packets.length === warmPackets) return null
    // It throws words at what it cannot read: the rest may be well.
    const sound = await decodeFile().catch((error: unknown) => {
      if (typeof error === "string") return null
      throw error
    })
    packets = packets.slice(-WARM_PACKETS)
    warmPackets = packets.length
    return sound
  }

  return {
    decode(packet) {
      packets.push(packet)
      return packets.length < FILE_PACKETS ? null : decodePackets()
    },
    end: decodePackets,
    free: () => URL.revokeObjectURL(wasmUrl),
  }
}

/** ADTS: nothing but packets, each behind a short header. */
async function fileOf(packets: readonly EncodedPacket[], config: AudioDecoderConfig): Promise<ArrayBuffer> {
  const target = new BufferTarget()
  const output = new Output({ format: new AdtsOutputFormat(), target })
  const source = new EncodedAudioPacketSource("aac")
  output.addAudioTrack(source)
  await output.start()
  for (const [at, packet] of packets.entries()) await source.add(packet.clone({ timestamp: at }), { decoderConfig: config })
  await output.finalize()
  return target.buffer ?? new ArrayBuffer(0)
}

function planes(interleaved: Float32Array, count: number): Float32Array[] {
  if (count === 1) return [interleaved]
  const frames = Math.floor(interleaved.length / count)
  return Array.from({ length: count }, (_, channel) =>
    Float32Array.from({ length: frames }, (_, frame) => interleaved[frame * count + channel] as number),
  )
}
