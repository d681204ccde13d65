/** What the tests of the Deepgram engine share: a local Deepgram, a clock in the test's hand, and the laws that hold after each. */
import { afterEach, beforeEach, expect } from "bun:test"
import { createDeepgram, type DeepgramOptions } from "../../src/engines/deepgram.ts"
import type { Endpointing, Engine, EngineErrorCode, Stream, StreamOptions } from "../../src/engines/engine.ts"
import type { EndCause, FinalEvent, SpeechEvent } from "../../src/speech/events.ts"
import { joinTexts } from "../../src/speech/transcript.ts"
import { type HandClock, handClock } from "./clock.ts"
import { type Call, type DeepgramUpstream, startDeepgram } from "./deepgram-upstream.ts"
import { expectLaws } from "./event-laws.ts"
import { type LogTap, tapLog } from "./log.ts"

export const KEY = "the-secret-key"

/** The log's word for a socket that ended as it should not. */
export const LOST = "upstream lost"

/** Fresh for each test. */
export let deepgram: DeepgramUpstream
export let clock: HandClock
export let tap: LogTap
/** At `deepgram`, with `clock`. */
export let engine: Engine
let engines: Engine[]
/** What every stream of the test told. */
let tellings: Telling[]

interface Telling {
  readonly endpointing: boolean
  readonly events: SpeechEvent[]
  audioMs: number
  /** All was read that there is. */
  ended: boolean
}

/**
 * To be called once in a test file. Whatever a test did: every event was lawful, no timer and no socket is left, and neither the
 * key nor a word is in the log.
 */
export function useDeepgram(): void {
  beforeEach(() => {
    deepgram = startDeepgram()
    clock = handClock()
    tap = tapLog()
    engines = []
    tellings = []
    engine = engineAt(deepgram.url)
  })

  afterEach(async () => {
    for (const open of engines) await open.close()
    for (const { events, ...telling } of tellings) expectLaws(events, telling)
    expect(clock.waiting).toBe(0)
    await deepgram.emptied()
    const log = JSON.stringify(tap.lines)
    for (const secret of [KEY, ...deepgram.said]) expect(log).not.toContain(secret)
    await deepgram.stop()
  })
}

export function engineAt(baseUrl: string, options: Partial<DeepgramOptions> = {}): Engine {
  const opened = createDeepgram({ apiKey: KEY, baseUrl, clock, log: tap.log, ...options })
  engines.push(opened)
  return opened
}

/** How an utterance ended, with the words of all its segments. */
export type Turn =
  | {
      readonly type: "turn"
      readonly utterance: number
      readonly text: string
      /** From the first word to the last; of an utterance without words, the utterance. */
      readonly startMs: number
      readonly endMs: number
      readonly cause: EndCause
      readonly language: string | null
    }
  | Extract<SpeechEvent, { type: "failed" | "cleared" }>

export interface Listener extends Stream {
  /** The next event, as it is. */
  event(): Promise<SpeechEvent>
  /** All events to come. */
  all(): Promise<SpeechEvent[]>
  /** The next utterance that ended. */
  next(): Promise<Turn>
  /** All that will end. */
  rest(): Promise<Turn[]>
}

export const ENDPOINTING: Endpointing = { threshold: 0.5, prefixMs: 300, silenceMs: 300, maxMs: 30_000 }

export function open(from = engine, options: Partial<StreamOptions> = {}): Listener {
  const wanted = { language: "en", session: "s1", endpointing: ENDPOINTING, interims: false, words: false, ...options }
  const stream = from.open(wanted)
  const telling: Telling = { endpointing: wanted.endpointing !== null, events: [], audioMs: 0, ended: false }
  tellings.push(telling)
  const iterator = stream.events[Symbol.asyncIterator]()
  let closed = false

  async function heard(): Promise<SpeechEvent | undefined> {
    const { value, done } = await iterator.next()
    telling.ended = done === true && !closed
    if (done) return undefined
    telling.events.push(value)
    return value
  }

  async function heardTurn(): Promise<Turn | undefined> {
    const segments: FinalEvent[] = []
    for (let event = await heard(); event; event = await heard()) {
      if (event.type === "failed" || event.type === "cleared") return event
      if (event.type === "final") segments.push(event)
      if (event.type === "final" && event.end) return turnOf(segments)
    }
    return undefined
  }

  const listener: Pick<Listener, "accept" | "close" | "event" | "all" | "next" | "rest"> = {
    accept(samples) {
      telling.audioMs += samples.length / 16
      stream.accept(samples)
    },
    close() {
      closed = true
      stream.close()
    },
    event: () => must(heard()),
    all: () => untilEnd(heard),
    next: () => must(heardTurn()),
    rest: () => untilEnd(heardTurn),
  }
  return Object.defineProperties({} as Listener, {
    ...Object.getOwnPropertyDescriptors(stream),
    ...Object.getOwnPropertyDescriptors(listener),
  })
}

async function must<T>(next: Promise<T | undefined>): Promise<T> {
  const value = await next
  if (value === undefined) throw new Error("the events ended")
  return value
}

async function untilEnd<T>(next: () => Promise<T | undefined>): Promise<T[]> {
  const all: T[] = []
  for (let value = await next(); value !== undefined; value = await next()) all.push(value)
  return all
}

function turnOf(segments: readonly FinalEvent[]): Turn {
  const last = segments.at(-1)!
  const spoken = segments.filter(({ text }) => text !== "")
  const { startMs } = spoken[0] ?? last
  const { endMs } = spoken.at(-1) ?? last
  const text = joinTexts(segments.map((segment) => segment.text))
  const language = (spoken[0] ?? last).language
  return { type: "turn", utterance: last.utterance, text, startMs, endMs, cause: last.cause, language }
}

/** Every sample tells its place in the stream, so that audio sent twice, late or not at all shows. */
export function audio(fromMs: number, toMs: number): Int16Array {
  return Int16Array.from({ length: (toMs - fromMs) * 16 }, (_, i) => (fromMs * 16 + i) % 32_749)
}

export interface TurnRest {
  utterance?: number
  cause?: EndCause
  language?: string | null
}

export function turn(text: string, startMs: number, endMs: number, rest: TurnRest = {}): Turn {
  return { type: "turn", utterance: 0, text, startMs, endMs, cause: "endpoint", language: "en", ...rest }
}

export function failed(code: EngineErrorCode, utterance = 0, cause: EndCause | null = "commit"): Turn {
  return { type: "failed", utterance, cause, code, message: expect.any(String) as unknown as string }
}

export async function countOf(
  metric: { get(): Promise<{ values: { value: number; labels: object }[] }> },
  labels: object,
): Promise<number> {
  const { values } = await metric.get()
  return values.find((entry) => Bun.deepEquals(entry.labels, labels))?.value ?? 0
}

/** Accepts audio and waits until the call has it. */
export async function speak(stream: Stream, fromMs: number, toMs: number, callIndex = 0): Promise<Call> {
  const before = deepgram.calls[callIndex]?.audio().length ?? 0
  stream.accept(audio(fromMs, toMs))
  const call = await deepgram.call(callIndex)
  await call.heard(before + (toMs - fromMs) * 16)
  return call
}

/** Waits until the stream has understood what Deepgram said: there is no event for it. */
export async function owing(stream: Stream, ms: number): Promise<void> {
  while (stream.pendingSamples > ms * 16) await Bun.sleep(0)
}
