/** A talk as a file to keep: text, subtitles of either kind, or everything as JSON. Only settled words are kept. Pure. */
import { captionsOf, type Spoken } from "../../speech/captions.ts"
import { type Talk, textOf, type Utterance } from "./talk.ts"

export const SAVE_FORMATS = ["txt", "srt", "vtt", "json"] as const

export type SaveFormat = (typeof SAVE_FORMATS)[number]

export const SAVE_TYPES: Readonly<Record<SaveFormat, string>> = {
  txt: "text/plain",
  srt: "application/x-subrip",
  vtt: "text/vtt",
  json: "application/json",
}

/** A subtitle that stands longer than a reader needs; longer utterances become several. */
const CUE_CHARACTERS_MAX = 84

export function saved({ utterances, model }: Pick<Talk, "utterances" | "model">, format: SaveFormat): string {
  const done = utterances.filter(({ status }) => status === "done")
  switch (format) {
    case "txt":
      return done.map((utterance) => `${textOf(utterance)}\n`).join("")
    case "srt":
    case "vtt":
      return captionsOf(format, cuesOf(done))
    case "json":
      return `${JSON.stringify({ model, utterances: done.map(plain) }, null, 2)}\n`
  }
}

/** `1:02:03.4`, without hours where there are none. */
export function shortTime(ms: number): string {
  const tenths = Math.floor(ms / 100)
  const seconds = Math.floor(tenths / 10)
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  const end = `${two(seconds % 60)}.${tenths % 10}`
  return hours === 0 ? `${minutes}:${end}` : `${hours}:${two(minutes)}:${end}`
}

function plain(utterance: Utterance) {
  const { startMs, endMs, language, latencyMs, segments } = utterance
  const words = segments.flatMap((segment) => segment.words)
  return {
    text: textOf(utterance),
    start_ms: startMs,
    end_ms: endMs,
    language,
    latency_ms: latencyMs === null ? null : Math.round(latencyMs),
    words: words.map(plainWord),
  }
}

function plainWord({ text, startMs, endMs, confidence }: { text: string; startMs: number; endMs: number; confidence: number | null }) {
  return { text, start_ms: startMs, end_ms: endMs, confidence }
}

function cuesOf(utterances: readonly Utterance[]): Spoken[] {
  return utterances.flatMap(({ segments }) =>
    segments.flatMap((segment) => (segment.words.length === 0 ? [segment] : split(segment.words))),
  )
}

/** At words, where a cue would grow too long to be read. */
function split(words: readonly Spoken[]): Spoken[] {
  const cues: Spoken[] = []
  for (const word of words) {
    const last = cues.at(-1)
    const fits = last && last.text.length + 1 + word.text.length <= CUE_CHARACTERS_MAX
    if (last && fits) cues[cues.length - 1] = { text: `${last.text} ${word.text}`, startMs: last.startMs, endMs: word.endMs }
    else cues.push({ text: word.text, startMs: word.startMs, endMs: word.endMs })
  }
  return cues
}

function two(count: number): string {
  return String(count).padStart(2, "0")
}
