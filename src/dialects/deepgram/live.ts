/**
 * Deepgram's live transcription as a dialect: audio in binary messages, and of what is heard Results that are first interim, then
 * final. Knows no socket, no engine and no clock.
 */
import type { z } from "zod"
import { type AudioFormat, type AudioReader, createAudioReader } from "../../audio/input.ts"
import { createBeginningReader } from "../../audio/wav-stream.ts"
import type { FailedEvent, FinalEvent, SpeechEvent } from "../../speech/events.ts"
import { audioFormatOf, streamOptionsOf } from "../config.ts"
import type { Command, Dialect, SessionFacts } from "../dialect.ts"
import { accept, readStream } from "../reading.ts"
import { metadataBody } from "./bodies.ts"
import { createLines, errorLine, NO_WORDS } from "./lines.ts"
import { readMessage } from "./messages.ts"
import type { Metadata } from "./shapes.ts"
import { createSilences } from "./silences.ts"
import type { LiveWishes } from "./wishes.ts"

/** Of a client that sends neither audio nor a text. Deepgram waits for 10 s, because it sells them. */
export const IDLE_MS_MAX = 60_000

const IDLE: Command = { type: "fail", code: 1011, reason: `NET-0001: no audio and no text message for ${IDLE_MS_MAX / 1000} s` }

const NOTHING: readonly Command[] = []

export function createLive({ config, container, endpoints, utteranceEndMs, vadEvents }: LiveWishes, provider: string): Dialect {
  let facts: SessionFacts = { session: "", unixMs: 0, model: "" }
  let lines = linesFor(facts)
  const sha256 = new Bun.CryptoHasher("sha256")
  /** Of the stream; undefined while its header is not complete. */
  let format: AudioFormat | undefined = container ? undefined : audioFormatOf(config)
  const header = createBeginningReader()
  let reader: AudioReader | undefined
  let refused = false
  let lastMessageMs = 0
  const silences = createSilences({ endpointMs: endpoints ? config.silence_ms : null, utteranceEndMs })

  function linesFor({ session, model }: SessionFacts) {
    return createLines(session, { model, provider }, config.language === "auto")
  }

  function readBytes(bytes: Uint8Array, nowMs: number): readonly Command[] | Iterator<Command> {
    lastMessageMs = nowMs
    if (bytes.length === 0) return finish()
    if (refused) return NOTHING
    sha256.update(bytes)
    return format ? readSound(bytes, format) : readHeader(bytes)
  }

  function readHeader(bytes: Uint8Array): readonly Command[] | Iterator<Command> {
    const beginning = header.read(bytes)
    if (beginning.kind === "unfinished") return NOTHING
    if (beginning.kind === "sound") {
      format = beginning.format
      return readSound(beginning.bytes, format)
    }
    refused = true
    const { fault } = beginning
    return [{ type: "fail", text: errorLine("DATA-0000", fault), code: 1008, reason: `DATA-0000: ${fault}` }]
  }

  function readSound(bytes: Uint8Array, format: AudioFormat): readonly Command[] | Iterator<Command> {
    reader ??= createAudioReader(format)
    const commands = readStream(reader, bytes, format)
    return "next" in commands ? counted({ [Symbol.iterator]: () => commands }) : [...counted(commands)]
  }

  function* counted(commands: Iterable<Command>): Generator<Command> {
    for (const command of commands) {
      if (command.type === "accept") silences.hear(command.samples.length)
      yield command
    }
    for (const text of silence()) yield { type: "say", text }
  }

  function silence(): string[] {
    return silences.due().map((told) => {
      if (told.type === "utterance_end") return lines.utteranceEnd(told.lastWordEndMs)
      return lines.final(NO_WORDS, 0, { speechFinal: true, fromFinalize: false })
    })
  }

  function finish(): readonly Command[] {
    const rest = reader ? accept(reader.end()) : []
    return [...rest, { type: "finish" }]
  }

  function final(event: FinalEvent): string {
    const { utterance, text, words, endMs, end, cause } = event
    if (text !== "") silences.awaitUtteranceEnd(words?.at(-1)?.endMs ?? endMs)
    if (!end) silences.begin(utterance, event.startMs)
    else if (silences.end(utterance) && cause !== "endpoint") silences.awaitEndpoint(endMs)
    return lines.final(event, endMs, { speechFinal: end && endpoints && cause === "endpoint", fromFinalize: end && cause === "commit" })
  }

  function write(event: SpeechEvent): readonly string[] {
    switch (event.type) {
      case "speech_start":
        silences.begin(event.utterance, event.atMs)
        return [...silence(), ...(vadEvents ? [lines.speechStarted(event.atMs)] : [])]
      case "partial":
        silences.begin(event.utterance, event.startMs)
        // While words before it are owed, it would be taken for theirs.
        return silences.isNext(event.utterance) && event.text !== "" ? [lines.interim(event.text, event.endMs)] : []
      case "final":
        return [final(event), ...silence()]
      case "failed":
        silences.end(event.utterance)
        return [errorLine(event.code, event.message), lostLine(event.cause)]
      case "speech_end":
      case "cleared":
        return []
    }
  }

  /** A client waits for the answer to its Finalize, and for the end of what somebody said, whatever becomes of the words. */
  function lostLine(cause: FailedEvent["cause"]): string {
    return lines.final(NO_WORDS, 0, { speechFinal: endpoints && cause === "endpoint", fromFinalize: cause === "commit" })
  }

  return {
    stream: streamOptionsOf(config),
    greet(told) {
      facts = told
      lines = linesFor(told)
      return []
    },
    readBytes,
    readText(text, nowMs) {
      lastMessageMs = nowMs
      const message = readMessage(text)
      if (message === "Finalize") return [{ type: "commit" }]
      return message === "CloseStream" ? finish() : NOTHING
    },
    write,
    get wakeAtMs() {
      return lastMessageMs + IDLE_MS_MAX
    },
    wake(nowMs) {
      lastMessageMs = nowMs
      return [IDLE]
    },
    finished({ audioMs }) {
      const { session: requestId, unixMs, model } = facts
      const told = { requestId, unixMs, sha256: sha256.digest("hex"), durationMs: audioMs, hearer: { model, provider } }
      return [
        JSON.stringify({ type: "Metadata", ...metadataBody({ ...told, channels: format?.channels ?? config.channels }) } satisfies z.output<
          typeof Metadata
        >),
      ]
    },
    fail: (fault, message) => [errorLine(fault, message)],
    closing: (fault) => (fault === "message_too_big" ? undefined : { code: 1011, reason: "NET-0000: the server cannot go on" }),
    close() {
      reader?.close()
      reader = undefined
    },
  }
}
