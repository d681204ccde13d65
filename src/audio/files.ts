/**
 * A WAV file of any rate, width and number of channels → 16 kHz mono. Reads a stream of bytes, so that a long file never lies
 * in memory as it is. Knows no disk: bytes come in.
 */
import { decoder } from "@audio/decode-wav"
import { joinSamples, samplesFromFloats } from "./pcm.ts"
import { createResampler } from "./resample.ts"
import { createWavHeader, WAV_HEADER_MAX_BYTES, type WavHeader } from "./wav-header.ts"

/** These bytes are no sound that we can read. The message is one line for the user and names no file. */
export class UnreadableAudio extends Error {
  override readonly name = "UnreadableAudio"
}

const NOT_WAV = "not a WAV file"
const NO_SOUND = "no sound in this file"

const RATE_MIN_HZ = 1_000
const RATE_MAX_HZ = 768_000

/** The whole file as samples. Rejects with UnreadableAudio; errors of the byte stream pass through. */
export async function samplesFromWav(bytes: AsyncIterable<Uint8Array>): Promise<Int16Array> {
  const pieces: Int16Array[] = []
  for await (const piece of readWav(bytes)) pieces.push(piece)
  return joinSamples(pieces)
}

async function* readWav(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Int16Array> {
  const decoding = decoder()
  let resampler: Awaited<ReturnType<typeof createResampler>> | undefined
  for await (const chunk of plainHeader(bytes)) {
    const { channelData, sampleRate } = decodeChunk(decoding, chunk)
    if (channelData.length === 0) continue
    resampler ??= await createResampler(checkedRate(sampleRate))
    yield samplesFromFloats(resampler.push(mixDown(channelData)))
  }
  if (!resampler) throw new UnreadableAudio(NO_SOUND)
  yield samplesFromFloats(resampler.end())
}

function decodeChunk(decoding: ReturnType<typeof decoder>, chunk: Uint8Array) {
  try {
    // The decoder copies by `slice`, which on a Buffer copies nothing.
    return decoding.decode(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
  } catch (error) {
    throw new UnreadableAudio(error instanceof TypeError ? error.message : "a damaged WAV file")
  }
}

function checkedRate(rateHz: number): number {
  if (rateHz >= RATE_MIN_HZ && rateHz <= RATE_MAX_HZ) return rateHz
  throw new UnreadableAudio(`a sample rate of ${rateHz} Hz is none we can read`)
}

/** The mean of all channels: a voice on one side stays, though quieter. */
function mixDown(channels: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array(0)] = channels
  if (channels.length === 1) return first
  const mixed = new Float32Array(first.length)
  for (const channel of channels)
    for (let i = 0; i < mixed.length; i++) mixed[i] = (mixed[i] as number) + (channel[i] as number) / channels.length
  return mixed
}

/** The decoder stumbles over much that may stand before the sound. */
async function* plainHeader(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let header: WavHeader | undefined = createWavHeader()
  let headBytes = 0
  for await (const chunk of bytes) {
    if (!header) {
      yield chunk
      continue
    }
    headBytes += chunk.length
    const plain = header.read(chunk)
    if (plain.kind === "none") throw new UnreadableAudio(NOT_WAV)
    if (plain.kind === "plain") {
      yield plain.bytes
      header = undefined
    } else if (headBytes > WAV_HEADER_MAX_BYTES) throw new UnreadableAudio("no sound in the first 16 MiB of this file")
  }
  if (header) throw new UnreadableAudio(headBytes > 0 && headBytes < SHORTEST_BYTES ? NOT_WAV : NO_SOUND)
}

/** What is shorter does not even say that it is a WAV file. */
const SHORTEST_BYTES = 12
