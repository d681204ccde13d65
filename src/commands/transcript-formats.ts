/** A transcript as a file: plain words, captions, or everything as JSON. Pure. Knows no disk. */
import { CAPTION_FORMATS, type CaptionFormat, captionsOf } from "../speech/captions.ts"
import type { Heard } from "../speech/transcript.ts"

export const FORMATS = ["txt", ...CAPTION_FORMATS, "json"] as const
export type Format = (typeof FORMATS)[number]

export function isCaptions(format: Format): format is CaptionFormat {
  return CAPTION_FORMATS.some((known) => known === format)
}

/** The contents of the file, the last line end included; text and JSON are one line. `name` is the recording's. */
export function written(format: Format, { text, language, segments, durationMs }: Heard, name: string): string {
  if (isCaptions(format)) return captionsOf(format, segments)
  if (format === "txt") return `${text}\n`
  const trimmed = segments.map((segment) => ({ ...segment, text: segment.text.trim() }))
  return `${JSON.stringify({ file: name, durationSeconds: durationMs / 1000, language, text, segments: trimmed })}\n`
}
