/** From a decoded text to segments as everybody outside knows them. Pure; knows no model. */
import { msFromSamples } from "../../audio/pcm.ts"
import type { Segment } from "../../speech/transcript.ts"
import type { Attempt } from "./fallback.ts"

export function segmentsOf({ decoded, text, compressionRatio, temperature }: Attempt, samples: number): Segment[] {
  const { tokens, avgLogprob, noSpeechProb } = decoded
  return [{ text, startMs: 0, endMs: msFromSamples(samples), avgLogprob, noSpeechProb, compressionRatio, temperature, tokens, words: null }]
}
