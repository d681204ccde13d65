/**
 * Recordings heard on this machine as the server hears those of its REST doors: the same decoding, the same stretches, the same
 * engines, so the same words. Knows no file and no format of transcripts.
 */
import { createDecoder } from "../audio/decoding/decoders.ts"
import { msFromSamples } from "../audio/pcm.ts"
import { realClock } from "../clock.ts"
import { EngineError } from "../engines/engine.ts"
import { openDetector, openProvider, type Speech, speechOf } from "../engines/index.ts"
import { PIECE_MAX_SAMPLES } from "../engines/whisper/cut.ts"
import { createRecordings, RECORDING_SECONDS_MAX } from "../server/recordings.ts"
import { type Heard, joinParts } from "../speech/transcript.ts"
import { enginesThatFit, readMachine } from "./machine.ts"
import { type Program, stopped } from "./program.ts"
import { showDownload } from "./progress.ts"
import { type Ahead, readAhead } from "./read-ahead.ts"

/** A video of some hours. What must be held as a whole to be decoded takes as much memory. */
const BYTES_MAX = 4 * 1024 ** 3

export interface HearOptions {
  /** Whether the times of the words are wanted. */
  readonly words: boolean
  /** The words in English, whatever was spoken. */
  readonly translate: boolean
  /** How far it is heard; `totalMs` is null while nobody knows. */
  readonly onProgress: (heardMs: number, totalMs: number | null) => void
}

export interface Hearing {
  /** Rejects with why nothing, or not all, could be heard: see `reasonOf`. */
  hear(source: AsyncIterable<Uint8Array>, options: HearOptions): Promise<Heard>
  close(): Promise<void>
}

/** `alone`: only one recording will come, so a short one needs no more engines than it has pieces. The provider hears recordings. */
export function createHearing(program: Program, alone: boolean): Hearing {
  const { settings, env, log, stop, decodeCommand } = program
  const decoder = createDecoder({ command: decodeCommand, env, processes: 1, log })
  let opened: Promise<Opened> | undefined

  return {
    async hear(source, { words, translate, onProgress }) {
      const over = new AbortController()
      const signal = AbortSignal.any([stop, over.signal])
      const ahead = readAhead(decoder.decodeRecording(source, { signal, maxSeconds: RECORDING_SECONDS_MAX, maxBytes: BYTES_MAX }))
      try {
        const engines = await enginesFor(ahead)
        opened ??= open(program, engines)
        const { whole, ready } = await opened
        await ready()
        // It was decoded already.
        const decoded = { decodeRecording: () => ahead.pieces, close: () => decoder.close() }
        const recordings = createRecordings({ ...whole, decoder: decoded, waitingMax: 0 }, LIMITS, realClock)("transcribe")
        const options = { language: settings.STT_LANGUAGE_CODE, words, translate }
        const parts = []
        onProgress(0, lengthMs(ahead))
        for await (const part of recordings.transcribe(source, options, signal)) {
          parts.push(part)
          onProgress(part.endMs, lengthMs(ahead))
        }
        return joinParts(parts)
      } finally {
        over.abort()
      }
    },
    async close() {
      await decoder.close()
      await (await opened?.catch(() => undefined))?.close()
    },
  }

  async function enginesFor(ahead: Ahead): Promise<number> {
    const fitting = settings.STT_ENGINES ?? enginesThatFit(readMachine())
    await ahead.reached(alone ? fitting * PIECE_MAX_SAMPLES : 1)
    return alone && ahead.whole ? Math.min(fitting, Math.ceil(ahead.samples / PIECE_MAX_SAMPLES) || 1) : fitting
  }
}

const LIMITS = { bytesMax: BYTES_MAX, secondsMax: RECORDING_SECONDS_MAX }

function lengthMs({ whole, samples }: Ahead): number | null {
  return whole ? msFromSamples(samples) : null
}

interface Opened {
  readonly whole: NonNullable<Speech["whole"]>
  /** Rejects with an EngineError, `aborted` once the program is stopped. */
  ready(): Promise<void>
  close(): Promise<void>
}

async function open(program: Program, engines: number): Promise<Opened> {
  const download = showDownload(program)
  const vad = openDetector(program)
  const provider = await openProvider({ ...program, engines, vad, onDownload: download.onProgress })
  const { engine, whole } = speechOf(provider, { ...program, vad })
  if (whole === null) throw new Error(`${engine.name} hears streams, not recordings`)
  return {
    whole,
    async ready() {
      try {
        if ((await Promise.race([whole.transcriber.ready(), stopped(program.stop)])) === "stopped")
          throw new EngineError("aborted", "stopped")
      } finally {
        download.end()
      }
    },
    async close() {
      await engine.close()
      await vad.close()
    },
  }
}
