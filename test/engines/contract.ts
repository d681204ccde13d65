/**
 * What every engine promises (the laws in src/engines/engine.ts and src/speech/events.ts), as one suite that each engine's
 * test file calls with itself.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { msFromSamples } from "../../src/audio/pcm.ts"
import type { Endpointing, Engine, Stream, StreamOptions } from "../../src/engines/engine.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { joinTexts } from "../../src/speech/transcript.ts"
import { answersToCommits, expectLaws, terminators } from "../support/event-laws.ts"

export interface Subject {
  readonly engine: Engine
  /** A few words, a second at least, that the engine (or the local server behind it) understands. */
  readonly speech: Int16Array
  /** Whether silence after speech ends an utterance where endpointing is wanted: what stands behind the engine may be deaf to it. */
  readonly hearsEnds?: boolean
  /** Conversations begun with what stands behind the engine; left out where nothing does. */
  readonly dialled?: () => number
  /** Takes down what stands behind the engine. */
  stop(): Promise<void>
}

export interface ContractOptions {
  /** For each promise. Default 5 s. */
  readonly timeoutMs?: number
}

export function keepsTheContract(name: string, start: () => Promise<Subject>, { timeoutMs = 5000 }: ContractOptions = {}): void {
  describe(`${name} keeps the contract of engines:`, () => {
    let subject: Subject
    let sessions = 0
    beforeAll(async () => {
      subject = await start()
      await subject.engine.ready()
    }, timeoutMs * 4)
    afterAll(async () => {
      await subject.engine.close()
      await subject.stop()
    }, timeoutMs)

    const promise = (title: string, check: () => Promise<void>) => test(title, check, timeoutMs)
    const open = (options: Partial<StreamOptions> = {}) => subject.engine.open({ ...told, ...options, session: `contract ${++sessions}` })
    const speech = () => subject.speech.slice()
    const silence = () => new Int16Array(16_000)

    promise("opening a stream dials nothing", async () => {
      const before = subject.dialled?.()
      const stream = open()
      await Bun.sleep(0)
      expect(subject.dialled?.()).toBe(before)
      stream.close()
    })

    promise("a commit after speech yields its words and exactly one terminator", async () => {
      const stream = open()
      stream.accept(speech())
      stream.commit()
      stream.finish()
      const events = await rest(stream)
      expect(answersToCommits(events)).toHaveLength(1)
      expect(words(events)).not.toBe("")
      expectLaws(events, { endpointing: false, audioMs: msFromSamples(subject.speech.length), ended: true })
    })

    promise("a commit without audio yields exactly one terminator, without words", async () => {
      const stream = open()
      stream.commit()
      stream.finish()
      expect(await rest(stream)).toMatchObject([{ type: "final", utterance: 0, text: "", end: true, cause: "commit" }])
    })

    promise("silence gives no words", async () => {
      const stream = open()
      stream.accept(silence())
      stream.commit()
      stream.finish()
      const events = await rest(stream)
      expect(answersToCommits(events)).toHaveLength(1)
      expect(words(events)).toBe("")
    })

    promise("every commit yields one terminator, in order, also when they come faster than the answers", async () => {
      const stream = open()
      for (const samples of [speech(), new Int16Array(), silence(), speech()]) {
        stream.accept(samples)
        stream.commit()
      }
      stream.finish()
      const events = await rest(stream)
      expect(answersToCommits(events)).toHaveLength(4)
      expectLaws(events, { endpointing: false, audioMs: msFromSamples(subject.speech.length * 2 + silence().length), ended: true })
    })

    promise("the size of chunks does not matter", async () => {
      const heard = async (chunkSamples: number) => {
        const stream = open()
        const samples = speech()
        for (let at = 0; at < samples.length; at += chunkSamples) stream.accept(samples.slice(at, at + chunkSamples))
        stream.commit()
        stream.finish()
        return words(await rest(stream))
      }
      const whole = await heard(subject.speech.length)
      expect(whole).not.toBe("")
      for (const chunkSamples of [320, 4096, 1237]) expect(await heard(chunkSamples)).toBe(whole)
    })

    promise("times lie within the audio accepted and never go back", async () => {
      const stream = open()
      let sampleCount = 0
      for (const samples of [speech(), speech()]) {
        sampleCount += samples.length
        stream.accept(samples)
        stream.commit()
      }
      stream.finish()
      const events = await rest(stream)
      expect(words(events)).not.toBe("")
      expectLaws(events, { endpointing: false, audioMs: msFromSamples(sampleCount), ended: true })
    })

    promise("clearing forgets the open utterance, in its order, and nothing that was committed before", async () => {
      const stream = open()
      stream.clear()
      stream.accept(speech())
      stream.commit()
      stream.accept(speech())
      stream.clear()
      stream.accept(silence())
      stream.commit()
      stream.finish()
      const events = await rest(stream)
      const ended = terminators(events)
      expect(ended.map(({ type, utterance }) => ({ type, utterance }))).toEqual([
        { type: "cleared", utterance: null },
        { type: "final", utterance: 0 },
        { type: "cleared", utterance: 1 },
        { type: "final", utterance: 2 },
      ])
      expect(words(ended.slice(0, 2))).not.toBe("")
      expect(words(ended.slice(2))).toBe("")
      expectLaws(events, { endpointing: false, audioMs: msFromSamples(subject.speech.length * 2 + silence().length), ended: true })
    })

    promise("what is configured in mid-stream breaks nothing", async () => {
      const stream = open()
      stream.configure({ prompt: "names" })
      stream.accept(speech())
      stream.configure({ language: "en", prompt: "", endpointing: { silenceMs: 100 } })
      stream.commit()
      stream.finish()
      stream.configure({ prompt: "too late" })
      const events = await rest(stream)
      expect(words(events)).not.toBe("")
      expect(terminators(events)).toHaveLength(1)
    })

    promise("words are timed only where that is wanted, and lie in their finals", async () => {
      for (const wanted of [false, true]) {
        const stream = open({ words: wanted })
        stream.accept(speech())
        stream.commit()
        stream.finish()
        const events = await rest(stream)
        expectLaws(events, { endpointing: false, audioMs: msFromSamples(subject.speech.length), ended: true })
        if (!wanted) expect(events.filter((event) => event.type === "final" && event.words !== null)).toEqual([])
      }
    })

    promise("endpointing keeps the laws of events, and loses no commit", async () => {
      const stream = open({ endpointing: usual })
      stream.accept(speech())
      stream.accept(silence())
      stream.commit()
      stream.accept(speech())
      stream.commit()
      stream.accept(speech())
      stream.finish()
      const events = await rest(stream)
      const audioMs = msFromSamples(subject.speech.length * 3 + silence().length)
      expectLaws(events, { endpointing: true, audioMs, ended: true })
      expect(answersToCommits(events)).toHaveLength(2)
      expect(words(events)).not.toBe("")
      if (!subject.hearsEnds) return
      expect(events[0]).toMatchObject({ type: "speech_start", utterance: 0 })
      expect(terminators(events)[0]).toMatchObject({ type: "final", cause: "endpoint" })
    })

    promise("endpointing finds the same words whatever the size of chunks, with interims and without", async () => {
      const heard = async (chunkSamples: number, interims: boolean) => {
        const stream = open({ endpointing: usual, interims })
        for (const samples of [speech(), silence(), speech()]) {
          for (let at = 0; at < samples.length; at += chunkSamples) stream.accept(samples.slice(at, at + chunkSamples))
        }
        stream.finish()
        const events = await rest(stream)
        expectLaws(events, { endpointing: true, audioMs: msFromSamples(subject.speech.length * 2 + silence().length), ended: true })
        return words(events)
      }
      const whole = await heard(subject.speech.length, false)
      expect(whole).not.toBe("")
      expect(await heard(1237, false)).toBe(whole)
      expect(await heard(4096, true)).toBe(whole)
    })

    promise("what is owed is counted, and is nothing once everything is answered", async () => {
      const stream = open()
      stream.accept(speech())
      expect(stream.pendingSamples).toBe(subject.speech.length)
      stream.commit()
      stream.finish()
      await rest(stream)
      expect(stream.pendingSamples).toBe(0)
    })

    promise("finishing answers what was heard, and the events end; what comes after it is ignored", async () => {
      const stream = open()
      stream.accept(speech())
      stream.finish()
      stream.accept(speech())
      stream.commit()
      stream.finish()
      const events = await rest(stream)
      expect(words(events)).not.toBe("")
      expect(events.at(-1)).toMatchObject({ type: "final", end: true, cause: "close" })
      expect(answersToCommits(events)).toHaveLength(0)
    })

    promise("finishing a stream that heard nothing just ends it", async () => {
      const stream = open()
      stream.finish()
      expect(await rest(stream)).toEqual([])
    })

    promise("closing ends the events and delivers nothing more, also twice, also in the middle of work", async () => {
      const stream = open()
      const reading = rest(stream)
      stream.accept(speech())
      stream.commit()
      stream.close()
      stream.close()
      stream.accept(speech())
      stream.commit()
      stream.finish()
      expect(await reading).toEqual([])
      expect(stream.pendingSamples).toBe(0)
    })

    promise("the words of one client reach no other", async () => {
      const [speaker, listener] = [open(), open()]
      listener.accept(silence())
      speaker.accept(speech())
      listener.commit()
      speaker.commit()
      listener.finish()
      speaker.finish()
      const [spoken, heard] = await Promise.all([rest(speaker), rest(listener)])
      expect(words(spoken)).not.toBe("")
      expect(words(heard)).toBe("")
      expect(answersToCommits(heard)).toHaveLength(1)
    })

    promise("closing the engine ends its streams, and once is as good as twice", async () => {
      const other = await start()
      const stream = other.engine.open({ ...told, session: "contract last" })
      const reading = rest(stream)
      stream.accept(other.speech.slice())
      stream.commit()
      await Promise.all([other.engine.close(), other.engine.close()])
      expect(await reading).toEqual([])
      await other.engine.close()
      await other.stop()
    })
  })
}

/** Utterances end where the caller says so. */
const told = { language: "en", endpointing: null, interims: false, words: false } as const

const usual: Endpointing = { threshold: 0.5, prefixMs: 300, silenceMs: 500, maxMs: 30_000 }

async function rest(stream: Stream): Promise<SpeechEvent[]> {
  const events: SpeechEvent[] = []
  for await (const event of stream.events) events.push(event)
  return events
}

/** Of all finals; a failure is none. */
function words(events: readonly SpeechEvent[]): string {
  return joinTexts(
    events.flatMap((event) => {
      if (event.type === "failed") throw new Error(`${event.code}: ${event.message}`)
      return event.type === "final" ? [event.text] : []
    }),
  )
}
