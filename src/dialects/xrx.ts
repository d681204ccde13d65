/**
 * The plain dialect of `/api/v1/ws`, the one that xRx speaks: PCM s16le in binary messages, and each text frame back is the
 * whole turn of a speaker. The client acts on every text frame it gets, so nothing else may ever be one: no partial words, no
 * blank text, no status, no error.
 */
import { createSampleReader, samplesFromBytes } from "../audio/pcm.ts"
import type { SpeechEvent } from "../speech/events.ts"
import { joinTexts } from "../speech/transcript.ts"
import type { Command, Dialect } from "./dialect.ts"

/** Each binary message is one whole utterance: one reply each, or none for silence. An odd last byte is dropped. */
export function createXrxUtterances(): Dialect {
  return {
    readBytes(bytes) {
      const samples = samplesFromBytes(bytes)
      return samples.length === 0 ? NOTHING : [{ type: "accept", samples }, { type: "commit" }]
    },
    readText: () => NOTHING,
    // An engine may hear the end of a sentence inside the message; the turn ends where the client said so.
    write: createTurnWriter((event) => event.cause === "commit" || event.cause === "close"),
  }
}

/** Binary messages are slices of one endless stream, cut anywhere: one reply for each utterance that the engine heard end. */
export function createXrxFrames(): Dialect {
  const read = createSampleReader()
  return {
    readBytes(bytes) {
      const samples = read(bytes)
      return samples.length === 0 ? NOTHING : [{ type: "accept", samples }]
    },
    readText: () => NOTHING,
    write: createTurnWriter(() => true),
  }
}

const NOTHING: readonly Command[] = []

/** Gathers the finals of a turn into one text frame; `endsTurn` judges the last final of each utterance. */
function createTurnWriter(endsTurn: (last: SpeechEvent & { type: "final" }) => boolean): Dialect["write"] {
  let texts: string[] = []
  return (event) => {
    if (event.type === "failed") {
      // Half a turn would be answered as if it were the whole.
      texts = []
      return []
    }
    texts.push(event.text)
    if (!event.end || !endsTurn(event)) return []
    const turn = joinTexts(texts)
    texts = []
    return turn === "" ? [] : [turn]
  }
}
