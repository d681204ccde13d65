/**
 * Takes away what Whisper wrote where nobody spoke: asks for a second opinion where its own numbers leave a doubt, and only there.
 * Each segment is judged by itself: silence before speech must not take the speech with it.
 */
import { samplesFromMs } from "../../audio/pcm.ts"
import type { Segment } from "../../speech/transcript.ts"
import type { Listen } from "./second-opinion.ts"
import { isDoubtful, isSilence, voiceIn } from "./silence.ts"

/** The times of a segment may be off by this much. */
const MARGIN_SAMPLES = samplesFromMs(300)

export interface Firewall {
  /** Those in which somebody spoke. Times count from the start of `samples`. */
  withoutSilence(segments: readonly Segment[], samples: Int16Array, signal: AbortSignal): Promise<Segment[]>
}

export interface FirewallOptions {
  /** As NO_SPEECH_THRESHOLD. */
  readonly noSpeechThreshold: number
  /** Null: there is nobody else to ask. */
  readonly listen: Listen | null
}

export function createFirewall({ noSpeechThreshold, listen }: FirewallOptions): Firewall {
  async function isSilent(segment: Segment, samples: Int16Array, signal: AbortSignal): Promise<boolean> {
    if (!isDoubtful(segment, noSpeechThreshold)) return false
    const from = Math.max(0, samplesFromMs(segment.startMs) - MARGIN_SAMPLES)
    const stretch = samples.subarray(from, samplesFromMs(segment.endMs) + MARGIN_SAMPLES)
    const probabilities = (await listen?.(stretch, signal)) ?? null
    return isSilence(segment, probabilities && voiceIn(probabilities), noSpeechThreshold)
  }

  return {
    async withoutSilence(segments, samples, signal) {
      const silent = await Promise.all(segments.map((segment) => isSilent(segment, samples, signal)))
      return segments.filter((_, index) => !silent[index])
    },
  }
}
