/**
 * Runs in the thread of the sound, in the browser: takes what comes in, mixes it to one channel, makes 16 kHz PCM of it and
 * posts it in pieces of 40 ms. Knows no page and no socket.
 */
import { createResampler, RATE_HZ } from "../flow/resampling.ts"

// The DOM library of TypeScript leaves this thread out.
declare const sampleRate: number
declare function registerProcessor(name: string, processor: typeof AudioWorkletProcessor): void
declare class AudioWorkletProcessor {
  readonly port: MessagePort
  process(inputs: readonly (readonly Float32Array[])[]): boolean
}

const PIECE_SAMPLES = RATE_HZ / 25

class Microphone extends AudioWorkletProcessor {
  readonly #resampler = createResampler(sampleRate)
  #piece = new Int16Array(PIECE_SAMPLES)
  #filled = 0

  override process([channels = []]: readonly (readonly Float32Array[])[]): boolean {
    const [first] = channels
    if (!first) return true
    const mixed = first.map((_, at) => channels.reduce((sum, channel) => sum + (channel[at] ?? 0), 0) / channels.length)
    for (const sample of this.#resampler.push(mixed)) {
      this.#piece[this.#filled++] = sample
      if (this.#filled < PIECE_SAMPLES) continue
      this.port.postMessage(this.#piece, [this.#piece.buffer])
      this.#piece = new Int16Array(PIECE_SAMPLES)
      this.#filled = 0
    }
    return true
  }
}

registerProcessor("microphone", Microphone)
