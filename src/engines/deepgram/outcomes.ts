/** Counts and logs how utterances end, on their way to the client: numbers and names, never a word. */
import type { Log } from "../../log.ts"
import { finalSeconds, utterances as utterancesEnded } from "../../metrics.ts"
import type { SpeechEvent } from "../../speech/events.ts"

export interface Outcomes {
  note(event: SpeechEvent): void
  /** A commit after audio was answered, so long after it came. */
  answered(tookMs: number): void
  /** So many will never end. */
  abandoned(count: number): void
}

export function createOutcomes({ engine, session, log }: { engine: string; session: string; log: Log }): Outcomes {
  /** Of the open utterance. */
  let characters = 0

  return {
    note(event) {
      if (event.type === "final") characters += event.text.length
      if (event.type === "failed") {
        const { utterance, cause, code, message } = event
        log.warn("utterance failed", { session, engine, utterance, cause, code, message })
        utterancesEnded.inc({ engine, outcome: code })
      } else if (event.type === "final" && event.end) {
        const { utterance, cause, endMs } = event
        log.debug("utterance ended", { session, engine, utterance, cause, endMs, characters })
        utterancesEnded.inc({ engine, outcome: characters === 0 ? "silence" : "text" })
      } else if (event.type !== "cleared") {
        return
      }
      characters = 0
    },
    answered(tookMs) {
      finalSeconds.observe({ engine }, tookMs / 1000)
    },
    abandoned(count) {
      utterancesEnded.inc({ engine, outcome: "aborted" }, count)
    },
  }
}

/** For streams whose utterances somebody else counts. */
export const uncounted: Outcomes = { note() {}, answered() {}, abandoned() {} }
