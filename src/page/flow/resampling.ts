/**
 * Sound of any rate as 16 kHz PCM, piece by piece: a windowed sinc, cut off below half of the lower rate, so that what 16 kHz
 * cannot hold does not come back as noise. Any slicing of the same sound gives the same samples. Pure; knows no browser.
 */

export const RATE_HZ = 16_000

/** Zero crossings on each side: the steepness of the cut. At 48 kHz this makes 107 taps. */
const CROSSINGS = 16

/** Of half the lower rate: the rest is the slope of the filter. */
const PASSBAND = 0.92

export interface Resampler {
  /** The samples that are sure so far; the filter holds back the last millisecond. */
  push(sound: Float32Array): Int16Array<ArrayBuffer>
}

/** `fromHz`: of the sound that comes in. */
export function createResampler(fromHz: number): Resampler {
  const step = fromHz / RATE_HZ
  const cutoff = PASSBAND * Math.min(1, 1 / step)
  const reach = Math.ceil(CROSSINGS / cutoff)
  /** The sound from index `heldFrom` on; before the beginning was silence. */
  let held: Float32Array = new Float32Array(reach)
  let heldFrom = -reach
  let next = 0

  /** By where between two samples of the sound a sample of ours lies: at 48 kHz that is one place, at 44.1 kHz 160. */
  const kernels = new Map<number, Float32Array>()

  function kernelFor(part: number): Float32Array {
    const known = kernels.get(part)
    if (known) return known
    const taps = Float32Array.from({ length: 2 * reach + 1 }, (_, at) => kernel(at - reach - part / RATE_HZ, cutoff, reach))
    kernels.set(part, taps)
    return taps
  }

  function sampleAt(index: number): number {
    const units = index * fromHz
    const first = Math.floor(units / RATE_HZ) - reach - heldFrom
    return kernelFor(units % RATE_HZ).reduce((sum, tap, at) => sum + tap * (held[first + at] ?? 0), 0)
  }

  return {
    push(sound) {
      const joined = new Float32Array(held.length + sound.length)
      joined.set(held)
      joined.set(sound, held.length)
      held = joined
      const end = heldFrom + held.length - 1 - reach
      const out = new Int16Array(Math.max(0, Math.floor(end / step) - next + 1))
      for (let at = 0; at < out.length; at++, next++) out[at] = toPcm(sampleAt(next))
      const drop = Math.max(0, Math.min(held.length, Math.ceil(next * step) - reach - 1 - heldFrom))
      held = held.slice(drop)
      heldFrom += drop
      return out
    },
  }
}

/** A sinc under a Blackman window. */
function kernel(distance: number, cutoff: number, reach: number): number {
  const place = distance / reach
  if (Math.abs(place) >= 1) return 0
  const window = 0.42 + 0.5 * Math.cos(Math.PI * place) + 0.08 * Math.cos(2 * Math.PI * place)
  const angle = Math.PI * distance * cutoff
  return cutoff * window * (angle === 0 ? 1 : Math.sin(angle) / angle)
}

export function toPcm(value: number): number {
  return Math.max(-32_768, Math.min(32_767, Math.round(value * 32_768)))
}

/** Samples of RATE_HZ. */
export function samplesIn(ms: number): number {
  return Math.round((ms * RATE_HZ) / 1000)
}

export function msOf(samples: number): number {
  return (samples * 1000) / RATE_HZ
}
