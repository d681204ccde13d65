/** Makes stretches of the tape sound, one at a time. Knows no document. */
import { RATE_HZ, samplesIn } from "../flow/resampling.ts"

export interface Player {
  /** What sounded before stops. `moved` tells each frame at which of its samples it is, and null at its end. */
  play(samples: Int16Array, moved: (at: number | null) => void): void
  /** Idempotent. */
  stop(): void
}

export function createPlayer(): Player {
  let context: AudioContext | undefined
  let stopLast = () => {}

  return {
    play(samples, moved) {
      stopLast()
      context ??= new AudioContext()
      void context.resume()
      const buffer = context.createBuffer(1, samples.length, RATE_HZ)
      buffer.copyToChannel(
        Float32Array.from(samples, (value) => value / 32_768),
        0,
      )
      const voice = context.createBufferSource()
      voice.buffer = buffer
      voice.connect(context.destination)
      voice.start()
      const beganAtMs = performance.now()
      let over = false

      function follow() {
        if (over) return
        const at = samplesIn(performance.now() - beganAtMs)
        if (at >= samples.length) return stopLast()
        moved(at)
        requestAnimationFrame(follow)
      }
      stopLast = () => {
        if (over) return
        over = true
        voice.stop()
        moved(null)
      }
      follow()
    },
    stop: () => stopLast(),
  }
}
