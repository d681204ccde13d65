/**
 * Wyoming, as Home Assistant's voice assistants speak it over TCP: audio between a start and a stop, then exactly one transcript.
 * Knows no socket, no engine and no clock.
 */
import { type AudioFormat, type AudioReader, createAudioReader } from "../../audio/input.ts"
import { languageCode } from "../../speech/language-names.ts"
import { joinTexts } from "../../speech/transcript.ts"
import { audioFormatOf, type Config, DEFAULT_CONFIG, streamChangesOf, streamOptionsOf, withWishes } from "../config.ts"
import type { Command, Dialect } from "../dialect.ts"
import type { TcpDoor } from "../door.ts"
import { accept, readStream } from "../reading.ts"
import { createFrameReader, type Frame, frameText } from "./frames.ts"
import { infoOf } from "./info.ts"

/** A connection on which nothing comes for so long is closed, unless words are owed. */
export const IDLE_MS_MAX = 300_000

/** So much is read at once. */
const QUICK_BYTES = 64 * 1024

/** Bytes of a sample: there is one width that we read. */
const WIDTH = 2

/** TCP has no close codes: they say in the log whose fault it was. */
const PROTOCOL_ERROR = 1002
const UNSUPPORTED = 1003
const IDLE = 1000

export const wyomingDoor: TcpDoor = {
  name: "wyoming",
  open: (defaults) => ({ ok: true, label: "wyoming", paced: false, dialect: () => createWyoming(defaults.language) }),
  refuse: ({ message }) => errorText("busy", message),
}

export function createWyoming(language: string): Dialect {
  let config: Config = { ...DEFAULT_CONFIG, language, vad: "none" }
  const frames = createFrameReader()
  let model = ""
  let reader: AudioReader | undefined
  /** How the stream is opened: as things stand at the first sound. What changes behind it is a command of its own. */
  let opened: Config | undefined
  let stopsOwed = 0
  /** Of the utterance whose stop is the next to be answered: engines cut very long ones. */
  let texts: string[] = []
  let heardLanguage: string | null = null
  let lastMs = 0

  const say = (type: string, data: Readonly<Record<string, unknown>>): Command => ({ type: "say", text: frameText(type, data) })

  function refuse(code: number, message: string): Command {
    return { type: "fail", text: errorText("bad_request", message), code, reason: message }
  }

  /** Changes nothing unless all of it can be done. */
  function wish(wished: Readonly<Record<string, unknown>>): boolean {
    const result = withWishes(config, wished)
    if (result.ok) config = result.config
    return result.ok
  }

  function transcribe({ language: wished }: Frame["data"]): readonly Command[] {
    // Each turn says its own. A name that nobody knows is no reason to hear nothing.
    const isNamed = typeof wished === "string" && wish({ language: languageCode(wished) ?? wished })
    if (!isNamed) wish({ language })
    return opened ? [{ type: "configure", changes: streamChangesOf(config) }] : []
  }

  /** The reader for audio of this kind, or why there is none. */
  function readerFor({ rate, width, channels }: Frame["data"]): AudioReader | Command {
    const before = audioFormatOf(config)
    const isOurs = (width ?? WIDTH) === WIDTH && wish({ sample_rate: rate, channels })
    if (!isOurs) return refuse(UNSUPPORTED, "audio must be 16-bit samples at 8000, 16000, 24000, 44100 or 48000 Hz, 1 or 2 channels")
    if (!sameFormat(before, audioFormatOf(config))) closeReader()
    reader ??= createAudioReader(audioFormatOf(config))
    return reader
  }

  function* hear({ data, payload }: Frame): Generator<Command> {
    const found = readerFor(data)
    if ("type" in found) return yield found
    opened ??= config
    const commands = readStream(found, payload, audioFormatOf(config))
    yield* Array.isArray(commands) ? commands : { [Symbol.iterator]: () => commands as Iterator<Command> }
  }

  function* stop(): Generator<Command> {
    if (reader) yield* accept(reader.end())
    closeReader()
    opened ??= config
    stopsOwed++
    yield { type: "commit" }
  }

  function* obey(frame: Frame): Generator<Command> {
    switch (frame.type) {
      case "describe":
        return yield say("info", infoOf(model))
      case "ping":
        return yield say("pong", frame.data)
      case "transcribe":
        return yield* transcribe(frame.data)
      case "audio-start": {
        const found = readerFor(frame.data)
        return "type" in found ? yield found : undefined
      }
      case "audio-chunk":
        return yield* hear(frame)
      case "audio-stop":
        return yield* stop()
    }
  }

  /** The bytes are taken before the first command is asked for. */
  function read(bytes: Uint8Array): Iterator<Command> & Iterable<Command> {
    try {
      return obeyAll(frames.read(bytes))
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError)) throw thrown
      return [refuse(PROTOCOL_ERROR, thrown.message)].values()
    }
  }

  function* obeyAll(complete: readonly Frame[]): Generator<Command> {
    for (const frame of complete) yield* obey(frame)
  }

  function closeReader() {
    reader?.close()
    reader = undefined
  }

  return {
    get stream() {
      return streamOptionsOf(opened ?? config)
    },
    greet(facts) {
      model = facts.model
      return []
    },
    readBytes(bytes, nowMs) {
      lastMs = nowMs
      const commands = read(bytes)
      return bytes.length <= QUICK_BYTES ? [...commands] : commands
    },
    readText: () => [],
    write(event, nowMs) {
      if (event.type !== "final" && event.type !== "failed") return []
      lastMs = nowMs
      if (event.type === "final") {
        texts.push(event.text)
        heardLanguage ??= event.language
        if (!event.end) return []
      }
      if (event.cause !== "commit") return []
      stopsOwed--
      const transcript = frameText("transcript", { text: joinTexts(texts), language: heardLanguage })
      texts = []
      heardLanguage = null
      // Who waits for a transcript waits in vain for anything else.
      return event.type === "failed" ? [errorText(event.code, event.message), transcript] : [transcript]
    },
    get wakeAtMs() {
      return stopsOwed > 0 ? null : lastMs + IDLE_MS_MAX
    },
    wake: () => [{ type: "fail", code: IDLE, reason: "idle" }],
    finished: () => [],
    fail: (fault, message) => [errorText(fault, message)],
    close: closeReader,
  }
}

function errorText(code: string, text: string): string {
  return frameText("error", { text, code })
}

function sameFormat(one: AudioFormat, other: AudioFormat): boolean {
  return one.sampleRateHz === other.sampleRateHz && one.channels === other.channels
}
