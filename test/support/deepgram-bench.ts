/** What the tests of the Deepgram engine share: a local Deepgram, a clock in the test's hand, and the laws that hold after each. */
import { afterEach, beforeEach, expect } from "bun:test"
import { createDeepgram, type DeepgramOptions } from "../../src/engines/deepgram.ts"
import type { Engine, EngineErrorCode, Stream } from "../../src/engines/engine.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { type HandClock, handClock } from "./clock.ts"
import { type Call, type DeepgramUpstream, startDeepgram } from "./deepgram-upstream.ts"
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

/** To be called once in a test file. Whatever a test did: no timer and no socket is left, and neither the key nor a word is in the log. */
export function useDeepgram(): void {
  beforeEach(() => {
    deepgram = startDeepgram()
    clock = handClock()
    tap = tapLog()
    engines = []
    engine = engineAt(deepgram.url)
  })

  afterEach(async () => {
    for (const open of engines) await open.close()
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

export interface Listener extends Stream {
  next(): Promise<SpeechEvent>
  /** Everything up to the end of the events. */
  rest(): Promise<SpeechEvent[]>
}

export function open(from = engine, language = "en"): Listener {
  const stream = from.open({ language, session: "s1" })
  const events = stream.events[Symbol.asyncIterator]()
  async function next() {
    const { value, done } = await events.next()
    if (done) throw new Error("the events ended")
    return value
  }
  return Object.defineProperties({ next, rest: () => Array.fromAsync(stream.events) } as Listener, Object.getOwnPropertyDescriptors(stream))
}

/** Every sample tells its place in the stream, so that audio sent twice, late or not at all shows. */
export function audio(fromMs: number, toMs: number): Int16Array {
  return Int16Array.from({ length: (toMs - fromMs) * 16 }, (_, i) => (fromMs * 16 + i) % 32_749)
}

export interface FinalRest {
  utterance?: number
  cause?: "endpoint" | "commit" | "close"
  language?: string | null
}

export function final(text: string, startMs: number, endMs: number, rest: FinalRest = {}): SpeechEvent {
  const numbers = { avgLogprob: null, noSpeechProb: null }
  return { type: "final", utterance: 0, text, startMs, endMs, end: true, cause: "endpoint", language: "en", ...numbers, ...rest }
}

export function failed(code: EngineErrorCode, utterance = 0): SpeechEvent {
  return { type: "failed", utterance, code, message: expect.any(String) as unknown as string }
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
