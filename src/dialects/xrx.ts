/**
 * The plain dialect of `/api/v1/ws`, the one that xRx speaks: audio in binary messages, and each text frame back is the whole
 * turn of a speaker. The client acts on every text frame it gets, so nothing else may ever be one: no partial words, no blank
 * text, no status, no error.
 */
import { type AudioFormat, type AudioReader, createAudioReader } from "../audio/input.ts"
import type { SpeechEvent } from "../speech/events.ts"
import { joinTexts } from "../speech/transcript.ts"
import { audioFormatOf, type Config, streamOptionsOf } from "./config.ts"
import type { Command, Dialect } from "./dialect.ts"
import { accept, readInParts, readStream } from "./reading.ts"

/** Each binary message is one whole utterance: one reply each, or none for silence. What is no whole sample at its end is dropped. */
export function createXrxUtterances(config: Config): Dialect {
  const format = audioFormatOf(config)
  return {
    ...plain,
    stream: { ...streamOptionsOf(config), endpointing: null, interims: false, words: false },
    readBytes: (bytes) => readInParts(bytes, format, (parts) => readUtterance(parts, format)),
    // An engine may cut a message that grew beyond all bounds; the turn ends where the client said so.
    write: createTurnWriter((event) => event.cause === "commit" || event.cause === "close"),
    close() {},
  }
}

/** Binary messages are slices of one endless stream, cut anywhere: one reply for each utterance whose end was heard. */
export function createXrxFrames(config: Config): Dialect {
  const format = audioFormatOf(config)
  let reader: AudioReader | undefined
  return {
    ...plain,
    stream: { ...streamOptionsOf(config), interims: false, words: false },
    readBytes(bytes) {
      // Not before the first audio: clients keep sockets open for hours, or leak them.
      reader ??= createAudioReader(format)
      return readStream(reader, bytes, format)
    },
    write: createTurnWriter(() => true),
    close() {
      reader?.close()
      reader = undefined
    },
  }
}

const NOTHING: readonly Command[] = []

const plain = {
  greet: () => [],
  readText: () => NOTHING,
  finished: () => [],
  fail: () => [],
}

function* readUtterance(parts: Iterable<Uint8Array>, format: AudioFormat): Generator<Command> {
  const reader = createAudioReader(format)
  let heard = false
  try {
    for (const part of parts) {
      for (const command of accept(reader.read(part))) {
        heard = true
        yield command
      }
    }
    const rest = accept(reader.end())
    yield* rest
    if (heard || rest.length > 0) yield { type: "commit" }
  } finally {
    reader.close()
  }
}

/** Gathers the finals of a turn into one text frame; `endsTurn` judges the last final of each utterance. */
function createTurnWriter(endsTurn: (last: SpeechEvent & { type: "final" }) => boolean): Dialect["write"] {
  let texts: string[] = []
  return (event) => {
    if (event.type === "failed" || event.type === "cleared") {
      // Half a turn would be answered as if it were the whole.
      texts = []
      return []
    }
    if (event.type !== "final") return []
    texts.push(event.text)
    if (!event.end || !endsTurn(event)) return []
    const turn = joinTexts(texts)
    texts = []
    return turn === "" ? [] : [turn]
  }
}
