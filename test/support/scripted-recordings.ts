/**
 * What whole recordings need, from a script: the words come from the audio itself (as in scripted-streams.ts), a byte of the
 * "file" is 10 ms of that sample, and a byte of 255 is damage.
 */
import type { Decoder } from "../../src/audio/decoding/decoder.ts"
import { msFromSamples } from "../../src/audio/pcm.ts"
import { EngineError, type Transcriber, type Utterance } from "../../src/engines/engine.ts"
import { createPermits, type PermitsOptions } from "../../src/permits.ts"
import type { RecordingEngine } from "../../src/server/recordings.ts"
import { wordOf } from "./scripted-streams.ts"

/** Of one byte of a file. */
export const BYTE_SAMPLES = 160

export interface ScriptedRecordings extends RecordingEngine {
  /** Every stretch ever asked for. */
  readonly heard: readonly Utterance[]
  /** Decodings that began and did not end. */
  readonly decoding: number
}

export interface RecordingsScript extends Partial<PermitsOptions> {
  readonly answer?: (utterance: Utterance, signal: AbortSignal) => string | Promise<string>
  /** Default false. */
  readonly translates?: boolean
  /** Default 1. */
  readonly recordingsWaitingMax?: number
  /** Default: no limit. */
  readonly recordingsWaitingMs?: number
}

export function createScriptedRecordings(script: RecordingsScript = {}): ScriptedRecordings {
  const { answer = wordOf, translates = false, recordingsWaitingMax = 1, recordingsWaitingMs, ...permits } = script
  const heard: Utterance[] = []
  let decoding = 0

  const transcriber: Transcriber = {
    name: "scripted",
    model: "script",
    concurrency: 4,
    interims: false,
    translates,
    async transcribe(utterance, signal) {
      heard.push(utterance)
      const text = await answer(utterance, signal)
      if (signal.aborted) throw new EngineError("aborted", "gone")
      const endMs = msFromSamples(utterance.samples.length)
      const words = utterance.words ? [{ text, startMs: 0, endMs, confidence: 1 }] : null
      const numbers = { avgLogprob: -0.1, noSpeechProb: 0, compressionRatio: 1, temperature: 0, tokens: [1, 2] }
      const segments = text === "" ? [] : [{ text: ` ${text}`, startMs: 0, endMs, ...numbers, words }]
      return { text, language: utterance.language === "auto" ? "de" : utterance.language, segments }
    },
    ready: async () => {},
    close: async () => {},
  }

  const decoder: Decoder = {
    async *decodeRecording(source, { signal }) {
      decoding++
      try {
        for await (const chunk of source instanceof Uint8Array ? [source] : source) {
          for (const byte of chunk) {
            if (signal.aborted) throw new EngineError("aborted", "gone")
            if (byte === 255) throw new EngineError("bad_audio", "damaged")
            yield new Int16Array(BYTE_SAMPLES).fill(byte)
          }
        }
      } finally {
        decoding--
      }
    },
    close: async () => {},
  }

  return {
    transcriber,
    permits: createPermits({ atOnce: 4, waitingMax: 4, ...permits }),
    decoder,
    waitingMax: recordingsWaitingMax,
    waitingMs: recordingsWaitingMs,
    heard,
    get decoding() {
      return decoding
    },
  }
}
