/**
 * How long one client waits for words: for the first interim ones of an utterance, and for its final. Knows no wire and no words.
 */
import type { Clock } from "../clock.ts"
import { firstInterimSeconds, replySeconds } from "../metrics.ts"
import type { SpeechEvent } from "../speech/events.ts"

export interface ReplyTimes {
  /**
   * In the order of the stream. `committedAtMs`: when the commit came that the event answers; null if it answers none. Returns how long
   * the client waited for this final, in seconds; undefined if it is none, or waited for nothing.
   */
  note(event: SpeechEvent, committedAtMs: number | null): number | undefined
}

/** `mode`: as the sessions of this door are counted. */
export function createReplyTimes(labels: { readonly engine: string; readonly mode: string }, clock: Clock): ReplyTimes {
  /** Of utterances without words so far; seldom more than two. */
  const begunAtMs = new Map<number, number>()
  const endedAtMs = new Map<number, number>()

  function forget(utterance: number) {
    begunAtMs.delete(utterance)
    endedAtMs.delete(utterance)
  }

  return {
    note(event, committedAtMs) {
      const nowMs = clock.now()
      if (event.type === "speech_start") begunAtMs.set(event.utterance, nowMs)
      else if (event.type === "speech_end") endedAtMs.set(event.utterance, nowMs)
      else if (event.type === "partial") {
        const sinceMs = begunAtMs.get(event.utterance)
        if (sinceMs === undefined || event.text === "") return undefined
        begunAtMs.delete(event.utterance)
        firstInterimSeconds.observe(labels, (nowMs - sinceMs) / 1000)
      } else if (event.type === "final" && event.end) {
        const sinceMs = committedAtMs ?? endedAtMs.get(event.utterance)
        forget(event.utterance)
        // An utterance without audio asked nothing of the engine and would only flatter it.
        if (sinceMs === undefined || event.endMs <= event.startMs) return undefined
        const waitedSeconds = (nowMs - sinceMs) / 1000
        replySeconds.observe(labels, waitedSeconds)
        return waitedSeconds
      } else if (event.type !== "final" && event.utterance !== null) {
        forget(event.utterance)
      }
      return undefined
    },
  }
}
