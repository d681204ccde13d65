/**
 * What was said so far: events of one connection after the other in, utterances out. All times are ms of the page's own tape,
 * which goes on when a connection does not. Pure; knows no socket, no clock and no document.
 */
import type { WireEvent, WireFinal, WireWord } from "./wire.ts"

export interface Word {
  readonly text: string
  readonly startMs: number
  readonly endMs: number
  readonly confidence: number | null
}

export interface Segment {
  readonly text: string
  /** The words will not change any more. */
  readonly settled: boolean
  /** The first so many UTF-16 units stand although more may follow. */
  readonly stable: number
  readonly startMs: number
  readonly endMs: number
  /** Empty if the engine has no times of words. */
  readonly words: readonly Word[]
}

export interface Utterance {
  /** Unique in its talk. */
  readonly id: string
  readonly status: "open" | "done" | "failed"
  readonly startMs: number
  readonly endMs: number
  readonly segments: readonly Segment[]
  readonly language: string | null
  /** From the end of the last word to its arrival as text; null where nobody waited, as for a recording. */
  readonly latencyMs: number | null
  /** Why there are no words. */
  readonly failure: string | null
}

export interface Talk {
  readonly utterances: readonly Utterance[]
  readonly model: string | null
  /** How far interim words are behind the speaker. */
  readonly lagMs: number
  /** Of the connection: its number, and where on the tape its audio begins. */
  readonly connection: number
  readonly baseMs: number
  /** Up to here everything is answered: a new connection begins at this place of the tape. */
  readonly answeredMs: number
}

export type Change =
  | { readonly type: "connected"; readonly baseMs: number }
  /** `nowMs`: where the tape stands while this event arrives. */
  | { readonly type: "event"; readonly event: WireEvent; readonly nowMs: number }
  /** What is still open will be heard again by the next connection. */
  | { readonly type: "disconnected" }

export const NEW_TALK: Talk = { utterances: [], model: null, lagMs: 0, connection: -1, baseMs: 0, answeredMs: 0 }

export function changed(talk: Talk, change: Change): Talk {
  switch (change.type) {
    case "connected":
      return { ...talk, connection: talk.connection + 1, baseMs: change.baseMs, lagMs: 0 }
    case "event":
      return told(talk, change.event, change.nowMs)
    case "disconnected":
      return interrupted(talk)
  }
}

/** The text of an utterance as far as it is known. */
export function textOf({ segments }: Utterance): string {
  return segments
    .map(({ text }) => text)
    .filter((text) => text !== "")
    .join(" ")
}

export interface Latencies {
  readonly count: number
  readonly middleMs: number
  readonly slowestMs: number
}

/** Of the finals that somebody waited for; undefined if there were none. */
export function latencies({ utterances }: Talk): Latencies | undefined {
  const waits = utterances.flatMap(({ latencyMs }) => (latencyMs === null ? [] : [latencyMs])).sort((a, b) => a - b)
  const [lower, upper, slowestMs] = [waits[Math.floor((waits.length - 1) / 2)], waits[Math.floor(waits.length / 2)], waits.at(-1)]
  if (lower === undefined || upper === undefined || slowestMs === undefined) return undefined
  return { count: waits.length, middleMs: (lower + upper) / 2, slowestMs }
}

