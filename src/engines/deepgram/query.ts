/** What a live socket is asked for in its address. Pure. */
import type { DeepgramClient } from "@deepgram/sdk"
import { SAMPLE_RATE_HZ } from "../../audio/pcm.ts"
import type { Asked } from "./wanted.ts"

export type Query = Parameters<DeepgramClient["listen"]["v1"]["connect"]>[0]

export const MODEL = "nova-2"

/** Between words: a gap after which Deepgram says UtteranceEnd, also where noise hides the silence. It allows no less and no more. */
export const UTTERANCE_END_MIN_MS = 1_000
export const UTTERANCE_END_MAX_MS = 5_000

/** Deepgram takes so many. */
const KEYWORDS_MAX = 100

export function queryOf({ language, prompt, silenceMs }: Asked): Query {
  return {
    model: MODEL,
    // Live streams know no detection; `multi` is the nearest thing, and of nova-2 it covers English and Spanish only.
    language: language === "auto" ? "multi" : language,
    encoding: "linear16",
    sample_rate: SAMPLE_RATE_HZ,
    channels: 1,
    punctuate: "true",
    smart_format: "true",
    // Also where nobody wants interim words: UtteranceEnd needs them, and a Deepgram that says nothing for long is left.
    interim_results: "true",
    ...(silenceMs === null ? { endpointing: "false" } : endpointing(silenceMs)),
    ...keywords(prompt),
    queryParams: { no_delay: "true" },
  }
}

function endpointing(silenceMs: number) {
  return {
    endpointing: silenceMs,
    utterance_end_ms: Math.min(Math.max(silenceMs, UTTERANCE_END_MIN_MS), UTTERANCE_END_MAX_MS),
    // Tells when somebody begins to speak; by Deepgram's own examples UtteranceEnd needs it too.
    vad_events: "true",
  }
}

/**
 * This model takes no prompt, only single words that it may not know, and says that common ones gain nothing by it: of a
 * prompt those are taken that look like names, with a capital letter or a digit in them.
 */
function keywords(prompt = ""): { keywords?: string[] } {
  const words = prompt.match(/[\p{L}\p{N}][\p{L}\p{N}'-]+/gu) ?? []
  const names = [...new Set(words)].filter((word) => /[\p{Lu}\p{N}]/u.test(word) && /\p{L}/u.test(word)).slice(0, KEYWORDS_MAX)
  return names.length === 0 ? {} : { keywords: names }
}
