/**
 * What one client asked for and what it was answered: how much is owed to it, since when, and what all came to. Knows no audio and no word.
 */
import type { Clock } from "../clock.ts"
import type { SpeechEvent } from "../speech/events.ts"

export interface Dues {
  /** The client ended an utterance now. */
  commit(): void
  /** It wants the open one forgotten. */
  clear(): void
  /** To be told of each event, in order. When the commit came that it answers, or that is answered next; undefined if none is owed. */
  settle(event: SpeechEvent): number | undefined
  /** Commits and clears without an answer. */
  readonly answersOwed: number
  /** Commits alone. */
  readonly unanswered: number
  /** Utterances that ended, the failed ones among them. The log and the metrics of each are the engine's. */
  readonly utterances: number
  readonly failed: number
}

export function createDues(clock: Clock): Dues {
  /** When the message of each commit came whose terminator is still owed; oldest first. */
  const committedAtMs: number[] = []
  let clearsOwed = 0
  let utterances = 0
  let failed = 0

  return {
    commit: () => void committedAtMs.push(clock.now()),
    clear() {
      clearsOwed++
    },
    settle(event) {
      if (event.type === "cleared") clearsOwed--
      if (event.type !== "failed" && event.type !== "final") return undefined
      if (event.type === "final" && !event.end) return committedAtMs[0]
      utterances++
      if (event.type === "failed") failed++
      // An engine may end utterances by itself before the commit: those leave the commit owed.
      return event.cause === "commit" ? committedAtMs.shift() : committedAtMs[0]
    },
    get answersOwed() {
      return committedAtMs.length + clearsOwed
    },
    get unanswered() {
      return committedAtMs.length
    },
    get utterances() {
      return utterances
    },
    get failed() {
      return failed
    },
  }
}
