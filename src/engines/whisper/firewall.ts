/**
 * Takes away what Whisper wrote where nobody spoke: asks for a second opinion where its own numbers leave a doubt, and only there.
 * Knows no process and no threshold but the customer's.
 */
import { joinTexts, type Segment } from "../../speech/transcript.ts"
import type { Listen } from "./second-opinion.ts"
import { isDoubtful, isSilence, voiceIn } from "./silence.ts"

export interface Firewall {
  /**
   * The segments of one piece, or none of them if nobody spoke in it. They have its numbers in common, so they stay or go together:
   * whether words were asked for, which makes them more, changes nothing.
   */
  withoutSilence(segments: readonly Segment[], samples: Int16Array, signal: AbortSignal): Promise<readonly Segment[]>
}

export interface FirewallOptions {
  /** As NO_SPEECH_THRESHOLD. */
  readonly noSpeechThreshold: number
  /** Null: there is nobody else to ask. */
  readonly listen: Listen | null
}

export function createFirewall({ noSpeechThreshold, listen }: FirewallOptions): Firewall {
  return {
    async withoutSilence(segments, samples, signal) {
      const [first] = segments
      if (first === undefined || !isDoubtful(first, noSpeechThreshold)) return segments
      const probabilities = (await listen?.(samples, signal)) ?? null
      const whole = { ...first, text: joinTexts(segments.map(({ text }) => text)) }
      return isSilence(whole, probabilities && voiceIn(probabilities), noSpeechThreshold) ? [] : segments
    },
  }
}
