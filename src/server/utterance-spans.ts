/**
 * The utterances of one client as spans: each begins with its first sound and ends when its words, or why there are none, are told. Knows no
 * engine; the parts are told by whoever does them. Never a word.
 */
import type { LogFields } from "../log.ts"
import type { SpeechEvent } from "../speech/events.ts"
import type { RequestSpan, Span } from "../tracing.ts"

export interface UtteranceSpans {
  /** As StreamOptions.trace. */
  of(utterance: number): Span
  /** In the order of the stream. `replySeconds`: as ReplyTimes.note. */
  note(event: SpeechEvent, replySeconds: number | undefined): void
  /** Nothing more will come: what has not ended is given up. Idempotent. */
  close(): void
}

interface Open {
  readonly span: Span
  /** Of its words so far: where they begin, and whether there are any. */
  startMs: number | null
  hasText: boolean
}

/** `fields`: what is the same for all of them. */
export function createUtteranceSpans(request: RequestSpan, fields: LogFields): UtteranceSpans {
  /** Seldom more than three: what one client may have in work at once has a ceiling. */
  const open = new Map<number, Open>()
  let closed = false

  function begun(utterance: number): Open {
    const known = open.get(utterance)
    if (known) return known
    const span = request.follow("utterance", { ...fields, utterance })
    const one = { span, startMs: null, hasText: false }
    if (closed) end(one, "aborted", {})
    else open.set(utterance, one)
    return one
  }

  /** Silence and words are what was asked for. */
  function end({ span }: Open, outcome: string, more: LogFields) {
    span.add({ outcome, ...more })
    span.end(outcome === "text" || outcome === "silence" || outcome === "cleared" ? undefined : { code: outcome })
  }

  return {
    of: (utterance) => begun(utterance).span,
    note(event, replySeconds) {
      if (event.type === "partial" || event.utterance === null) return
      const one = begun(event.utterance)
      if (event.type === "speech_end") one.span.note("speech_end")
      if (event.type === "final") {
        one.startMs ??= event.startMs
        one.hasText ||= event.text !== ""
      }
      if (event.type === "speech_start" || event.type === "speech_end" || (event.type === "final" && !event.end)) return
      open.delete(event.utterance)
      if (event.type === "cleared") return end(one, "cleared", {})
      const { cause } = event
      if (event.type === "failed") return end(one, event.code, { cause })
      const audioSeconds = (event.endMs - (one.startMs ?? event.startMs)) / 1000
      end(one, one.hasText ? "text" : "silence", { cause, audioSeconds, replySeconds, language: event.language })
    },
    close() {
      closed = true
      for (const one of open.values()) end(one, "aborted", {})
      open.clear()
    },
  }
}
