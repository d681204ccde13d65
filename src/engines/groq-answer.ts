/** Groq's answer as a transcript: its JSON, believed only as far as it was checked. Pure. */
import { z } from "zod"
import { languageCode } from "../speech/language-names.ts"
import { joinTexts, openAiSilence, type Segment, type Transcript, type Word, withoutSilence } from "../speech/transcript.ts"
import type { Language } from "./engine.ts"
import { UnreadableAnswer } from "./groq-failures.ts"

const number = z.number().nullish()

const Answer = z.object({
  text: z.string(),
  language: z.string().nullish(),
  segments: z
    .array(
      z.object({
        text: z.string(),
        start: number,
        end: number,
        avg_logprob: number,
        no_speech_prob: number,
        compression_ratio: number,
        temperature: number,
        tokens: z.array(z.int()).catch([]),
      }),
    )
    .nullish(),
  /** Of the whole answer: Groq does not put them into their segments. */
  words: z.array(z.object({ word: z.string(), start: z.number(), end: z.number() })).nullish(),
})
export type Answer = z.infer<typeof Answer>

/** The SDK gives a string where the answer had no content type. */
export function readAnswer(body: unknown): Answer {
  const { data } = Answer.safeParse(typeof body === "string" ? JSON.parse(body) : body)
  // Not zod's own error: it quotes what it read.
  if (!data) throw new UnreadableAnswer("not a transcription")
  return data
}

export interface Asked {
  readonly language: Language
  readonly words: boolean
  readonly audioMs: number
  readonly noSpeechThreshold: number
}

export function transcriptOf(answer: Answer, { language, words, audioMs, noSpeechThreshold }: Asked): Transcript {
  const segments: Segment[] = (answer.segments ?? []).map((segment) => ({
    text: segment.text,
    startMs: msFromSeconds(segment.start ?? 0),
    endMs: msFromSeconds(segment.end ?? audioMs / 1000),
    avgLogprob: segment.avg_logprob ?? null,
    noSpeechProb: segment.no_speech_prob ?? null,
    compressionRatio: segment.compression_ratio ?? null,
    temperature: segment.temperature ?? null,
    tokens: segment.tokens,
    words: null,
  }))
  const spoken = withoutSilence(words ? withWords(segments, answer.words) : segments, noSpeechThreshold, openAiSilence)
  const texts = spoken.length < segments.length ? spoken.map((segment) => segment.text) : [answer.text]
  return { text: joinTexts(texts), language: toldLanguage(language) ?? languageCode(answer.language ?? ""), segments: spoken }
}

/** Null if it is to be detected. */
export function toldLanguage(language: Language): string | null {
  return language === "auto" ? null : language
}

/** Each word in the last segment that begins no later; so a silent segment takes its words with it. */
function withWords(segments: readonly Segment[], heard: Answer["words"]): readonly Segment[] {
  if (!heard) return segments
  const wordsOf = new Map<Segment | undefined, Word[]>()
  for (const { word, start, end } of heard) {
    const startMs = msFromSeconds(start)
    const segment = segments.findLast((candidate) => candidate.startMs <= startMs) ?? segments[0]
    const text = word.trim()
    if (text !== "") wordsOf.set(segment, [...(wordsOf.get(segment) ?? []), { text, startMs, endMs: msFromSeconds(end), confidence: null }])
  }
  return segments.map((segment) => ({ ...segment, words: wordsOf.get(segment) ?? [] }))
}

function msFromSeconds(seconds: number): number {
  return Math.round(seconds * 1000)
}
