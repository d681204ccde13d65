/** The invariants of src/speech/events.ts, for events of any stream of any engine. */
import { expect } from "bun:test"
import type { FinalEvent, PartialEvent, SpeechEvent } from "../../src/speech/events.ts"

export interface Lawful {
  readonly endpointing: boolean
  /** Audio given to the stream. */
  readonly audioMs: number
  /** The events ended by themselves, not by `close`: then nothing may be left open. */
  readonly ended: boolean
}

export type Terminator = Exclude<SpeechEvent, { type: "speech_start" | "partial" | "speech_end" }>

/** A final with more to come of its utterance is none. */
export function terminators(events: readonly SpeechEvent[]): Terminator[] {
  return events.filter(
    (event): event is Terminator => event.type === "failed" || event.type === "cleared" || (event.type === "final" && event.end),
  )
}

/** Those that answer a commit. */
export function answersToCommits(events: readonly SpeechEvent[]): Terminator[] {
  return terminators(events).filter((event) => event.type !== "cleared" && event.cause === "commit")
}

/** Fails at the first event that breaks a law; `note` says which run it was. */
export function expectLaws(events: readonly SpeechEvent[], { endpointing, audioMs, ended }: Lawful, note = ""): void {
  const law = (kept: boolean, title: string, event: SpeechEvent) => {
    if (!kept) expect(`${title}: ${JSON.stringify(event)}`, note).toBe("kept")
  }
  const partials = new Map<string, PartialEvent>()
  const [started, stopped, over] = [new Set<number>(), new Set<number>(), new Set<number>()]
  let lastTerminated = -1
  let lastOther = -1
  let lastFinal: FinalEvent | null = null

  for (const event of events) {
    const { utterance } = event
    if (utterance === null) continue
    law(!over.has(utterance), "nothing follows the terminator of an utterance", event)
    if (event.type === "speech_start" || event.type === "speech_end" || event.type === "partial") {
      law(utterance >= lastOther, "the utterance of events never falls", event)
      lastOther = utterance
      law(!stopped.has(utterance), "nothing but words follows speech_end", event)
    }
    if (event.type === "speech_start") {
      law(endpointing, "without endpointing nothing is told of speech", event)
      law(!started.has(utterance) && !partials.has(`${utterance} 0`), "speech_start comes first and once", event)
      law(event.atMs >= 0 && event.atMs <= audioMs, "speech lies in the audio", event)
      started.add(utterance)
    } else if (event.type === "speech_end") {
      law(endpointing, "without endpointing nothing is told of speech", event)
      law(event.atMs <= audioMs, "speech lies in the audio", event)
      stopped.add(utterance)
    } else if (event.type === "partial") {
      const key = `${utterance} ${event.segment}`
      const before = partials.get(key)
      law(event.text === event.text.trim(), "partials are trimmed", event)
      law(event.text !== "" || (before !== undefined && before.text !== ""), "an empty partial takes words back, once", event)
      law(event.stable >= (before?.stable ?? 0) && event.stable <= event.text.length, "stable never falls", event)
      law(event.text.startsWith(stableText(before)), "what is stable stands", event)
      law(event.startMs <= event.endMs && event.endMs <= audioMs && event.lagMs >= 0, "partials lie in the audio", event)
      partials.set(key, event)
    } else if (event.type === "final") {
      law(event.text === event.text.trim(), "finals are trimmed", event)
      law(event.text.startsWith(stableText(partials.get(`${utterance} ${event.segment}`))), "finals begin with what was stable", event)
      law(event.startMs <= event.endMs && event.endMs <= audioMs, "finals lie in the audio", event)
      law(lastFinal === null || (event.startMs >= lastFinal.startMs && event.endMs >= lastFinal.endMs), "times never fall", event)
      for (const [index, word] of (event.words ?? []).entries()) {
        law(word.startMs >= event.startMs && word.endMs <= event.endMs && word.startMs <= word.endMs, "words lie in their final", event)
        law(word.startMs >= (event.words?.[index - 1]?.endMs ?? 0), "words follow each other", event)
      }
      lastFinal = event
    }
    if (event.type === "failed" || event.type === "cleared" || (event.type === "final" && event.end)) {
      law(utterance === lastTerminated + 1, "utterances end in order, each once", event)
      law(event.type !== "final" || !started.has(utterance) || stopped.has(utterance), "speech_end comes before the last final", event)
      lastTerminated = utterance
      over.add(utterance)
    }
  }
  if (ended)
    expect(
      [...started].filter((utterance) => !over.has(utterance)),
      `${note}: left open`,
    ).toEqual([])
}

function stableText(partial: PartialEvent | undefined): string {
  return partial?.text.slice(0, partial.stable) ?? ""
}
