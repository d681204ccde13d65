/**
 * Whisper as a Transcriber: long utterances in pieces, pieces to the pool of engine processes, and their segments back in one
 * transcript. Knows no process and no model file.
 */
import { msFromSamples } from "../../audio/pcm.ts"
import { realClock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { joinTexts, type Segment, withoutSilence } from "../../speech/transcript.ts"
import { EngineError, type Language, type Transcriber } from "../engine.ts"
import { cutAtPauses } from "./cut.ts"
import { EMBEDDED_SIZE, type ModelChoice } from "./models.ts"
import { createPool, type Recognised } from "./pool.ts"
import { whisperSilence } from "./silence.ts"

export interface WhisperOptions {
  /** May still be on its way (a download): the engines start when it is there, and its failure is theirs. */
  readonly model: ModelChoice | Promise<ModelChoice>
  /** As the settings call it; for clients and logs. */
  readonly modelName: string
  /** How many engine processes. */
  readonly engines: number
  /** Threads in each engine. */
  readonly threads: number
  /** Folders that engines may write to, best first. */
  readonly cacheDirs: readonly string[]
  /** 0 to 1: a segment of doubtful words counts as silence above this probability that nobody spoke. */
  readonly noSpeechThreshold: number
  /** How to start this program again as an engine: [execPath, "__engine"] in the binary, [bun, main.ts, "__engine"] from source. */
  readonly engineCommand: readonly string[]
  /** The engines' environment; the opt-out of ONNX Runtime's telemetry is added to it. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
}

/** Two even on one engine: a short utterance then waits for a piece of a long one, not for all of it. */
const CONCURRENCY_MIN = 2

/** Languages that a warning was written about; clients may name any. */
const WARNED_LANGUAGES_MAX = 100

/** Returns at once; its processes start in the background. */
export function createWhisper(options: WhisperOptions): Transcriber {
  const { model, modelName, engines, threads, cacheDirs, noSpeechThreshold, engineCommand, env, log } = options
  const pool = createPool({
    init: Promise.resolve(model).then((choice) => ({ type: "init", model: choice, threads, cacheDirs })),
    engines,
    command: engineCommand,
    env,
    clock: realClock,
    log,
  })
  let usedModel = modelName
  Promise.resolve(model).then(
    (choice) => {
      if (choice.kind === "embedded") usedModel = EMBEDDED_SIZE
    },
    () => {}, // told by the pool to everybody who asks
  )
  const warnedLanguages = new Set<string>()

  function warnIfUnknown(told: Language, heard: string | null) {
    if (told === "auto" || heard === null || heard === told) return
    if (warnedLanguages.has(told) || warnedLanguages.size >= WARNED_LANGUAGES_MAX) return
    warnedLanguages.add(told)
    log.warn("language unknown to the model", { language: told, model: usedModel })
  }

  /** A long utterance leaves one engine to the others. */
  const piecesAtOnce = Math.max(1, engines - 1)

  return {
    name: "whisper",
    get model() {
      return usedModel
    },
    concurrency: Math.max(CONCURRENCY_MIN, engines),
    async transcribe({ samples, language }, signal) {
      if (signal.aborted) throw new EngineError("aborted", "the caller gave up")
      if (samples.length === 0) return { text: "", language: language === "auto" ? null : language, segments: [] }
      const pieces = cutAtPauses(samples)
      const recognised = await inTurn(pieces, piecesAtOnce, signal, (piece, stop) => pool.recognise(piece, language, stop))
      const segments = withoutSilence(placedInTime(pieces, recognised), noSpeechThreshold, whisperSilence)
      const heardLanguage = languageOf(recognised)
      warnIfUnknown(language, heardLanguage)
      return { text: joinTexts(segments.map(({ text }) => text)), language: heardLanguage, segments }
    },
    ready: () => pool.ready(),
    close: () => pool.close(),
  }
}

/** Results in the order of the items, `atOnce` of them in work. The first failure stops the others and is the failure of all. */
async function inTurn<Item, Done>(
  items: readonly Item[],
  atOnce: number,
  signal: AbortSignal,
  work: (item: Item, stop: AbortSignal) => Promise<Done>,
): Promise<Done[]> {
  const stop = new AbortController()
  const stopAll = () => stop.abort()
  signal.addEventListener("abort", stopAll)
  const results: Done[] = []
  const rest = items.entries()
  const worker = async () => {
    for (const [index, item] of rest) results[index] = await work(item, stop.signal)
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, worker))
    return results
  } finally {
    stopAll()
    signal.removeEventListener("abort", stopAll)
  }
}

/** Each piece counts its times from its own start. */
function placedInTime(pieces: readonly Int16Array[], recognised: readonly Recognised[]): Segment[] {
  let startSamples = 0
  return recognised.flatMap(({ segments }, index) => {
    const shiftMs = msFromSamples(startSamples)
    startSamples += pieces[index]?.length ?? 0
    return segments.map((segment) => ({ ...segment, startMs: segment.startMs + shiftMs, endMs: segment.endMs + shiftMs }))
  })
}

/** That of the first piece in which one was heard. */
function languageOf(recognised: readonly Recognised[]): string | null {
  return recognised.find(({ language }) => language !== null)?.language ?? null
}
