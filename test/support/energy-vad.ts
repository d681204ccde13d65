/**
 * A voice activity detector that hears energy: silent windows are 0, loud ones 1, between them it rises with the level. It
 * keeps every law of the port, so tests can write speech as numbers and know what is heard.
 */
import { type VadStream, type VoiceActivityDetector, WINDOW_SAMPLES } from "../../src/speech/vad/vad.ts"

/** Mean level at which speech is certain. */
const LOUD = 1000

export interface EnergyVad extends VoiceActivityDetector {
  readonly openNow: number
  /** Streams ever opened. */
  readonly opened: number
  /** Holds its answers back until `release`. */
  hold(): void
  release(): void
  /** Every open stream loses its ears. */
  fail(error: unknown): void
}

/** The probability of one window. */
export function probabilityOf(window: Int16Array): number {
  return Math.min(1, window.reduce((sum, sample) => sum + Math.abs(sample), 0) / window.length / LOUD)
}

/** `groups`: how many windows the next answer holds; without it, all there are. */
export function energyVad(groups: () => number = () => Number.POSITIVE_INFINITY): EnergyVad {
  const streams = new Set<{ answer(): void; fail(error: unknown): void }>()
  let opened = 0
  let held = false

  function open(hear: (probabilities: readonly number[]) => void, fail: (error: unknown) => void): VadStream {
    opened++
    const window = new Int16Array(WINDOW_SAMPLES)
    let filled = 0
    const judged: number[] = []

    const stream = {
      answer() {
        while (judged.length > 0 && !held && streams.has(stream)) hear(judged.splice(0, Math.max(1, groups())))
      },
      fail(error: unknown) {
        if (streams.delete(stream)) fail(error)
      },
    }
    streams.add(stream)
    return {
      accept(samples) {
        for (let at = 0; at < samples.length; ) {
          const part = samples.subarray(at, at + WINDOW_SAMPLES - filled)
          window.set(part, filled)
          filled += part.length
          at += part.length
          if (filled < WINDOW_SAMPLES) continue
          judged.push(probabilityOf(window))
          filled = 0
        }
        queueMicrotask(stream.answer)
      },
      close: () => void streams.delete(stream),
    }
  }

  return {
    open,
    ready: async () => {},
    close: async () => streams.clear(),
    get openNow() {
      return streams.size
    },
    get opened() {
      return opened
    },
    hold() {
      held = true
    },
    release() {
      held = false
      for (const stream of [...streams]) stream.answer()
    },
    fail(error) {
      for (const stream of [...streams]) stream.fail(error)
    },
  }
}

/** For streams without endpointing, which must not touch it. */
export const untouchedVad: VoiceActivityDetector = {
  open() {
    throw new Error("the detector was touched")
  },
  ready: async () => {},
  close: async () => {},
}
