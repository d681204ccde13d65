/** What Deepgram says on a socket, as words, starts and ends of what is owed. Sends nothing. */
import { samplesFromMs } from "../../audio/pcm.ts"
import type { Link } from "./link.ts"
import type { HeardWord, Results } from "./messages.ts"
import type { Owed } from "./owed.ts"
import { UTTERANCE_END_MAX_MS, UTTERANCE_END_MIN_MS } from "./query.ts"
import type { HeardWords } from "./utterances.ts"
import type { Wanted } from "./wanted.ts"

/** So much later than Deepgram should have ended an utterance it is ended without: a socket dialled anew does not know the words before it. */
const FORGOTTEN_END_MS = 500

/** An UtteranceEnd whose last word ends so much before ours belongs to words already delivered. */
const STALE_SAMPLES = samplesFromMs(500)

export interface Hearing {
  hearResults(from: Link, results: Results): void
  hearStart(from: Link, atSeconds: number): void
  hearEnd(from: Link, lastWordEndSeconds: number | null): void
}

export interface HearingOptions {
  readonly owed: Owed
  readonly wanted: Wanted
  /** Deepgram gave words or silence for audio that had none: it works. */
  readonly onProgress: () => void
  /** It gave something that it owed. */
  readonly onAnswered: () => void
}

export function createHearing({ owed, wanted, onProgress, onAnswered }: HearingOptions): Hearing {
  /** Silence goes on so long after the last word, or nobody said one. */
  function isForgotten(to: number): boolean {
    const since = owed.wordsEnd ?? owed.begun
    const { silenceMs } = wanted.asked
    if (since === null || silenceMs === null) return false
    return to - since >= samplesFromMs(Math.max(silenceMs, UTTERANCE_END_MIN_MS) + FORGOTTEN_END_MS)
  }

  function isTooLong(): boolean {
    return owed.begun !== null && owed.covered - owed.begun >= samplesFromMs(wanted.maxMs)
  }

  /** The end of silence before somebody spoke is not the end of what they say. */
  function endsWhatBegan(to: number): boolean {
    return owed.wordsEnd !== null || (owed.begun !== null && to > owed.begun)
  }

  return {
    hearResults(from, results) {
      const { endSeconds, text, isFinal, speechFinal, fromFinalize } = results
      const to = from.placeOf(endSeconds)
      if (from.isDeaf) {
        if (isFinal) from.heardDeaf(to, fromFinalize)
        return
      }
      const awaited = owed.committed
      const further = from.heard(to, isFinal)
      const words = wordsOf(from, results)
      if (isFinal) {
        if (to > owed.covered) onProgress()
        if (text !== "") owed.hearFinal(words)
        else owed.hearInterim(words, to)
        owed.cover(to)
      } else {
        owed.hearInterim(words, to)
      }
      if (fromFinalize && from.finalized(to)) owed.cover(from.finalizedAt)
      if (further || awaited === undefined || owed.committed !== awaited) onAnswered()
      const ends = (isFinal && speechFinal) || fromFinalize || (text === "" && isForgotten(to))
      if (ends && endsWhatBegan(to)) owed.endpoint()
      else if (isFinal && isTooLong()) owed.endpoint("max")
      owed.settle()
    },
    hearStart(from, atSeconds) {
      if (!from.isDeaf) owed.start(from.placeOf(atSeconds))
    },
    hearEnd(from, lastWordEndSeconds) {
      // One that comes sooner than the silence that the client wants.
      const tooSoon = wanted.asked.silenceMs === null || wanted.asked.silenceMs > UTTERANCE_END_MAX_MS
      if (from.isDeaf || tooSoon || owed.wordsEnd === null) return
      const stale = lastWordEndSeconds !== null && from.placeOf(lastWordEndSeconds) < owed.wordsEnd - STALE_SAMPLES
      if (!stale) owed.endpoint()
    },
  }
}

function wordsOf(from: Link, { text, words, speech, confidence, language }: Results): HeardWords {
  const place = ({ text, startSeconds, endSeconds, confidence }: HeardWord) => ({
    text,
    startSample: from.placeOf(startSeconds),
    endSample: from.placeOf(endSeconds),
    confidence,
  })
  return {
    text,
    startSample: from.placeOf(speech.startSeconds),
    endSample: from.placeOf(speech.endSeconds),
    words: words.map(place),
    confidence,
    language,
  }
}
