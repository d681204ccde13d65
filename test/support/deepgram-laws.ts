/** The invariants of the vocabulary (src/speech/events.ts), checked event by event as one stream tells them. */
import { expect } from "bun:test"
import type { StreamOptions } from "../../src/engines/engine.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"

export interface Laws {
  check(event: SpeechEvent): void
}

export function createLaws({ endpointing, interims, words }: Pick<StreamOptions, "endpointing" | "interims" | "words">): Laws {
  let utterance = 0
  let segment = 0
  let begun = false
  let stopped = false
  let partial = { text: "", stable: 0, endMs: 0 }
  let lastMs = 0

  function next() {
    utterance++
    segment = 0
    begun = false
    stopped = false
    partial = { text: "", stable: 0, endMs: 0 }
  }

  return {
    check(event) {
      if (event.type === "cleared" && event.utterance === null) return expect([begun, segment]).toEqual([false, 0])
      expect(event.utterance).toBe(utterance)
      if (event.type === "speech_start" || event.type === "speech_end") {
        expect(endpointing).not.toBeNull()
        expect([begun, stopped]).toEqual([event.type === "speech_end", false])
        expect(event.atMs).toBeGreaterThanOrEqual(lastMs)
        begun = true
        stopped = event.type === "speech_end"
      } else if (event.type === "partial") {
        expect([interims, stopped, event.segment]).toEqual([true, false, segment])
        if (endpointing) expect(begun).toBe(true)
        expect(event.text.slice(0, partial.stable)).toBe(partial.text.slice(0, partial.stable))
        expect(event.stable).toBeGreaterThanOrEqual(partial.stable)
        expect(event.text === "" && partial.text === "").toBe(false)
        expect(event.endMs).toBeGreaterThanOrEqual(Math.max(event.startMs, partial.endMs))
        expect(event.startMs).toBeGreaterThanOrEqual(lastMs)
        expect(event.lagMs).toBeGreaterThanOrEqual(0)
        partial = event
      } else if (event.type === "final") {
        expect(event.segment).toBe(segment++)
        expect(event.text.slice(0, partial.stable)).toBe(partial.text.slice(0, partial.stable))
        expect(event.startMs).toBeGreaterThanOrEqual(lastMs)
        expect(event.endMs).toBeGreaterThanOrEqual(event.startMs)
        expect(event.words === null).toBe(!words)
        for (const word of event.words ?? []) {
          expect(word.startMs).toBeGreaterThanOrEqual(event.startMs)
          expect(word.endMs).toBeGreaterThanOrEqual(word.startMs)
          expect(word.endMs).toBeLessThanOrEqual(event.endMs)
        }
        // Whoever spoke was heard to begin and to stop.
        if (endpointing && event.text !== "") expect(begun).toBe(true)
        if (event.end) expect(stopped).toBe(begun)
        else expect(stopped).toBe(false)
        lastMs = event.endMs
        partial = { text: "", stable: 0, endMs: 0 }
        if (event.end) next()
      } else {
        next()
      }
    },
  }
}
