/** The answer to a whole recording (`verbose_json`) as utterances, one a segment. Pure; knows no request. */
import type { Talk, Utterance, Word } from "./talk.ts"
import { NEW_TALK } from "./talk.ts"

export interface VerboseAnswer {
  readonly language: string
  readonly duration: number
  readonly segments: readonly { readonly text: string; readonly start: number; readonly end: number }[]
  readonly words?: readonly { readonly word: string; readonly start: number; readonly end: number }[]
}

export function talkOfRecording({ language, segments, words = [] }: VerboseAnswer, model: string | null): Talk {
  const last = segments.length - 1
  const utterances = segments.map(({ text, start, end }, index): Utterance => {
    const span = { startMs: start * 1000, endMs: end * 1000 }
    // Each word belongs to one segment: that in which it begins, and none is left over at the ends.
    const from = index === 0 ? Number.NEGATIVE_INFINITY : start
    const to = index === last ? Number.POSITIVE_INFINITY : (segments[index + 1]?.start ?? end)
    const mine = words.filter((word) => word.start >= from && word.start < to).map(wordOf)
    const segment = { text: text.trim(), settled: true, stable: text.trim().length, words: mine, ...span }
    return { id: `recording-${index}`, status: "done", ...span, segments: [segment], language, latencyMs: null, failure: null }
  })
  return { ...NEW_TALK, utterances, model }
}

function wordOf({ word, start, end }: { readonly word: string; readonly start: number; readonly end: number }): Word {
  return { text: word, startMs: start * 1000, endMs: end * 1000, confidence: null }
}
