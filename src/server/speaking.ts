/**
 * Whether a client is in the middle of an utterance, as far as can be told. Knows no audio, no clock and no wire.
 */
import type { StreamOptions } from "../engines/engine.ts"
import type { SpeechEvent } from "../speech/events.ts"

export interface Speaking {
  /** Audio came. */
  heard(): void
  /** The client ended the utterance, or wants it forgotten. */
  ended(): void
  /** To be told of each event, in order. */
  follow(event: SpeechEvent): void
  /** Resolves once nobody is in the middle of an utterance; at once if that is now. */
  over(): Promise<void>
  close(): void
}

/** Without endpointing audio opens an utterance, and only the client ends it; with it the engine tells both. */
export function createSpeaking(endpointing: StreamOptions["endpointing"]): Speaking {
  let open: PromiseWithResolvers<void> | undefined
  let begun = 0

  function begin() {
    open ??= Promise.withResolvers()
  }

  function end() {
    open?.resolve()
    open = undefined
  }

  return {
    heard() {
      if (!endpointing) begin()
    },
    ended() {
      if (!endpointing) end()
    },
    follow(event) {
      if (!endpointing) return
      if (event.type === "speech_start") {
        begin()
        begun = event.utterance
      }
      // The words of one may come when the next has begun.
      else if (endsSpeech(event) && (event.utterance ?? begun) >= begun) end()
    },
    over: async () => open?.promise,
    close: end,
  }
}

function endsSpeech(event: SpeechEvent): boolean {
  return event.type === "speech_end" || (event.type === "final" && event.end) || event.type === "failed" || event.type === "cleared"
}
