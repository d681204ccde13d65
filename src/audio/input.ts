/**
 * What a client sends in the encoding of its choice → 16 kHz mono, for any slicing of its bytes. One reader per stream. Knows
 * no container and no wire.
 */
import { alawSamples, mulawSamples } from "./g711.ts"
import { createLiveResampler, prepareLiveResampler } from "./live-resampler.ts"
import { createSampleReader, floatsFromSamples, SAMPLE_RATE_HZ, samplesFromFloats } from "./pcm.ts"

export const ENCODINGS = ["pcm_s16le", "pcm_f32le", "mulaw", "alaw"] as const
export type Encoding = (typeof ENCODINGS)[number]

export const SAMPLE_RATES_HZ = [8000, 16_000, 24_000, 44_100, 48_000] as const
export type SampleRateHz = (typeof SAMPLE_RATES_HZ)[number]

export interface AudioFormat {
  readonly encoding: Encoding
  readonly sampleRateHz: SampleRateHz
  /** Two are interleaved. */
  readonly channels: 1 | 2
  /** Which of two channels is heard: the mean of both, the first or the second. Of one channel always that one. */
  readonly channel: "mix" | 0 | 1
}

/** The same bytes give the same samples, however they are sliced: what a slice broke off in waits for the next. */
export interface AudioReader {
  /**
   * What can be said so far, 16 kHz mono, in memory of its own; may be empty. Blocks for 1 to 3 ms a second of sound, so a
   * message of minutes is better read slice by slice.
   */
  read(bytes: Uint8Array): Int16Array
  /** The few ms that were held back; less than a frame is dropped. The reader reads nothing afterwards. */
  end(): Int16Array
  /** Idempotent. The reader reads nothing afterwards. */
  close(): void
}

/** May be awaited before the first client comes: it does once what the first of each rate would wait for. */
export async function prepareAudio(): Promise<void> {
  for (const rateHz of SAMPLE_RATES_HZ) if (rateHz !== SAMPLE_RATE_HZ) prepareLiveResampler(rateHz)
}

export function createAudioReader(format: AudioFormat): AudioReader {
  let ways = waysOf(format)
  const close = () => {
    ways = CLOSED
  }
  return {
    read: (bytes) => ways.read(bytes),
    end() {
      const rest = ways.end()
      close()
      return rest
    },
    close,
  }
}

export function bytesPerSecond({ encoding, sampleRateHz, channels }: AudioFormat): number {
  return CODINGS[encoding].sampleBytes * sampleRateHz * channels
}

type Ways = Pick<AudioReader, "read" | "end">

const NOTHING = () => new Int16Array(0)
const CLOSED: Ways = { read: NOTHING, end: NOTHING }

function waysOf({ encoding, sampleRateHz, channels, channel }: AudioFormat): Ways {
  // As the whole house passes them: nothing to do, and no rounding.
  if (encoding === "pcm_s16le" && sampleRateHz === SAMPLE_RATE_HZ && channels === 1) return { read: createSampleReader(), end: NOTHING }
  const { sampleBytes, decode } = CODINGS[encoding]
  const wholeFrames = createFrameReader(sampleBytes * channels)
  const floats = (bytes: Uint8Array) => {
    const samples = decode(wholeFrames(bytes))
    return channels === 1 ? samples : oneChannel(samples, channel)
  }
  if (sampleRateHz === SAMPLE_RATE_HZ) return { read: (bytes) => samplesFromFloats(floats(bytes)), end: NOTHING }
  const resampler = createLiveResampler(sampleRateHz)
  return {
    read: (bytes) => samplesFromFloats(resampler.push(floats(bytes))),
    end: () => samplesFromFloats(resampler.end()),
  }
}

interface Coding {
  readonly sampleBytes: number
  /** Whole samples to [-1, 1]. */
  decode(bytes: Uint8Array<ArrayBuffer>): Float32Array
}

const CODINGS: Readonly<Record<Encoding, Coding>> = {
  pcm_s16le: { sampleBytes: 2, decode: ({ buffer }) => floatsFromSamples(new Int16Array(buffer)) },
  pcm_f32le: { sampleBytes: 4, decode: ({ buffer }) => tame(new Float32Array(buffer)) },
  mulaw: { sampleBytes: 1, decode: (bytes) => lookUp(bytes, mulawSamples) },
  alaw: { sampleBytes: 1, decode: (bytes) => lookUp(bytes, alawSamples) },
}

function lookUp(bytes: Uint8Array, meaning: Float32Array): Float32Array {
  const samples = new Float32Array(bytes.length)
  for (let i = 0; i < bytes.length; i++) samples[i] = meaning[bytes[i] as number] as number
  return samples
}

/** What is no number, or endless, says nothing; beyond full scale is clipped, since a filter would ring long after it. */
function tame(samples: Float32Array): Float32Array {
  for (let i = 0; i < samples.length; i++) {
    const value = samples[i] as number
    if (value >= -1 && value <= 1) continue
    samples[i] = Number.isFinite(value) ? Math.sign(value) : 0
  }
  return samples
}

function oneChannel(samples: Float32Array, channel: AudioFormat["channel"]): Float32Array {
  const heard = new Float32Array(samples.length / 2)
  const first = channel === 1 ? 1 : 0
  const second = channel === 0 ? 0 : 1
  for (let i = 0; i < heard.length; i++) heard[i] = ((samples[2 * i + first] as number) + (samples[2 * i + second] as number)) / 2
  return heard
}

/** Turns any slicing into whole frames, in memory of their own. */
function createFrameReader(frameBytes: number): (bytes: Uint8Array) => Uint8Array<ArrayBuffer> {
  let carried = new Uint8Array(0)
  return (bytes) => {
    const length = carried.length + bytes.length
    const whole = new Uint8Array(length - (length % frameBytes))
    if (whole.length === 0) {
      carried = Uint8Array.from([...carried, ...bytes])
      return whole
    }
    const taken = whole.length - carried.length
    whole.set(carried)
    whole.set(bytes.subarray(0, taken), carried.length)
    // Not `slice`, which on a Buffer copies nothing.
    carried = Uint8Array.from(bytes.subarray(taken))
    return whole
  }
}
