/**
 * The wire of Vosk's WebSocket server: each audio message is answered by exactly one JSON text, the words of the utterance so far or
 * those of one that has ended, because its clients send and read in turns. Knows no engine and no clock.
 */
import type { z } from "zod"
import { type AudioReader, createAudioReader, SAMPLE_RATES_HZ } from "../audio/input.ts"
import type { FinalEvent, SpeechEvent } from "../speech/events.ts"
import { joinTexts, type Word } from "../speech/transcript.ts"
import { audioFormatOf, type Config, DEFAULT_CONFIG, PROMPT_CHARACTERS_MAX, streamOptionsOf, withWishes } from "./config.ts"
import { CONTROL_CHARACTERS_MAX } from "./controls.ts"
import type { Command, Dialect } from "./dialect.ts"
import type { SocketDoor } from "./door.ts"
import { OWN_MESSAGE_MAX } from "./own-door.ts"
import { accept, readStream } from "./reading.ts"
import { readMessage, SAMPLE_RATE_HZ, type VoskAnswer, type VoskMessage, type VoskWord } from "./vosk-messages.ts"

/** Unsupported data: what a client gets that wishes for a sample rate that we cannot read. */
const UNSUPPORTED = 1003

const TOO_BIG = 1009

/** What a list of phrases has for all other words. */
const UNKNOWN_WORD = "[unk]"

/** An utterance that has ended. */
interface Ended {
  readonly text: string
  readonly words: readonly Word[]
  readonly confidence: number | null
}

const NOTHING: Ended = { text: "", words: [], confidence: null }

export const voskDoor: SocketDoor = {
  name: "vosk",
  paths: ["/vosk"],
  messageMax: OWN_MESSAGE_MAX,
  open({ query }, { language }) {
    const config = withWishes({ ...DEFAULT_CONFIG, language, sample_rate: SAMPLE_RATE_HZ, interim: true, words: true }, fromQuery(query))
    if (!config.ok) return { ok: false, refusal: line(400, config.fault) }
    return { ok: true, label: "vosk", dialect: () => createVosk(config.config), paced: false }
  },
  refuse: ({ status, message }) => line(status, message),
}

/** Vosk has one model for one language; ours is told which by the address. */
function fromQuery(query: URLSearchParams): Readonly<Record<string, unknown>> {
  return { language: query.get("language") ?? undefined, sample_rate: query.get("sample_rate") ?? undefined }
}

export function createVosk(initial: Config): Dialect {
  let config = initial
  let words = true
  let alternatives = false
  let reader: AudioReader | undefined
  let partial = ""
  /** Finals of the utterance whose terminator is still to come. */
  let segments: FinalEvent[] = []
  /** Utterances that no answer has told yet. */
  let ended: Ended[] = []
  /** What is owed behind a reset that the engine has not answered: the answers to so many audio messages, for each reset. */
  const resets: { audioMessages: number }[] = []

  function told(utterance: Ended): string {
    const result = words && utterance.words.length > 0 ? { result: utterance.words.map(wordFields) } : {}
    if (!alternatives) return written({ ...result, text: utterance.text })
    return written({ alternatives: [{ confidence: utterance.confidence ?? 1, ...result, text: utterance.text }] })
  }

  /** One answer: an utterance that ended, or what is being said. */
  function answer(): string {
    const next = ended.shift()
    return next ? told(next) : written({ partial })
  }

  /** All that ended, in one answer. */
  function rest(): string {
    const all = ended
    ended = []
    const [first = NOTHING, ...others] = all
    const text = joinTexts(all.map(({ text }) => text))
    return told(others.length === 0 ? first : { text, words: all.flatMap(({ words }) => words), confidence: null })
  }

  function configure(wished: NonNullable<VoskMessage["config"]>): readonly Command[] {
    if (wished.words !== undefined) words = Boolean(wished.words)
    if (wished.max_alternatives !== undefined) alternatives = Number(wished.max_alternatives) > 0
    // The audio that came is read already.
    if (reader) return []
    const result = withWishes(config, { sample_rate: rateOf(wished.sample_rate), prompt: promptOf(wished.phrase_list) })
    if (result.ok) config = result.config
    const reason = `sample_rate must be one of ${SAMPLE_RATES_HZ.join(", ")}`
    return result.ok ? [] : [{ type: "fail", code: UNSUPPORTED, reason }]
  }

  function* answered(commands: Iterable<Command>): Generator<Command> {
    yield* commands
    const reset = resets.at(-1)
    if (reset) reset.audioMessages++
    else yield { type: "say", text: answer() }
  }

  function end(utterance: Ended): void {
    if (utterance.text !== "") ended.push(utterance)
    segments = []
    partial = ""
  }

  /** What is owed up to the next reset. */
  function afterReset(): readonly string[] {
    const reset = resets.shift()
    return reset ? [rest(), ...Array.from({ length: reset.audioMessages }, answer)] : []
  }

  return {
    get stream() {
      return streamOptionsOf(config)
    },
    greet: () => [],
    readBytes(bytes) {
      const format = audioFormatOf(config)
      reader ??= createAudioReader(format)
      const commands = readStream(reader, bytes, format)
      return Array.isArray(commands) ? [...answered(commands)] : answered({ [Symbol.iterator]: () => commands as Iterator<Command> })
    },
    readText(text) {
      if (text.length > CONTROL_CHARACTERS_MAX)
        return [{ type: "fail", code: TOO_BIG, reason: `a text has at most ${CONTROL_CHARACTERS_MAX} characters` }]
      const message = readMessage(text)
      if (!message) return []
      if (message.eof !== undefined) return [...(reader ? accept(reader.end()) : []), { type: "finish" }]
      if (message.reset !== undefined) {
        resets.push({ audioMessages: 0 })
        return [{ type: "commit" }]
      }
      return message.config ? configure(message.config) : []
    },
    write(event: SpeechEvent) {
      if (event.type === "partial") partial = event.text
      if (event.type !== "final" && event.type !== "failed") return []
      if (event.type === "final") segments.push(event)
      if (event.type === "final" && !event.end) return []
      // A failure takes no words back that were final already.
      end(together(segments))
      return event.cause === "commit" ? afterReset() : []
    },
    finished: () => [...resets.splice(0).flatMap(({ audioMessages }) => Array.from({ length: audioMessages }, answer)), rest()],
    fail: () => [],
    close() {
      reader?.close()
      reader = undefined
    },
  }
}

/** As a number, whatever it is written as: of nothing else is there a rate. */
function rateOf(given: unknown): number | undefined {
  return given === undefined ? undefined : Number(given ?? Number.NaN)
}

/** A hint, as much of it as is heard of. */
function promptOf(phrases: unknown): string | undefined {
  if (!Array.isArray(phrases)) return undefined
  const said = phrases.filter((phrase): phrase is string => typeof phrase === "string" && phrase !== UNKNOWN_WORD)
  return said.join(", ").slice(0, PROMPT_CHARACTERS_MAX)
}

function together(segments: readonly FinalEvent[]): Ended {
  const [last] = segments.slice(-1)
  return {
    text: joinTexts(segments.map(({ text }) => text)),
    words: segments.flatMap(({ words }) => words ?? []),
    confidence: last?.confidence ?? null,
  }
}

function written(answer: VoskAnswer): string {
  return JSON.stringify(answer)
}

function wordFields({ text, startMs, endMs, confidence }: Word): z.output<typeof VoskWord> {
  return { conf: confidence ?? 1, end: endMs / 1000, start: startMs / 1000, word: text }
}

function line(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8" } })
}
