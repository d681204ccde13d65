/**
 * An Engine whose words come from the audio itself, so that a test can tell whose words it reads: an utterance that begins with
 * sample 7 is "word 7", one of zeros is silence. `answer` may say otherwise, or take its time.
 */
import { joinSamples } from "../../src/audio/pcm.ts"
import { type Engine, EngineError, type Language, type Stream, type StreamOptions } from "../../src/engines/engine.ts"
import { createEventQueue } from "../../src/speech/event-queue.ts"
import type { EndCause, SpeechEvent } from "../../src/speech/events.ts"

export interface Heard {
  readonly samples: Int16Array
  readonly language: Language
  readonly session: string
}

export interface ScriptOptions {
  /** If true, a zero after speech ends an utterance. */
  readonly endpoints?: boolean
  /** The words of an utterance; an EngineError thrown fails it. */
  readonly answer?: (heard: Heard) => string | Promise<string>
  readonly ready?: () => Promise<void>
}

export interface ScriptedStreams extends Engine {
  /** Every stream ever opened. */
  readonly opened: readonly StreamOptions[]
  readonly openNow: number
  /** How often a stream was closed for the first time. */
  readonly closes: number
  /** The nth call resolves with the nth utterance that ended, whether before or after the call. */
  nextHeard(): Promise<Heard>
  /** Breaks every open stream the way only a bug can. */
  breakStreams(): void
}

export function wordOf({ samples }: { samples: Int16Array }): string {
  const first = samples.find((sample) => sample !== 0)
  return first === undefined ? "" : `word ${first}`
}

/** A message of `count` samples of `value`. */
export function audio(value: number, count = 160): Uint8Array {
  return new Uint8Array(new Int16Array(count).fill(value).buffer)
}

/** An `answer` that waits until the test gives it, by the word of the utterance. */
export function answersOnDemand() {
  const waiting = new Map<string, PromiseWithResolvers<string>>()
  return {
    answer: (heard: Heard) => {
      const asked = Promise.withResolvers<string>()
      waiting.set(wordOf(heard), asked)
      return asked.promise
    },
    give: (word: string) => waiting.get(word)!.resolve(word),
    fail: (word: string) => waiting.get(word)!.reject(new EngineError("timeout", "no answer")),
  }
}

export function createScriptedStreams({ endpoints = false, answer = wordOf, ready = async () => {} }: ScriptOptions = {}): ScriptedStreams {
  const opened: StreamOptions[] = []
  const streams = new Set<Stream & { end(): void }>()
  const heard = createEventQueue<Heard>()
  const reader = heard.events[Symbol.asyncIterator]()
  let closes = 0

  function open(options: StreamOptions): Stream {
    opened.push(options)
    const queue = createEventQueue<SpeechEvent>()
    let pieces: Int16Array[] = []
    let spoke = false
    let utterance = 0
    let pendingSamples = 0
    let sealed = false
    let last: Promise<void> = Promise.resolve()

    function endUtterance(cause: EndCause) {
      const samples = joinSamples(pieces)
      pieces = []
      spoke = false
      const mine = { samples, ...options }
      heard.push(mine)
      const index = utterance++
      const words = Promise.try(() => answer(mine))
      words.catch(() => {})
      last = last.then(async () => {
        const event = await eventOf(words, index, cause)
        pendingSamples -= samples.length
        queue.push(event)
      })
    }

    function endAtZeros(samples: Int16Array) {
      let start = 0
      samples.forEach((sample, at) => {
        if (sample !== 0) spoke = true
        else if (spoke) {
          pieces.push(samples.subarray(start, at + 1))
          start = at + 1
          endUtterance("endpoint")
        }
      })
      pieces.push(samples.subarray(start))
    }

    const stream = {
      accept(samples: Int16Array) {
        if (sealed) return
        pendingSamples += samples.length
        if (endpoints) endAtZeros(samples)
        else pieces.push(samples)
      },
      commit() {
        if (!sealed) endUtterance("commit")
      },
      finish() {
        if (sealed) return
        if (pieces.some((piece) => piece.length > 0)) endUtterance("close")
        sealed = true
        last = last.then(() => queue.end())
      },
      events: queue.events,
      get pendingSamples() {
        return pendingSamples
      },
      close() {
        if (!streams.delete(stream)) return
        closes++
        sealed = true
        queue.cut()
      },
      end: queue.end,
    }
    streams.add(stream)
    return stream
  }

  return {
    name: "scripted",
    model: "samples",
    endpoints,
    open,
    ready,
    async close() {
      for (const stream of [...streams]) stream.close()
    },
    opened,
    get openNow() {
      return streams.size
    },
    get closes() {
      return closes
    },
    async nextHeard() {
      const next = await reader.next()
      if (next.done) throw new Error("the engine is closed")
      return next.value
    },
    breakStreams() {
      for (const stream of streams) stream.end()
    },
  }
}

async function eventOf(words: Promise<string>, utterance: number, cause: EndCause): Promise<SpeechEvent> {
  try {
    const text = await words
    const numbers = { language: "en", avgLogprob: null, noSpeechProb: null, startMs: 0, endMs: 0 }
    return { type: "final", utterance, text, end: true, cause, ...numbers }
  } catch (thrown) {
    if (!(thrown instanceof EngineError)) throw thrown
    return { type: "failed", utterance, code: thrown.code, message: thrown.message }
  }
}
