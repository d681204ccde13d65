/**
 * The power spectra of real frames of 400 samples, Whisper's window. Plain numbers in typed arrays; knows no audio and no model.
 *
 * 400 is no power of two, so this is a Stockham transform of radices 5, 5, 4 and 4, and it takes two real frames at a
 * time: one as the real part, one as the imaginary part of one complex signal, told apart again by symmetry.
 */

export const FRAME_SAMPLES = 400
/** Bins from 0 Hz to half the sample rate. */
export const SPECTRUM_BINS = FRAME_SAMPLES / 2 + 1

const RADICES = [5, 5, 4, 4] as const

interface Stage {
  readonly radix: 4 | 5
  /** Butterflies of different twiddles. */
  readonly groups: number
  /** Butterflies that share their twiddles; also the distance between the outputs of one butterfly. */
  readonly stride: number
  /** For each group, the `radix - 1` twiddles of its outputs. */
  readonly cos: Float64Array
  readonly sin: Float64Array
}

const STAGES: readonly Stage[] = (() => {
  let length = FRAME_SAMPLES
  let stride = 1
  return RADICES.map((radix) => {
    const groups = length / radix
    const angles = Float64Array.from(
      { length: groups * (radix - 1) },
      (_, i) => (-2 * Math.PI * Math.floor(i / (radix - 1)) * ((i % (radix - 1)) + 1)) / length,
    )
    const stage = { radix, groups, stride, cos: angles.map(Math.cos), sin: angles.map(Math.sin) }
    length = groups
    stride *= radix
    return stage
  })
})()

const COS_1 = Math.cos((2 * Math.PI) / 5)
const COS_2 = Math.cos((4 * Math.PI) / 5)
const SIN_1 = Math.sin((2 * Math.PI) / 5)
const SIN_2 = Math.sin((4 * Math.PI) / 5)

/** Every index below is inside the arrays by construction; `at` says so to the compiler and costs nothing once inlined. */
const at = (values: Float64Array, index: number): number => values[index] as number

interface Signal {
  re: Float64Array
  im: Float64Array
}

const newSignal = (): Signal => ({ re: new Float64Array(FRAME_SAMPLES), im: new Float64Array(FRAME_SAMPLES) })

function runRadix4({ groups, stride, cos, sin }: Stage, from: Signal, to: Signal): void {
  const { re, im } = from
  const step = stride * groups
  for (let group = 0; group < groups; group++) {
    const c1 = at(cos, 3 * group)
    const s1 = at(sin, 3 * group)
    const c2 = at(cos, 3 * group + 1)
    const s2 = at(sin, 3 * group + 1)
    const c3 = at(cos, 3 * group + 2)
    const s3 = at(sin, 3 * group + 2)
    for (let q = 0; q < stride; q++) {
      const i = q + stride * group
      const o = q + stride * 4 * group
      const aRe = at(re, i) + at(re, i + 2 * step)
      const aIm = at(im, i) + at(im, i + 2 * step)
      const bRe = at(re, i) - at(re, i + 2 * step)
      const bIm = at(im, i) - at(im, i + 2 * step)
      const cRe = at(re, i + step) + at(re, i + 3 * step)
      const cIm = at(im, i + step) + at(im, i + 3 * step)
      const dRe = at(im, i + step) - at(im, i + 3 * step)
      const dIm = at(re, i + 3 * step) - at(re, i + step)
      to.re[o] = aRe + cRe
      to.im[o] = aIm + cIm
      put(to, o + stride, bRe + dRe, bIm + dIm, c1, s1)
      put(to, o + 2 * stride, aRe - cRe, aIm - cIm, c2, s2)
      put(to, o + 3 * stride, bRe - dRe, bIm - dIm, c3, s3)
    }
  }
}

