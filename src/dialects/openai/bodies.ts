/**
 * Whole answers in the five formats of OpenAI. Pure: what was heard in, a response out. Seconds on this wire, ms inside.
 */
import type { z } from "zod"
import { languageName } from "../../speech/language-names.ts"
import type { Segment } from "../../speech/transcript.ts"
import type { Transcript, TranscriptSegment, TranscriptWord, VerboseTranscript } from "./messages.ts"
import type { Format, Task, Wishes } from "./request.ts"

/** All of a recording. */
export interface Heard {
  readonly text: string
  readonly segments: readonly Segment[]
  /** Null if nobody spoke, or if the engine does not say. */
  readonly language: string | null
  readonly durationMs: number
}

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
    srt: () => plain(cues(heard.segments, ",", (number, times, line) => `${number}\n${times}\n${line}\n\n`)),
    vtt: () => plain(`WEBVTT\n\n${cues(heard.segments, ".", (_, times, line) => `${times}\n${escaped(line)}\n\n`)}`),
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

function cues(segments: readonly Segment[], point: string, write: (number: number, times: string, line: string) => string): string {
  return segments
    .map(({ text, startMs, endMs }) => ({ line: text.replace(/\s+/g, " ").trim(), startMs, endMs }))
    .filter(({ line }) => line !== "")
    .map(({ line, startMs, endMs }, index) => {
      const times = `${clockTime(startMs, point)} --> ${clockTime(endMs, point)}`
      // An arrow would end the text of a cue.
      return write(index + 1, times, line.replace(/-{2,}>/g, "->"))
    })
    .join("")
}

/** WebVTT has markup: what looks like it would not be shown. */
function escaped(line: string): string {
  return line.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
}

/** HH:MM:SS and ms. */
function clockTime(ms: number, point: string): string {
  const whole = Math.round(ms)
  const two = (count: number) => String(Math.floor(count)).padStart(2, "0")
  const fraction = String(whole % 1000).padStart(3, "0")
  return `${two(whole / 3_600_000)}:${two((whole / 60_000) % 60)}:${two((whole / 1000) % 60)}${point}${fraction}`
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000
}

function plain(text: string): Response {
  return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } })
}
