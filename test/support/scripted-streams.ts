/**
 * An Engine that obeys every law of engine.ts and events.ts and whose words come from the audio itself, so that a test can
 * tell whose words it reads: samples 7 7 7 9 are "word 7 9", zeros are silence. `answer` may say otherwise, or take its time.
 * Where the stream asks for endpointing, somebody speaks from the first sample that is not zero to the next that is.
 */
import { joinSamples, msFromSamples } from "../../src/audio/pcm.ts"
import { type Engine, EngineError, type Language, type Stream, type StreamChanges, type StreamOptions } from "../../src/engines/engine.ts"
import { createEventQueue } from "../../src/speech/event-queue.ts"
import type { EndCause, FinalEvent, SpeechEvent } from "../../src/speech/events.ts"

export interface Heard {
  readonly samples: Int16Array
  readonly language: Language
  readonly session: string
}

export interface ScriptOptions {
  /** If true, a zero after speech ends an utterance also where only a commit should, as one that grew beyond all bounds. */
  readonly cuts?: boolean
  /** The words of an utterance; an EngineError thrown fails it. */
  readonly answer?: (heard: Heard) => string | Promise<string>
  readonly ready?: () => Promise<void>
}

export interface ScriptedStreams extends Engine {
  /** Every stream ever opened. */
  readonly opened: readonly StreamOptions[]
  /** Every change ever asked for. */
  readonly configured: readonly StreamChanges[]
  readonly openNow: number
  /** How often a stream was closed for the first time. */
  readonly closes: number
  /** The nth call resolves with the nth utterance that ended, whether before or after the call. */
  nextHeard(): Promise<Heard>
  /** Breaks every open stream the way only a bug can. */
  breakStreams(): void
}

/** One word for each run of equal samples that are not zero: more audio only ever adds words. */
export function wordOf({ samples }: { samples: Int16Array }): string {
  const said: number[] = []
  let last = 0
  for (const sample of samples) {
    if (sample !== last && sample !== 0) said.push(sample)
    last = sample
  }
  return said.length === 0 ? "" : `word ${said.join(" ")}`
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

export function createScriptedStreams({ cuts = false, answer = wordOf, ready = async () => {} }: ScriptOptions = {}): ScriptedStreams {
  const opened: StreamOptions[] = []
  const configured: StreamChanges[] = []
  const streams = new Set<Stream & { end(): void }>()
  const heard = createEventQueue<Heard>()
  const reader = heard.events[Symbol.asyncIterator]()
  let closes = 0

  function open(options: StreamOptions): Stream {
    opened.push(options)
    const { session, endpointing, interims } = options
    const queue = createEventQueue<SpeechEvent>()
    let { language } = options
    let pieces: Int16Array[] = []
    let openSamples = 0
    /** Of all the audio so far. */
    let position = 0
    let spoke = false
    let utterance = 0
    let pendingSamples = 0
    let sealed = false
    let partialText = ""
    let last: Promise<void> = Promise.resolve()

    const isOpen = () => spoke || openSamples > 0

    /** Forgets the open utterance, whose samples it returns. */
    function takeOpen(): Int16Array {
      const samples = joinSamples(pieces)
      pieces = []
      openSamples = 0
      spoke = false
      partialText = ""
      return samples
    }

    function endUtterance(cause: EndCause) {
      const atMs = msFromSamples(position)
      if (cause === "endpoint") queue.push({ type: "speech_end", utterance, atMs })
      const samples = takeOpen()
      const mine = { samples, language, session }
      const span = { startMs: msFromSamples(position - samples.length), endMs: atMs }
      heard.push(mine)
      const index = utterance++
      const words = Promise.try(() => answer(mine))
      words.catch(() => {})
      last = last.then(async () => {
        const event = await terminatorOf(words, index, cause, span, options)
        pendingSamples -= samples.length
        queue.push(event)
      })
    }

    function keep(samples: Int16Array) {
      pieces.push(samples)
      openSamples += samples.length
      position += samples.length
    }

    /** One run of sound or silence. */
    function hear(samples: Int16Array, silent: boolean) {
      if (!endpointing) {
        keep(samples)
        spoke ||= !silent
        if (cuts && silent && spoke) endUtterance("max")
      } else if (!silent) {
        if (!spoke) queue.push({ type: "speech_start", utterance, atMs: msFromSamples(position) })
        spoke = true
        keep(samples)
        if (interims) tellPartial()
      } else {
        const ending = spoke ? 1 : 0
        if (spoke) {
          keep(samples.subarray(0, ending))
          endUtterance("endpoint")
        }
        position += samples.length - ending
        pendingSamples -= samples.length - ending
      }
    }

    /** The last character may still change, and does. */
    function tellPartial() {
      const words = wordOf({ samples: joinSamples(pieces) })
      if (words === partialText) return
      partialText = words
      const times = { startMs: msFromSamples(position - openSamples), endMs: msFromSamples(position), lagMs: 0 }
      queue.push({ type: "partial", utterance, segment: 0, text: `${words}…`, stable: words.length, ...times })
    }

    const stream = {
      accept(samples: Int16Array) {
        if (sealed) return
        pendingSamples += samples.length
        for (let start = 0; start < samples.length; ) {
          const silent = samples[start] === 0
          const rest = samples.subarray(start)
          const length = rest.findIndex((sample) => (sample === 0) !== silent)
          hear(length < 0 ? rest : rest.subarray(0, length), silent)
          start += length < 0 ? rest.length : length
        }
      },
      commit() {
        if (!sealed) endUtterance("commit")
      },
      clear() {
        if (sealed) return
        const cleared = isOpen() ? utterance++ : null
        pendingSamples -= takeOpen().length
        last = last.then(() => queue.push({ type: "cleared", utterance: cleared }))
      },
      configure(changes: StreamChanges) {
        configured.push(changes)
        language = changes.language ?? language
      },
      finish() {
        if (sealed) return
        if (isOpen()) endUtterance("close")
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
    open,
    ready,
    async close() {
      for (const stream of [...streams]) stream.close()
    },
    opened,
    configured,
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

type Span = Pick<FinalEvent, "startMs" | "endMs">

async function terminatorOf(
  said: Promise<string>,
  utterance: number,
  cause: EndCause,
  span: Span,
  { language, words }: StreamOptions,
): Promise<SpeechEvent> {
  try {
    return finalEvent(await said, { utterance, cause, language, ...span }, words)
  } catch (thrown) {
    if (!(thrown instanceof EngineError)) throw thrown
    return { type: "failed", utterance, cause, code: thrown.code, message: thrown.message }
  }
}

/** A final event with whatever the test does not care about filled in. */
export function finalEvent(text: string, fields: Partial<FinalEvent> = {}, withWords = false): FinalEvent {
  const { startMs = 0, endMs = startMs } = fields
  const words = text.split(" ").map((word) => ({ text: word, startMs, endMs, confidence: 0.5 }))
  const place = { utterance: 0, segment: 0, startMs, endMs, end: true, cause: "commit", language: "en" } as const
  const trust = { confidence: text === "" ? null : 0.5, avgLogprob: null, noSpeechProb: null }
  return { type: "final", text, ...place, ...trust, words: withWords && text !== "" ? words : null, ...fields }
}