function runRadix5({ groups, stride, cos, sin }: Stage, from: Signal, to: Signal): void {
  const { re, im } = from
  const step = stride * groups
  for (let group = 0; group < groups; group++) {
    const t = 4 * group
    for (let q = 0; q < stride; q++) {
      const i = q + stride * group
      const o = q + stride * 5 * group
      const zRe = at(re, i)
      const zIm = at(im, i)
      const sum1Re = at(re, i + step) + at(re, i + 4 * step)
      const sum1Im = at(im, i + step) + at(im, i + 4 * step)
      const gap1Re = at(re, i + step) - at(re, i + 4 * step)
      const gap1Im = at(im, i + step) - at(im, i + 4 * step)
      const sum2Re = at(re, i + 2 * step) + at(re, i + 3 * step)
      const sum2Im = at(im, i + 2 * step) + at(im, i + 3 * step)
      const gap2Re = at(re, i + 2 * step) - at(re, i + 3 * step)
      const gap2Im = at(im, i + 2 * step) - at(im, i + 3 * step)
      const even1Re = zRe + COS_1 * sum1Re + COS_2 * sum2Re
      const even1Im = zIm + COS_1 * sum1Im + COS_2 * sum2Im
      const even2Re = zRe + COS_2 * sum1Re + COS_1 * sum2Re
      const even2Im = zIm + COS_2 * sum1Im + COS_1 * sum2Im
      const odd1Re = SIN_1 * gap1Im + SIN_2 * gap2Im
      const odd1Im = -SIN_1 * gap1Re - SIN_2 * gap2Re
      const odd2Re = SIN_2 * gap1Im - SIN_1 * gap2Im
      const odd2Im = -SIN_2 * gap1Re + SIN_1 * gap2Re
      to.re[o] = zRe + sum1Re + sum2Re
      to.im[o] = zIm + sum1Im + sum2Im
      put(to, o + stride, even1Re + odd1Re, even1Im + odd1Im, at(cos, t), at(sin, t))
      put(to, o + 2 * stride, even2Re + odd2Re, even2Im + odd2Im, at(cos, t + 1), at(sin, t + 1))
      put(to, o + 3 * stride, even2Re - odd2Re, even2Im - odd2Im, at(cos, t + 2), at(sin, t + 2))
      put(to, o + 4 * stride, even1Re - odd1Re, even1Im - odd1Im, at(cos, t + 3), at(sin, t + 3))
    }
  }
}

function put(to: Signal, index: number, re: number, im: number, cos: number, sin: number): void {
  to.re[index] = re * cos - im * sin
  to.im[index] = re * sin + im * cos
}

export interface PairSpectrum {
  /** Write the two windowed frames here, then `run`. */
  readonly first: Float64Array
  readonly second: Float64Array
  /** Squared magnitudes, filled by `run`. */
  readonly firstPower: Float64Array
  readonly secondPower: Float64Array
  run(): void
}

/** Its buffers are reused by every `run`, and `run` overwrites the frames. */
export function createPairSpectrum(): PairSpectrum {
  const frames = newSignal()
  const spare = newSignal()
  const firstPower = new Float64Array(SPECTRUM_BINS)
  const secondPower = new Float64Array(SPECTRUM_BINS)
  return {
    first: frames.re,
    second: frames.im,
    firstPower,
    secondPower,
    run() {
      let from = frames
      let to = spare
      for (const stage of STAGES) {
        if (stage.radix === 4) runRadix4(stage, from, to)
        else runRadix5(stage, from, to)
        ;[from, to] = [to, from]
      }
      for (let k = 0; k < SPECTRUM_BINS; k++) {
        const mirror = (FRAME_SAMPLES - k) % FRAME_SAMPLES
        const sumRe = at(from.re, k) + at(from.re, mirror)
        const gapRe = at(from.re, k) - at(from.re, mirror)
        const sumIm = at(from.im, k) + at(from.im, mirror)
        const gapIm = at(from.im, k) - at(from.im, mirror)
        firstPower[k] = (sumRe * sumRe + gapIm * gapIm) / 4
        secondPower[k] = (sumIm * sumIm + gapRe * gapRe) / 4
      }
    },
  }
}
