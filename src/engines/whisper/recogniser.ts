/**
 * From samples to segments, inside an engine process: the one door to everything that runs a Whisper. Refuses to know
 * processes, sockets, and how long audio is cut to pieces.
 */
import { floatsFromSamples, msFromSamples, SAMPLE_RATE_HZ, samplesFromMs } from "../../audio/pcm.ts"
import type { Segment } from "../../speech/transcript.ts"
import type { Language } from "../engine.ts"
import { type Decoded, decode, throwIfAborted } from "./decode.ts"
import { type LoadedModel, type LoadOptions, loadModel } from "./load.ts"
import { tokenCeiling } from "./loops.ts"
import { createLogMel, HOP_SAMPLES } from "./mel.ts"
import { languageOf } from "./tokens.ts"

export type { ModelSource } from "./load.ts"

export interface Recogniser {
  /**
   * The words of at most 28 s of audio, 16 kHz mono. `language` is ISO 639-1 or `auto`; one that the model does not know is
   * detected instead. Rejects with an EngineError: `aborted` soon after `signal` aborts (80 ms with base), `unavailable` if the
   * model fails.
   */
  recognise(samples: Int16Array, options: RecogniseOptions): Promise<Recognised>
  /** Frees the model. Call it when nothing is running. */
  close(): Promise<void>
}

export interface RecogniseOptions {
  readonly language: Language
  readonly signal: AbortSignal
}

export interface Recognised {
  /** As told or as detected; null if there was too little audio to tell. */
  readonly language: string | null
  readonly segments: Segment[]
}

/** Less than this holds no word. */
const SHORTEST_MS = 100
/** Whisper's context: 30 s. */
const FULL_FRAMES = 3000
/** The encoder halves the frames. */
const FRAMES_PER_POSITION = 2
/** Silence that our export wants after the speech (weights/export_whisper.py). */
const SILENCE_MS = 700

/** Rejects with EngineError `unavailable` if files of the model are missing or broken. */
export async function loadRecogniser(options: LoadOptions): Promise<Recogniser> {
  return createRecogniser(await loadModel(options))
}

/** Owns the model from here on. */
export function createRecogniser(model: LoadedModel): Recogniser {
  const logMel = createLogMel(model.sessions.bins)

  async function hear(samples: Float32Array, frames: number, language: string | null, signal: AbortSignal): Promise<Decoded> {
    const { sessions, vocabulary } = model
    const writer = await sessions.encode(logMel.features(samples, frames), frames)
    try {
      const ceiling = tokenCeiling(samples.length / SAMPLE_RATE_HZ)
      return await decode({ writer, vocabulary, language, ceiling, maxTokens: sessions.maxTokens, signal })
    } finally {
      writer.close()
    }
  }

  return {
    async recognise(samples, { language, signal }) {
      throwIfAborted(signal)
      const told = language === "auto" && model.vocabulary.languages.size > 0 ? null : languageOf(model.vocabulary, language)
      if (samples.length < samplesFromMs(SHORTEST_MS)) return { language: told, segments: [] }
      const floats = floatsFromSamples(samples)
      const frames = framesFor(samples.length, model)
      let heard = await hear(floats, frames, told, signal)
      // The full context is what the model was trained on, and it loses its way there less often.
      if (heard.stop !== "end" && frames < FULL_FRAMES) heard = better(heard, await hear(floats, FULL_FRAMES, heard.language, signal))
      const segment: Segment = {
        text: model.textOf(heard.tokens),
        startMs: 0,
        endMs: msFromSamples(samples.length),
        avgLogprob: heard.avgLogprob,
        noSpeechProb: heard.noSpeechProb,
      }
      return { language: heard.language, segments: [segment] }
    },
    close: () => model.close(),
  }
}

function framesFor(samples: number, { sessions }: LoadedModel): number {
  if (!sessions.shortContext) return FULL_FRAMES
  const positions = Math.ceil((samples + samplesFromMs(SILENCE_MS)) / (HOP_SAMPLES * FRAMES_PER_POSITION))
  return Math.min(FULL_FRAMES, positions * FRAMES_PER_POSITION)
}

/** A text that ended by itself before one that was stopped: a loop is sure of its words, so the logprob alone would keep it. */
function better(one: Decoded, other: Decoded): Decoded {
  if ((one.stop === "end") !== (other.stop === "end")) return one.stop === "end" ? one : other
  return one.avgLogprob >= other.avgLogprob ? one : other
}
