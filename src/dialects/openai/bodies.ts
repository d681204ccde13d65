/**
 * Whole answers in the five formats of OpenAI. Pure: what was heard in, a response out. Seconds on this wire, ms inside.
 */
import type { z } from "zod"
import { captionsOf } from "../../speech/captions.ts"
import { languageName } from "../../speech/language-names.ts"
import type { Heard, Segment } from "../../speech/transcript.ts"
import type { Transcript, TranscriptSegment, TranscriptWord, VerboseTranscript } from "./messages.ts"
import type { Format, Task, Wishes } from "./request.ts"

export function bodyOf(heard: Heard, task: Task, { format, words, segments, language }: Wishes): Response {
  const { text } = heard
  const usage = { type: "duration", seconds: Math.ceil(heard.durationMs / 1000) } as const
  const bodies: Record<Format, () => Response> = {
    json: () => Response.json({ text, usage } satisfies z.output<typeof Transcript>),
    verbose_json: () =>
      Response.json({
        task,
        language: task === "translate" ? "english" : languageName(heard.language ?? (language === "auto" ? "en" : language)),
        duration: seconds(heard.durationMs),
        text,
        ...(segments && { segments: heard.segments.map(segmentBody) }),
        ...(words && { words: heard.segments.flatMap(wordBodies) }),
        usage,
      } satisfies z.output<typeof VerboseTranscript>),
    text: () => plain(`${text}\n`),
    srt: () => plain(captionsOf("srt", heard.segments)),
    vtt: () => plain(captionsOf("vtt", heard.segments)),
  }
  return bodies[format]()
}

/** Typed clients fail where a number is missing: one that the engine does not tell is 0. */
function segmentBody(segment: Segment, id: number): z.output<typeof TranscriptSegment> {
  return {
    id,
    // In frames of Whisper's spectrogram.
    seek: Math.floor(segment.startMs / 10),
    start: seconds(segment.startMs),
    end: seconds(segment.endMs),
    text: ` ${segment.text.trim()}`,
    tokens: [...segment.tokens],
    temperature: segment.temperature ?? 0,
    avg_logprob: segment.avgLogprob ?? 0,
    compression_ratio: segment.compressionRatio ?? 0,
    no_speech_prob: segment.noSpeechProb ?? 0,
  }
}

function wordBodies({ words }: Segment): z.output<typeof TranscriptWord>[] {
  return (words ?? []).map(({ text, startMs, endMs }) => ({ word: text, start: seconds(startMs), end: seconds(endMs) }))
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000
}

function plain(text: string): Response {
  return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } })
}
