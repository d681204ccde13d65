/**
 * The utterances of one stream: gathers the words of final results and ends each utterance exactly once. Knows places in
 * the stream, not sockets or time.
 */
import { msFromSamples } from "../../audio/pcm.ts"
import type { EndCause, SpeechEvent } from "../../speech/events.ts"
import { joinTexts } from "../../speech/transcript.ts"
import type { EngineError } from "../engine.ts"

export interface HeardWords {
  /** Not blank. */
  readonly text: string
  /** Where the speech begins and ends, in samples since the stream began. */
  readonly startSample: number
  readonly endSample: number
  readonly language: string | null
}

export interface Utterances {
  hear(words: HeardWords): void
  /** Ends the utterance at `atSample` if it has words: without any it was none. */
  endIfHeard(cause: EndCause, atSample: number): void
  /** Ends the utterance at `atSample`, with words or without. */
  end(cause: EndCause, atSample: number): void
  /** Ends the utterance at `atSample` without its words. */
  fail(error: EngineError, atSample: number): void
  /** Where the open utterance begins. */
  readonly startSample: number
  /** Where the last word heard in it ends; null before the first. */
  readonly wordsEndSample: number | null
}

/** `language` is what the client asked for; null if Deepgram is to say. */
export function createUtterances(language: string | null, emit: (event: SpeechEvent) => void): Utterances {
  let heard: HeardWords[] = []
  let utterance = 0
  let startSample = 0

  function next(atSample: number) {
    heard = []
    utterance++
    startSample = atSample
  }

  function end(cause: EndCause, atSample: number) {
    const first = heard[0]
    const last = heard.at(-1)
    emit({
      type: "final",
      utterance,
      text: joinTexts(heard.map(({ text }) => text)),
      startMs: msFromSamples(first?.startSample ?? startSample),
      endMs: msFromSamples(last?.endSample ?? atSample),
      end: true,
      cause,
      language: language ?? first?.language ?? null,
      avgLogprob: null,
      noSpeechProb: null,
    })
    next(atSample)
  }

  return {
    hear: (words) => {
      heard.push(words)
    },
    endIfHeard(cause, atSample) {
      if (heard.length > 0) end(cause, atSample)
    },
    end,
    fail({ code, message }, atSample) {
      emit({ type: "failed", utterance, code, message })
      next(atSample)
    },
    get startSample() {
      return startSample
    },
    get wordsEndSample() {
      return heard.at(-1)?.endSample ?? null
    },
  }
}
