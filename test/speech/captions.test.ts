import { describe, expect, test } from "bun:test"
import { captionsOf, createCaptionWriter } from "../../src/speech/captions.ts"

const hour = 3_600_000
const spoken = [
  { text: " Go  forward. ", startMs: 0, endMs: 1234.6 },
  { text: " ", startMs: 1300, endMs: 1400 },
  { text: "a --> b <i> & c", startMs: hour + 61_001, endMs: 100 * hour },
]

describe("captions", () => {
  test("as srt are numbered without a gap, with commas in their times", () => {
    expect(captionsOf("srt", spoken)).toBe(
      "1\n00:00:00,000 --> 00:00:01,235\nGo forward.\n\n2\n01:01:01,001 --> 100:00:00,000\na -> b <i> & c\n\n",
    )
  })

  test("as vtt have a headline, points, and no markup", () => {
    expect(captionsOf("vtt", spoken)).toBe(
      "WEBVTT\n\n00:00:00.000 --> 00:00:01.235\nGo forward.\n\n01:01:01.001 --> 100:00:00.000\na -> b &lt;i> &amp; c\n\n",
    )
  })

  test("of nothing are an empty file of their kind", () => {
    expect([captionsOf("srt", []), captionsOf("vtt", [])]).toEqual(["", "WEBVTT\n\n"])
  })

  test("come one by one as they come together", () => {
    const { head, cue } = createCaptionWriter("srt")
    expect(head + spoken.map((one) => cue(one)).join("")).toBe(captionsOf("srt", spoken))
  })
})
