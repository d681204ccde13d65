/** Sound of any rate and number of channels → 16 kHz mono, in pieces of about two seconds. Knows no file. */
import { createLiveResampler } from "../live-resampler.ts"
import { SAMPLE_RATE_HZ, samplesFromFloats } from "../pcm.ts"
import { createResampler, type Resampler } from "../resample.ts"
import type { Channel } from "./decoder.ts"
import type { Sound } from "./sound.ts"
import { UnreadableRecording } from "./unreadable.ts"

const PIECE_SECONDS = 2

export interface Pieces {
  push(sound: Sound): Promise<void>
  /** What is left. */
  end(): void
  /** Idempotent; also after `end`. */
  close(): void
}

/** `give` gets each piece when it is complete. The rate may change in the middle, as where one file was put behind another. */
export function createPieces(channel: Channel, give: (samples: Int16Array) => void): Pieces {
  let resampler: Resampler | undefined
  let rateHz = 0
  let waiting = new Float32Array(0)
  let count = 0

  function flush() {
    if (resampler === undefined) return
    const floats = [resampler.push(waiting.subarray(0, count)), resampler.end()]
    resampler = undefined
    count = 0
    for (const part of floats) if (part.length > 0) give(samplesFromFloats(part))
  }

  return {
    async push(sound) {
      if (sound.rateHz !== rateHz || resampler === undefined) {
        flush()
        rateHz = checkedRate(sound.rateHz)
        resampler = await resamplerOf(rateHz)
        waiting = new Float32Array(rateHz * PIECE_SECONDS)
      }
      const heard = oneChannel(sound.channels, channel)
      for (let at = 0; at < heard.length; ) {
        const part = heard.subarray(at, at + waiting.length - count)
        waiting.set(part, count)
        count += part.length
        at += part.length
        if (count < waiting.length) continue
        const floats = resampler.push(waiting)
        count = 0
        if (floats.length > 0) give(samplesFromFloats(floats))
      }
    },
    end: flush,
    close() {
      // The library's memory is only given back at its end.
      resampler?.end()
      resampler = undefined
    },
  }
}

/** After so many samples of ours all usual rates are at a whole sample again: 11.025, 22.05 and 44.1 kHz are the last to be. */
const MEETING_SAMPLES = 640

/** Where the rates meet that soon, the filter of live streams does the work in a quarter of the library's time. */
function resamplerOf(rateHz: number): Resampler | Promise<Resampler> {
  const meet = (rateHz * MEETING_SAMPLES) % SAMPLE_RATE_HZ === 0
  return meet && rateHz !== SAMPLE_RATE_HZ ? createLiveResampler(rateHz) : createResampler(rateHz)
}

const RATE_MIN_HZ = 1_000
const RATE_MAX_HZ = 768_000

function checkedRate(rateHz: number): number {
  if (rateHz >= RATE_MIN_HZ && rateHz <= RATE_MAX_HZ) return rateHz
  throw new UnreadableRecording(`a sample rate of ${rateHz} Hz is none we can read`)
}

/** The mean of all channels: a voice on one side stays, though quieter. */
function oneChannel(channels: readonly Float32Array[], channel: Channel): Float32Array {
  const chosen = channels[channel === "mix" ? 0 : channel]
  if (chosen === undefined) throw new UnreadableRecording(`this file has no channel ${channel}: it has ${channels.length}`)
  if (channel !== "mix" || channels.length === 1) return tame(chosen.slice())
  const mixed = new Float32Array(chosen.length)
  for (const one of channels) for (let i = 0; i < mixed.length; i++) mixed[i] = (mixed[i] as number) + (one[i] as number) / channels.length
  return tame(mixed)
}

/** What is no number, or endless, says nothing; far beyond full scale is clipped, since a filter would ring long after it. */
function tame(samples: Float32Array): Float32Array {
  for (let i = 0; i < samples.length; i++) {
    const value = samples[i] as number
    if (value >= -LOUDEST && value <= LOUDEST) continue
    samples[i] = Number.isFinite(value) ? Math.sign(value) * LOUDEST : 0
  }
  return samples
}

/** Codecs that lose something go somewhat over 1 between two samples that were 1. */
const LOUDEST = 2
