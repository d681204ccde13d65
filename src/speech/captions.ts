/**
 * Words with their times as captions for video players, SubRip (`srt`) or WebVTT (`vtt`). Pure: words in, text out. Knows no wire
 * and no file.
 */

export const CAPTION_FORMATS = ["srt", "vtt"] as const
export type CaptionFormat = (typeof CAPTION_FORMATS)[number]

/** What stands on the screen for a while. */
export interface Spoken {
  readonly text: string
  readonly startMs: number
  readonly endMs: number
}

/** Writes one file of captions, cue by cue. */
export interface CaptionWriter {
  /** What stands before all cues; may be "". */
  readonly head: string
  /** The next cue, with the blank line behind it; "" if there are no words. */
  cue(spoken: Spoken): string
}

export function createCaptionWriter(format: CaptionFormat): CaptionWriter {
  let count = 0
  const point = format === "srt" ? "," : "."
  return {
    head: format === "srt" ? "" : "WEBVTT\n\n",
    cue({ text, startMs, endMs }) {
      // An arrow would end the text of a cue.
      const line = text
        .replace(/\s+/g, " ")
        .trim()
        .replace(/-{2,}>/g, "->")
      if (line === "") return ""
      count++
      const times = `${clockTime(startMs, point)} --> ${clockTime(endMs, point)}`
      return format === "srt" ? `${count}\n${times}\n${line}\n\n` : `${times}\n${escaped(line)}\n\n`
    },
  }
}

/** A whole file of captions. */
export function captionsOf(format: CaptionFormat, spoken: readonly Spoken[]): string {
  const { head, cue } = createCaptionWriter(format)
  return head + spoken.map(cue).join("")
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
