/**
 * Whisper as a Transcriber: long utterances in pieces, pieces to the pool of engine processes, and their segments back in one
 * transcript. Knows no process and no model file.
 */
import { msFromSamples, samplesFromMs } from "../../audio/pcm.ts"
import { realClock } from "../../clock.ts"
import type { Log } from "../../log.ts"
import { joinTexts, shiftedBy } from "../../speech/transcript.ts"
import type { VoiceActivityDetector } from "../../speech/vad/vad.ts"
import { EngineError, type Language, type Transcriber, type Utterance } from "../engine.ts"
import { type CutPiece, cutAtPauses, type FindPause, longestPause, PIECE_MAX_SAMPLES } from "./cut.ts"
import { createFirewall } from "./firewall.ts"
import { EMBEDDED_SIZE, type ModelChoice } from "./models.ts"
import { createPool, type PieceToRecognise } from "./pool.ts"
import type { Urgency } from "./queue.ts"
import { createListen } from "./second-opinion.ts"

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
  /** False: every word that the model writes counts, over silence and music too. */
  readonly hallucinationFilter: boolean
  /** Finds the pauses at which long utterances are cut, and gives a second opinion on doubtful words. Its owner closes it. */
  readonly vad: VoiceActivityDetector | null
  /** How to start this program again as an engine: [execPath, "__engine"] in the binary, [bun, main.ts, "__engine"] from source. */
  readonly engineCommand: readonly string[]
  /** The engines' environment; the opt-out of ONNX Runtime's telemetry is added to it. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
}

/**
 * So many utterances for each engine may be here at once: beyond the first they wait, but can be heard in one batch, and a short
 * one finds its way past the pieces of a long one.
 */
const UTTERANCES_PER_ENGINE = 4

/** Models that were never taught to translate. */
const NO_TRANSLATION = /\.en\b|turbo|distil/i

/** So many pieces of one utterance for each engine: one in work, one that is there when it ends. */
const PIECES_PER_ENGINE = 2

/** The caller of an utterance above this waits anyhow: its pieces let short utterances pass. */
const LONG_SAMPLES = samplesFromMs(60_000)

/** Languages that a warning was written about; clients may name any. */
const WARNED_LANGUAGES_MAX = 100

/** Returns at once; its processes start in the background. */
export function createWhisper(options: WhisperOptions): Transcriber {
  const { model, modelName, engines, threads, cacheDirs, noSpeechThreshold, hallucinationFilter, vad, engineCommand, env, log } = options
  const pool = createPool({
    init: Promise.resolve(model).then((choice) => ({ type: "init", model: choice, threads, cacheDirs })),
    engines,
    command: engineCommand,
    env,
    clock: realClock,
    log,
  })
  const listen = vad && createListen(vad, { clock: realClock, log })
  const firewall = createFirewall({ noSpeechThreshold, listen })
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

  /** The segments of one piece in which somebody spoke, placed in the time of the utterance. */
  async function hear({ samples, startSample }: CutPiece, request: Omit<PieceToRecognise, "samples">, signal: AbortSignal) {
    const { language, segments } = await pool.recognise({ ...request, samples }, signal)
    // What was promised of the text must stay, whatever it was.
    const trusted = !hallucinationFilter || (request.draft !== null && request.draft.fixed > 0)
    const spoken = trusted ? segments : await firewall.withoutSilence(segments, samples, signal)
    if (signal.aborted) throw abandoned()
    const shiftMs = msFromSamples(startSample)
    return { language, segments: spoken.map((segment) => shiftedBy(segment, shiftMs)) }
  }

  return {
    name: "whisper",
    get model() {
      return usedModel
    },
    concurrency: engines * UTTERANCES_PER_ENGINE,
    interims: true,
    hearsContext: true,
    get translates() {
      return !NO_TRANSLATION.test(usedModel)
    },
    async transcribe(utterance, signal) {
      if (signal.aborted) throw abandoned()
      const {
        samples,
        language,
        prompt = "",
        words = false,
        translate = false,
        live = false,
        crowd,
        draft = null,
        context,
        trace,
      } = utterance
      if (samples.length === 0) return { text: "", language: language === "auto" ? null : language, segments: [] }
      const findPause: FindPause = async (stretch) => {
        const probabilities = await listen?.(stretch, signal)
        return probabilities ? longestPause(probabilities) : null
      }
      const urgency = urgencyOf(utterance)
      // A draft speaks of the beginning of the whole.
      const ownDraft = samples.length > PIECE_MAX_SAMPLES ? null : draft
      const request = { language, prompt, words, translate, draft: ownDraft, urgency, live, crowd, trace }
      const inContext = context && context.samples.length + samples.length <= PIECE_MAX_SAMPLES ? { ...request, context } : request
      const heard = await inTurn(cutAtPauses(samples, findPause), engines * PIECES_PER_ENGINE, signal, (piece, stop) =>
        hear(piece, inContext, stop),
      )
      const segments = heard.flatMap(({ segments }) => segments)
      const heardLanguage = heard.find(({ language }) => language !== null)?.language ?? null
      warnIfUnknown(language, heardLanguage)
      return { text: joinTexts(segments.map(({ text }) => text)), language: heardLanguage, segments }
    },
    ready() {
      // Without it words are still heard, and the first doubt should not have to wait for its start.
      vad?.ready().catch(() => {})
      return pool.ready()
    },
    close: () => pool.close(),
  }
}

function urgencyOf({ samples, interim }: Utterance): Urgency {
  if (interim) return "interim"
  return samples.length > LONG_SAMPLES ? "long" : "short"
}

/** Results in the order of the items, `atOnce` of them in work. The first failure stops the others and is the failure of all. */
async function inTurn<Item, Done>(
  items: AsyncGenerator<Item, void>,
  atOnce: number,
  signal: AbortSignal,
  work: (item: Item, stop: AbortSignal) => Promise<Done>,
): Promise<Done[]> {
  const stop = new AbortController()
  const stopAll = () => stop.abort()
  signal.addEventListener("abort", stopAll)
  const results: Done[] = []
  let begun = 0
  const worker = async () => {
    while (!stop.signal.aborted) {
      const index = begun++
      const { value, done } = await items.next()
      if (done || value === undefined) return
      results[index] = await work(value, stop.signal)
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, worker))
    if (signal.aborted) throw abandoned()
    return results
  } finally {
    stopAll()
    signal.removeEventListener("abort", stopAll)
  }
}

function abandoned(): EngineError {
  return new EngineError("aborted", "the caller gave up")
}
