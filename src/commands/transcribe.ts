/**
 * `transcribe`: the words of WAV files, in order, one line a file (or one JSON object a file). A file that fails costs only
 * itself: its reason goes to stderr and the exit code is 1. Knows no model.
 */
import { samplesFromWav } from "../audio/files.ts"
import { msFromSamples } from "../audio/pcm.ts"
import { EngineError, type Transcriber } from "../engines/engine.ts"
import { openDetector, openProvider } from "../engines/index.ts"
import { type CutPiece, cutAtPauses, PIECE_MAX_SAMPLES } from "../engines/whisper/cut.ts"
import { joinTexts, type Segment, shiftedBy, type Transcript } from "../speech/transcript.ts"
import type { VoiceActivityDetector } from "../speech/vad/vad.ts"
import { enginesThatFit, readMachine } from "./machine.ts"
import { EXIT, type Program, stopped } from "./program.ts"
import { createBar, showDownload } from "./progress.ts"
import { reasonOf } from "./reason.ts"

export interface TranscribeOptions {
  /** Paths; `-` is standard input. */
  readonly files: readonly string[]
  readonly json: boolean
}

export async function transcribe(program: Program, { files, json }: TranscribeOptions): Promise<number> {
  if (program.settings.STT_PROVIDER === "deepgram") {
    program.writeError("transcribe needs STT_PROVIDER=faster_whisper or groq: deepgram is used for live streams only")
    return EXIT.badSettings
  }
  let opened: Opened | undefined
  let code: number = EXIT.drained
  try {
    for (const file of files) {
      if (program.stop.aborted) return EXIT.failed
      try {
        const samples = await samplesFromWav(bytesOf(file))
        opened ??= await open(program, files.length === 1 ? samples : undefined)
        const transcript = await transcribeLong(samples, file, opened, program)
        program.write(json ? JSON.stringify(report(file, samples, transcript)) : transcript.text)
      } catch (error) {
        opened?.download.end()
        program.writeError(`${file}: ${reasonOf(error)}`)
        code = EXIT.failed
      }
    }
  } finally {
    await opened?.transcriber.close()
    await opened?.vad.close()
  }
  return code
}

interface Opened {
  readonly transcriber: Transcriber
  readonly vad: VoiceActivityDetector
  readonly download: ReturnType<typeof showDownload>
}

/** For a single file, hardly more engines than it has pieces: each takes memory and half a second of a core. */
async function open(program: Program, onlySamples: Int16Array | undefined): Promise<Opened> {
  const fitting = program.settings.STT_ENGINES ?? enginesThatFit(readMachine())
  const engines = onlySamples === undefined ? fitting : Math.min(fitting, Math.ceil(onlySamples.length / PIECE_MAX_SAMPLES) || 1)
  const download = showDownload(program)
  const vad = openDetector(program)
  const provider = await openProvider({ ...program, engines, vad, onDownload: download.onProgress })
  if (provider.kind !== "transcriber") throw new Error(`${provider.engine.name} hears streams, not files`)
  return { transcriber: provider.transcriber, vad, download }
}

/** Piece by piece, so that progress can be shown and any provider's limit on length is kept. */
async function transcribeLong(samples: Int16Array, file: string, { transcriber, download }: Opened, program: Program): Promise<Transcript> {
  const { stop, settings } = program
  if ((await Promise.race([transcriber.ready(), stopped(stop)])) === "stopped") throw new EngineError("aborted", "stopped")
  download.end()
  const pieces = await Array.fromAsync(cutAtPauses(samples, async () => null))
  const bar = pieces.length > 1 ? createBar({ ...program, label: file, unit: "s" }) : undefined
  const transcripts: Transcript[] = []
  let doneSamples = 0
  const over = new AbortController()
  const signal = AbortSignal.any([stop, over.signal])
  const rest = pieces.entries()
  const worker = async () => {
    for (const [index, piece] of rest) {
      transcripts[index] = await transcriber.transcribe({ samples: piece.samples, language: settings.STT_LANGUAGE_CODE }, signal)
      doneSamples += piece.samples.length
      bar?.set(msFromSamples(doneSamples) / 1000, msFromSamples(samples.length) / 1000)
    }
  }
  bar?.set(0, msFromSamples(samples.length) / 1000)
  try {
    await Promise.all(Array.from({ length: transcriber.concurrency }, worker))
  } finally {
    over.abort()
    bar?.end()
  }
  return joinTranscripts(pieces, transcripts)
}

function joinTranscripts(pieces: readonly CutPiece[], transcripts: readonly Transcript[]): Transcript {
  const segments = transcripts.flatMap((transcript, index) => {
    const startMs = msFromSamples(pieces[index]?.startSample ?? 0)
    return transcript.segments.map((segment) => shiftedBy(segment, startMs))
  })
  const spoken = transcripts.find(({ text, language }) => text !== "" && language !== null)
  return { text: joinTexts(transcripts.map(({ text }) => text)), language: spoken?.language ?? transcripts[0]?.language ?? null, segments }
}

function report(file: string, samples: Int16Array, { text, language, segments }: Transcript) {
  const trimmed = segments.map((segment: Segment) => ({ ...segment, text: segment.text.trim() }))
  return { file, durationSeconds: msFromSamples(samples.length) / 1000, language, text, segments: trimmed }
}

function bytesOf(file: string): AsyncIterable<Uint8Array> {
  return file === "-" ? Bun.stdin.stream() : Bun.file(file).stream()
}
