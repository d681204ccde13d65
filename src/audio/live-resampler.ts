/**
 * A live stream of one of a few sample rates → 16 kHz, at once and cheaply: a windowed-sinc filter in polyphase form. Knows no
 * container and no encoding.
 *
 * Our own, beside the library that reads files: there a stream costs 4 MB and 3 ms to begin, has to be waited for, and takes
 * 3 to 6 ms a second of sound. Here it keeps some ms of sound, shares its filter with all others, and takes 1 ms.
 */
import { SAMPLE_RATE_HZ } from "./pcm.ts"
import type { Resampler } from "./resample.ts"

/** How far the filter hears to either side, in samples of the slower of the two rates: the longer, the steeper. */
const REACH_SAMPLES = 32

/** Kaiser's shape for 80 dB: what lies beyond half the slower rate is 10 000 times quieter. */
const KAISER_BETA = 7.86

/** Where the filter has fallen to a half, by half the slower rate. From 0.85 on it falls; at 1 it is down. */
const CUTOFF = 0.92

/** All that two rates need to meet. Every `phases.length` output samples the input is again at a whole sample. */
interface Filter {
  /** The weights of the input samples around each place between two of them where an output sample may lie. */
  readonly phases: readonly Float64Array[]
  /** So many input samples last as long as `phases.length` output samples. */
  readonly inputStep: number
  /** Weights that stand before the input sample at or just before the output sample. */
  readonly before: number
}

const filters = new Map<number, Filter>()

/** Makes the filter of a rate, which takes up to 10 ms, before anybody waits for it. */
export function prepareLiveResampler(rateHz: number): void {
  filterOf(rateHz)
}

/** From `rateHz`, a whole number, to 16 kHz. The output is as long as the input, to the sample, and the same for any chunks. */
export function createLiveResampler(rateHz: number): Resampler {
  const { phases, inputStep, before } = filterOf(rateHz)
  const taps = (phases[0] as Float64Array).length
  /** Samples that the next output sample needs, and those behind them; silence stands before the stream. */
  let waiting = new Float64Array(before)
  let phase = 0
  let taken = 0
  let given = 0

  function push(samples: Float32Array): Float32Array {
    const heard = new Float64Array(waiting.length + samples.length)
    heard.set(waiting)
    heard.set(samples, waiting.length)
    const output = new Float32Array(Math.max(0, Math.ceil(((heard.length - taps + 1) * phases.length) / inputStep)))
    let count = 0
    let start = 0
    for (;;) {
      const at = start + Math.floor((phase * inputStep) / phases.length)
      if (at + taps > heard.length) break
      output[count++] = weigh(heard, at, phases[phase] as Float64Array)
      if (++phase < phases.length) continue
      phase = 0
      start += inputStep
    }
    waiting = heard.slice(start)
    taken += samples.length
    given += count
    return output.subarray(0, count)
  }

  return {
    push,
    end() {
      const owed = Math.round((taken * SAMPLE_RATE_HZ) / rateHz) - given
      return push(new Float32Array(taps)).subarray(0, Math.max(0, owed))
    },
  }
}

/** Four sums at a time, since each addition would wait for the one before. */
function weigh(samples: Float64Array, at: number, weights: Float64Array): number {
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  for (let i = 0; i < weights.length; i += 4) {
    a += (samples[at + i] as number) * (weights[i] as number)
    b += (samples[at + i + 1] as number) * (weights[i + 1] as number)
    c += (samples[at + i + 2] as number) * (weights[i + 2] as number)
    d += (samples[at + i + 3] as number) * (weights[i + 3] as number)
  }
  return a + b + (c + d)
}

function filterOf(rateHz: number): Filter {
  const known = filters.get(rateHz)
  if (known) return known
  const made = makeFilter(rateHz)
  filters.set(rateHz, made)
  return made
}

function makeFilter(rateHz: number): Filter {
  const common = greatestCommonDivisor(rateHz, SAMPLE_RATE_HZ)
  const phaseCount = SAMPLE_RATE_HZ / common
  const inputStep = rateHz / common
  /** Input samples by samples of the slower rate. */
  const stretch = Math.max(1, rateHz / SAMPLE_RATE_HZ)
  const reach = REACH_SAMPLES * stretch
  const before = Math.ceil(reach)
  const taps = Math.ceil((2 * before) / 4) * 4
  const phases = Array.from({ length: phaseCount }, (_, phase) => {
    const between = ((phase * inputStep) % phaseCount) / phaseCount
    const weights = Float64Array.from({ length: taps }, (_, tap) => {
      const distance = tap - (before - 1) - between
      return sinc((CUTOFF * distance) / stretch) * kaiser(distance / reach)
    })
    const sum = weights.reduce((total, weight) => total + weight, 0)
    return weights.map((weight) => weight / sum)
  })
  return { phases, inputStep, before: before - 1 }
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
}

/** The window at `x` of [-1, 1]; nothing outside. Its height does not matter here. */
function kaiser(x: number): number {
  return Math.abs(x) > 1 ? 0 : besselI0(KAISER_BETA * Math.sqrt(1 - x * x))
}

/** The modified Bessel function of order zero, by its power series. */
function besselI0(x: number): number {
  let sum = 1
  let term = 1
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
