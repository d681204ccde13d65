/**
 * The utterances of one stream as the vocabulary tells them: a segment for each final result, partials of the one that is
 * being spoken, and each utterance ended exactly once. Knows places in the stream, not sockets or time.
 *
 * Deepgram keeps no pre-roll: an utterance begins where it says that somebody speaks, and a segment with its first word.
 */
import { msFromSamples } from "../../audio/pcm.ts"
import type { EndCause, SpeechEvent } from "../../speech/events.ts"
import type { Word } from "../../speech/transcript.ts"
import type { EngineError } from "../engine.ts"

/** Places are samples since the stream began. */
export interface HeardWords {
  readonly text: string
  readonly startSample: number
  readonly endSample: number
  readonly words: readonly {
    readonly text: string
    readonly startSample: number
    readonly endSample: number
    readonly confidence: number | null
  }[]
  readonly confidence: number | null
  readonly language: string | null
}

/** What became of the places so far. */
export interface Progress {
  /** Up to here the words were heard. */
  readonly heardSample: number
  /** So much audio there is. */
  readonly acceptedSample: number
}

export interface Utterances {
  /** Somebody speaks from this place on. */
  start(atSample: number): void
  /** What the open segment sounds like so far; "" if it turned out to be nothing. */
  hearInterim(words: HeardWords, progress: Progress): void
  /** The words of the open segment, not blank. It ends with the utterance if that ends now, else at `settle`. */
  hearFinal(words: HeardWords): void
  /** Everything that a message brought was heard. */
  settle(): void
  /** Ends the utterance at `atSample`, with words or without. */
  end(cause: EndCause, atSample: number): void
  /** Ends the utterance at `atSample` without its last words. */
  fail(error: EngineError, cause: EndCause | null, atSample: number): void
  /** Forgets everything before `atSample`. */
  clear(atSample: number): void
  /** Behind this place the last utterance ended. */
  readonly startSample: number
  /** Where somebody began to speak; null if nobody did yet. */
  readonly begunSample: number | null
  /** Where the last word heard in it for good ends; null before the first. */
  readonly wordsEndSample: number | null
}

export interface UtterancesOptions {
  /** Whether the engine ends utterances by itself: without it there is no start and no end of speech. */
  readonly endpointing: boolean
  readonly interims: boolean
  readonly words: boolean
  /** What the client asks for just now; null if Deepgram is to say. */
  readonly language: () => string | null
  readonly emit: (event: SpeechEvent) => void
}

export function createUtterances({ endpointing, interims, words: wanted, language, emit }: UtterancesOptions): Utterances {
  let utterance = 0
  let segment = 0
  let startSample = 0
  let begunSample: number | null = null
  /** Deepgram tells of speech before it tells the end of what was said before it. */
  let nextBegunSample: number | null = null
  let wordsEndSample: number | null = null
  /** Heard in this message: the last segment, or one more. */
  let unsettled: HeardWords | null = null
  let partial = { text: "", heardSample: 0 }
  /** Times never fall from one final to the next. */
  let toldSample = 0

  const inOrder = (sample: number) => Math.max(sample, toldSample)

  function begin(atSample: number) {
    if (begunSample !== null) return
    begunSample = Math.max(atSample, startSample)
    if (endpointing) emit({ type: "speech_start", utterance, atMs: msFromSamples(begunSample) })
  }

  function endSegment(heard: HeardWords | null, end: boolean, cause: EndCause, emptyTo: number) {
    const from = inOrder(heard?.startSample ?? wordsEndSample ?? begunSample ?? startSample)
    const to = Math.max(from, heard?.endSample ?? (segment === 0 ? emptyTo : from))
    toldSample = from
    emit({
      type: "final",
      utterance,
      segment,
      text: heard?.text ?? "",
      startMs: msFromSamples(from),
      endMs: msFromSamples(to),
      end,
      cause,
      language: language() ?? heard?.language ?? null,
      confidence: heard?.confidence ?? null,
      avgLogprob: null,
      noSpeechProb: null,
      words: wanted ? (heard?.words ?? []).map(wordInStream) : null,
    })
    toldSample = Math.max(to, toldSample)
    nextSegment(segment + 1)
  }

  function nextSegment(index: number) {
    segment = index
    unsettled = null
    partial = { text: "", heardSample: 0 }
  }

  function wordInStream({ text, startSample, endSample, confidence }: HeardWords["words"][number]): Word {
    const from = inOrder(startSample)
    toldSample = Math.max(from, endSample)
    return { text, startMs: msFromSamples(from), endMs: msFromSamples(toldSample), confidence }
  }

  function tellSpeechEnd(atSample: number) {
    if (!endpointing || begunSample === null) return
    emit({ type: "speech_end", utterance, atMs: msFromSamples(Math.max(inOrder(atSample), begunSample)) })
  }

  function next(index: number, atSample: number) {
    const speechSample = nextBegunSample
    utterance = index
    startSample = atSample
    begunSample = null
    nextBegunSample = null
    wordsEndSample = null
    nextSegment(0)
    if (speechSample !== null && speechSample > atSample) begin(speechSample)
  }

  return {
    start(atSample) {
      if (begunSample === null) begin(atSample)
      else nextBegunSample = atSample
    },
    hearInterim({ text, startSample }, { heardSample, acceptedSample }) {
      if (text !== "") begin(startSample)
      // After a lost socket the same audio is heard again: nothing is taken back before it is all heard.
      if (!interims || heardSample < partial.heardSample || (text === "" && partial.text === "")) return
      partial = { text, heardSample }
      const startMs = msFromSamples(inOrder(startSample))
      const endMs = Math.max(startMs, msFromSamples(heardSample))
      const lagMs = Math.max(0, msFromSamples(acceptedSample) - endMs)
      emit({ type: "partial", utterance, segment, text, stable: 0, startMs, endMs, lagMs })
    },
    hearFinal(words) {
      begin(words.startSample)
      wordsEndSample = words.endSample
      unsettled = words
    },
    settle() {
      // The cause of an utterance that goes on is not known yet; it is read of the last segment only.
      if (unsettled) endSegment(unsettled, false, "endpoint", 0)
    },
    end(cause, atSample) {
      tellSpeechEnd(atSample)
      endSegment(unsettled, true, cause, atSample)
      next(utterance + 1, atSample)
    },
    fail({ code, message }, cause, atSample) {
      if (cause !== null) tellSpeechEnd(atSample)
      emit({ type: "failed", utterance, cause, code, message })
      next(utterance + 1, atSample)
    },
    clear(atSample) {
      const begun = begunSample !== null || (!endpointing && atSample > startSample)
      emit({ type: "cleared", utterance: begun ? utterance : null })
      next(begun ? utterance + 1 : utterance, atSample)
    },
    get startSample() {
      return startSample
    },
    get begunSample() {
      return begunSample
    },
    get wordsEndSample() {
      return wordsEndSample
    },
  }
}
