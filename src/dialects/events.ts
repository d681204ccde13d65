/**
 * The JSON dialect of `/api/v1/ws`: audio in binary messages, controls in text messages, and every speech event back as one
 * JSON text. Field names are snake_case and times whole milliseconds. A bad control is answered by an `error` event and
 * changes nothing. Knows no socket, no engine and no clock.
 */
import type { z } from "zod"
import { type AudioReader, createAudioReader } from "../audio/input.ts"
import type { FinalEvent, SpeechEvent } from "../speech/events.ts"
import type { Word } from "../speech/transcript.ts"
import { audioFormatOf, type Config, changedTooLate, streamChangesOf, streamOptionsOf, withWishes } from "./config.ts"
import { type Control, type ControlError, readControl } from "./controls.ts"
import type { Command, Dialect, SessionFacts } from "./dialect.ts"
import type { EventFields, WordFields } from "./event-messages.ts"
import { accept, readStream } from "./reading.ts"

export function createEvents(initial: Config): Dialect {
  let config = initial
  let facts: SessionFacts | undefined
  let reader: AudioReader | undefined
  /** Audio, a commit or a clear came: the stream is open, and its kind is settled. */
  let started = false
  let seq = 0
  /** Of the controls whose event is still owed, oldest first; undefined for one without. */
  const commitRefs: (string | undefined)[] = []
  const clearRefs: (string | undefined)[] = []
  let closeRef: string | undefined

  /** The fields of the events' common head come first, so that a person can read the wire. */
  function line({ type, ...fields }: EventFields): string {
    return JSON.stringify({ type, seq: seq++, ...fields })
  }

  function say(event: EventFields): Command {
    return { type: "say", text: line(event) }
  }

  function ready(ref?: string): EventFields {
    return { type: "ready", session: facts?.session, model: facts?.model, config, ref }
  }

  function refuse({ code, message, ref }: ControlError): readonly Command[] {
    return [say({ type: "error", code, message, fatal: false, ref })]
  }

  function obey(control: Control): readonly Command[] {
    const { type, ref } = control
    switch (type) {
      case "config":
        return configure(control)
      case "commit":
        started = true
        commitRefs.push(ref)
        return [{ type: "commit" }]
      case "clear":
        started = true
        clearRefs.push(ref)
        return [{ type: "clear" }]
      case "keepalive":
        return []
      case "close":
        closeRef = ref
        return [...(reader ? accept(reader.end()) : []), { type: "finish" }]
    }
  }

  function configure(control: Control): readonly Command[] {
    const { ref } = control
    const result = withWishes(config, control)
    if (!result.ok) return refuse({ code: "bad_parameter", message: result.fault, ref })
    const late = started ? changedTooLate(config, result.config) : undefined
    if (late) return refuse({ code: "too_late", message: `${late} can only change before the first audio`, ref })
    config = result.config
    const told = say(ready(ref))
    return started ? [{ type: "configure", changes: streamChangesOf(config) }, told] : [told]
  }

  function finalFields(event: FinalEvent): EventFields {
    return {
      type: event.type,
      utt: event.utterance,
      seg: event.segment,
      text: event.text,
      start_ms: Math.round(event.startMs),
      end_ms: Math.round(event.endMs),
      end: event.end,
      cause: event.cause,
      language: event.language,
      confidence: rounded(event.confidence),
      avg_logprob: rounded(event.avgLogprob),
      no_speech_prob: rounded(event.noSpeechProb),
      words: config.words ? event.words?.map(wordFields) : undefined,
      ref: event.end ? answered(event) : undefined,
    }
  }

  /** The ref of the commit that this terminator answers, if it answers one. */
  function answered({ cause }: { cause: FinalEvent["cause"] | null }): string | undefined {
    return cause === "commit" ? commitRefs.shift() : undefined
  }

  function fieldsOf(event: SpeechEvent): EventFields {
    const { type } = event
    switch (type) {
      case "speech_start":
      case "speech_end":
        return { type, utt: event.utterance, at_ms: Math.round(event.atMs) }
      case "partial":
        return {
          type,
          utt: event.utterance,
          seg: event.segment,
          text: event.text,
          stable: event.stable,
          start_ms: Math.round(event.startMs),
          end_ms: Math.round(event.endMs),
          lag_ms: Math.round(event.lagMs),
        }
      case "final":
        return finalFields(event)
      case "failed":
        return { type, utt: event.utterance, cause: event.cause, code: event.code, message: event.message, ref: answered(event) }
      case "cleared":
        return { type, utt: event.utterance, ref: clearRefs.shift() }
    }
  }

  return {
    get stream() {
      return streamOptionsOf(config)
    },
    greet(told) {
      facts = told
      return [line(ready())]
    },
    readBytes(bytes) {
      if (bytes.length === 0) return []
      started = true
      const format = audioFormatOf(config)
      reader ??= createAudioReader(format)
      return readStream(reader, bytes, format)
    },
    readText(text) {
      const read = readControl(text)
      return "error" in read ? refuse(read.error) : obey(read.control)
    },
    write: (event) => [line(fieldsOf(event))],
    finished: ({ audioMs, utterances }) => [line({ type: "done", audio_ms: Math.round(audioMs), utterances, ref: closeRef })],
    fail: (fault, message) => [line({ type: "error", code: fault, message, fatal: true })],
    close() {
      reader?.close()
      reader = undefined
    },
  }
}

function wordFields({ text, startMs, endMs, confidence }: Word): z.output<typeof WordFields> {
  return { text, start_ms: Math.round(startMs), end_ms: Math.round(endMs), confidence: rounded(confidence) }
}

/** Four digits say all that such a number knows. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 10_000) / 10_000
}