function told(talk: Talk, event: WireEvent, nowMs: number): Talk {
  const { baseMs } = talk
  switch (event.type) {
    case "ready":
      return { ...talk, model: event.model }
    case "speech_start":
      return withUtterance(talk, event.utt, event.at_ms, (utterance) => utterance)
    case "speech_end":
      return withUtterance(talk, event.utt, event.at_ms, (utterance) => ({ ...utterance, endMs: baseMs + event.at_ms }))
    case "partial": {
      const { text, stable } = event
      const segment = { text, stable, settled: false, words: [], startMs: baseMs + event.start_ms, endMs: baseMs + event.end_ms }
      const next = withUtterance(talk, event.utt, event.start_ms, (utterance) => withSegment(utterance, event.seg, segment))
      return { ...next, lagMs: event.lag_ms }
    }
    case "final":
      return settled(talk, event, nowMs)
    case "failed": {
      const next = withUtterance(talk, event.utt, talk.answeredMs - baseMs, (utterance) => ({
        ...utterance,
        status: "failed",
        failure: event.message,
      }))
      return { ...next, answeredMs: Math.max(talk.answeredMs, next.utterances.at(-1)?.endMs ?? 0) }
    }
    case "cleared":
      return { ...talk, utterances: talk.utterances.filter(({ id }) => event.utt === null || id !== idOf(talk, event.utt)) }
    case "error":
    case "done":
      return talk
  }
}

function settled(talk: Talk, event: WireFinal, nowMs: number): Talk {
  const { baseMs } = talk
  const words = (event.words ?? []).map((word) => wordOf(word, baseMs))
  const endMs = baseMs + event.end_ms
  const segment = { text: event.text, stable: event.text.length, settled: true, words, startMs: baseMs + event.start_ms, endMs }
  const next = withUtterance(talk, event.utt, event.start_ms, (utterance) => {
    const more = event.text === "" ? withoutSegment(utterance, event.seg) : withSegment(utterance, event.seg, segment)
    if (!event.end) return { ...more, language: event.language }
    const spokenMs = more.segments.at(-1)?.words.at(-1)?.endMs ?? endMs
    return {
      ...more,
      status: "done",
      endMs: Math.max(more.startMs, endMs),
      language: event.language,
      latencyMs: Math.max(0, nowMs - spokenMs),
    }
  })
  const answeredMs = Math.max(talk.answeredMs, endMs)
  // Nobody said anything: there is nothing to show.
  const utterances = next.utterances.filter((utterance) => utterance.status !== "done" || textOf(utterance) !== "")
  return { ...next, utterances, answeredMs, lagMs: event.end ? 0 : next.lagMs }
}

function interrupted(talk: Talk): Talk {
  const utterances = talk.utterances.flatMap((utterance): Utterance[] => {
    if (utterance.status !== "open") return [utterance]
    const segments = utterance.segments.filter((segment) => segment.settled)
    return segments.length === 0 ? [] : [{ ...utterance, segments, status: "done", endMs: segments.at(-1)?.endMs ?? utterance.endMs }]
  })
  return { ...talk, utterances, lagMs: 0 }
}

function wordOf({ text, start_ms, end_ms, confidence }: WireWord, baseMs: number): Word {
  return { text, startMs: baseMs + start_ms, endMs: baseMs + end_ms, confidence }
}

function idOf({ connection }: Talk, utt: number): string {
  return `${connection}-${utt}`
}

/** The talk with one of its utterances changed, which begins now if it had not. `startMs` is of the connection. */
function withUtterance(talk: Talk, utt: number, startMs: number, change: (utterance: Utterance) => Utterance): Talk {
  const id = idOf(talk, utt)
  const at = talk.utterances.findLastIndex((one) => one.id === id)
  const known = talk.utterances[at]
  if (known) return { ...talk, utterances: talk.utterances.with(at, change(known)) }
  const begin = talk.baseMs + startMs
  const fresh: Utterance = {
    id,
    status: "open",
    startMs: begin,
    endMs: begin,
    segments: [],
    language: null,
    latencyMs: null,
    failure: null,
  }
  return { ...talk, utterances: [...talk.utterances, change(fresh)] }
}

function withSegment(utterance: Utterance, seg: number, segment: Segment): Utterance {
  const segments = [...utterance.segments.slice(0, seg), segment]
  return { ...utterance, segments, endMs: Math.max(utterance.endMs, segment.endMs) }
}

function withoutSegment(utterance: Utterance, seg: number): Utterance {
  return { ...utterance, segments: utterance.segments.slice(0, seg) }
}
