/**
 * From samples to segments, inside an engine process: the one door to everything that runs a Whisper. Refuses to know
 * processes, sockets, and how long audio is cut to pieces.
 */
import { floatsFromSamples, SAMPLE_RATE_HZ, samplesFromMs } from "../../audio/pcm.ts"
import type { Segment } from "../../speech/transcript.ts"
import { type Context, EngineError, type Language } from "../engine.ts"
import { batchesOf } from "./batches.ts"
import { compressionRatio } from "./compression.ts"
import { chosen, isSure, isUsable, ownPart, withContext } from "./context.ts"
import { aborted, decode, type Row } from "./decode.ts"
import { type Attempt, better, isDoubtful, TEMPERATURES } from "./fallback.ts"
import { filled, isLong, type Parting, partingOf } from "./gaps.ts"
import type { Piece } from "./ipc.ts"
import { type LoadedModel, type LoadOptions, loadModel } from "./load.ts"
import { tokenCeiling } from "./loops.ts"
import { createLogMel, HOP_SAMPLES } from "./mel.ts"
import { createPrompter } from "./prompt.ts"
import { segmentsOf } from "./segments.ts"
import { languageOf } from "./tokens.ts"
import type { TextWriter } from "./writer.ts"

export type { ModelSource } from "./load.ts"

export interface Recogniser {
  /** How many pieces are worth being recognised together. */
  readonly piecesMax: number
  /**
   * Tells of each piece once, as soon as it is known and in any order: its words, or an EngineError `aborted` soon after its signal
   * aborts (80 ms with base), `unavailable` if the model fails. Settles when all are told of. One call at a time.
   */
  recognise(pieces: readonly PieceToRecognise[], onAnswer: (index: number, answer: Recognised | EngineError) => void): Promise<void>
  /** Frees the model. Call it when nothing is running. */
  close(): Promise<void>
}

/** A language that the model does not know is detected instead. */
export interface PieceToRecognise extends Omit<Piece, "id"> {
  readonly signal: AbortSignal
}

export interface Recognised {
  /** As told or as detected; null if there was too little audio to tell. */
  readonly language: string | null
  readonly segments: readonly Segment[]
}

/** Less than this holds no word. */
const SHORTEST_MS = 100
/** Whisper's context: 30 s. */
const FULL_FRAMES = 3000
/** The encoder halves the frames. */
const FRAMES_PER_POSITION = 2
/** Silence that our export wants after the speech (weights/export_whisper.py). */
const SILENCE_MS = 700
/** Start of the transcript, language, task, no timestamps. */
const STEERING_TOKENS = 4

/** Rejects with EngineError `unavailable` if files of the model are missing or broken. */
export async function loadRecogniser(options: LoadOptions): Promise<Recogniser> {
  return createRecogniser(await loadModel(options))
}

/** A piece on its way to its words. */
interface Task {
  readonly piece: PieceToRecognise
  readonly row: Row
  /** What is heard: the piece, or its context and the piece. */
  readonly samples: Int16Array
  /** What the encoder is given first. */
  readonly frames: number
  /** What was heard with the context before that was given up. */
  readonly inContext: Attempt | null
  readonly context: Context | null
  readonly answer: (answer: Recognised | EngineError) => void
}

/** Owns the model from here on. */
export function createRecogniser(model: LoadedModel): Recogniser {
  const { sessions, vocabulary, textOf } = model
  const heads = sessions.alignment?.heads ?? 0
  const logMel = createLogMel(sessions.bins)
  const promptOf = createPrompter({ loadTokenizer: model.loadTokenizer, vocabulary, maxTokens: sessions.maxTokens })

  return {
    piecesMax: sessions.batchMax,
    async recognise(pieces, onAnswer) {
      const open = new Set(pieces.keys())
      const answer = (index: number, told: Recognised | EngineError) => {
        if (open.delete(index)) onAnswer(index, told)
      }
      try {
        const tasks: Task[] = []
        for (const [index, piece] of pieces.entries()) {
          const told = languageToTell(piece.language)
          if (piece.signal.aborted) answer(index, aborted())
          else if (piece.samples.length < samplesFromMs(SHORTEST_MS)) answer(index, { language: told, segments: [] })
          else tasks.push(await prepare(piece, told, (words) => answer(index, words)))
        }
        await recogniseAll(tasks)
      } catch (error) {
        if (!(error instanceof EngineError)) throw error
        for (const index of open) answer(index, error)
      }
    },
    close: () => model.close(),
  }

  async function prepare(piece: PieceToRecognise, language: string | null, answer: Task["answer"]): Promise<Task> {
    const { samples, translate, draft, signal } = piece
    const ceiling = tokenCeiling(samples.length / SAMPLE_RATE_HZ)
    const row = { language, prompt: await promptOf(piece.prompt), translate, ceiling, draft, signal }
    const alone = { piece, row, samples, frames: framesFor(samples.length), inContext: null, context: null, answer }
    return piece.context ? inContext(alone, piece.context) : alone
  }

  function inContext(task: Task, context: Context): Task {
    const { language, prompt, ceiling } = task.row
    const room = sessions.maxTokens - STEERING_TOKENS - prompt.length - ceiling
    // It is in the language of its time: one that is yet to be detected may be another.
    if (language === null || !isUsable(context, { room, endOfText: vocabulary.endOfText })) return task
    const samples = withContext(context, task.samples)
    return { ...task, row: { ...task.row, context: context.tokens }, samples, frames: framesFor(samples.length), context }
  }

  function outOfContext(task: Task, attempt: Attempt): Task {
    const { samples } = task.piece
    const { context: _, ...row } = task.row
    return { ...task, row, samples, frames: framesFor(samples.length), inContext: attempt, context: null }
  }

  /** Null: to be detected. */
  function languageToTell(language: Language): string | null {
    return language === "auto" && vocabulary.languages.size > 0 ? null : languageOf(vocabulary, language)
  }

  function framesFor(samples: number): number {
    if (!sessions.shortContext) return FULL_FRAMES
    const positions = Math.ceil((samples + samplesFromMs(SILENCE_MS)) / (HOP_SAMPLES * FRAMES_PER_POSITION))
    return Math.min(FULL_FRAMES, positions * FRAMES_PER_POSITION)
  }

  async function recogniseAll(tasks: readonly Task[]): Promise<void> {
    const doubtful: { task: Task; attempt: Attempt }[] = []
    const skipping: { task: Task; attempt: Attempt; parting: Parting }[] = []
    const alone: Task[] = []
    for (const batch of batchesOf(tasks, ({ row }) => row, sessions.batchMax)) {
      await recogniseBatch(batch, (task, attempt) => {
        if (task.context !== null && !isSure(attempt)) alone.push(outOfContext(task, attempt))
        else if (isDoubtful(attempt) && task.piece.interim !== true) doubtful.push({ task, attempt })
        else {
          const parting = mayBeParted(task) ? partingOf(attempt, task.samples, heads) : null
          if (parting !== null && parting.tokensBefore >= (task.row.draft?.fixed ?? 0)) skipping.push({ task, attempt, parting })
          else task.answer(recognised(task, attempt))
        }
      })
    }
    if (alone.length > 0) await recogniseAll(alone)
    // Alone and last: what is known already does not wait for it.
    for (const { task, attempt } of doubtful) await recogniseAgain(task, attempt)
    for (const { task, attempt, parting } of skipping) await recogniseInParts(task, attempt, parting)
  }

  function mayBeParted({ piece, samples, context, inContext }: Task): boolean {
    // The words of a translation stand in another order than the sounds.
    return heads > 0 && piece.interim !== true && piece.translate !== true && context === null && inContext === null && isLong(samples)
  }

  /** Answers with the text of both parts if that lacks less. */
  async function recogniseInParts(task: Task, whole: Attempt, parting: Parting): Promise<void> {
    const { language, tokens } = whole.decoded
    const { draft, ...row } = { ...task.row, language }
    const fixed = draft?.fixed ?? 0
    const promised = fixed > 0 ? { tokens: tokens.slice(0, parting.tokensBefore), fixed } : null
    const part = (samples: Int16Array, draft: Task["row"]["draft"]): Task => {
      const ceiling = tokenCeiling(samples.length / SAMPLE_RATE_HZ)
      return { ...task, row: { ...row, ceiling, draft }, samples, frames: framesFor(samples.length) }
    }
    const parts = [part(task.samples.subarray(0, parting.cut), promised), part(task.samples.subarray(parting.cut), null)]
    const heard = new Map<Task, Attempt>()
    for (const batch of batchesOf(parts, ({ row }) => row, sessions.batchMax)) {
      await recogniseBatch(batch, (part, attempt) => heard.set(part, attempt))
    }
    const [first, second] = parts.map((part) => heard.get(part))
    // Whoever gave up in between was told so.
    if (first && second) task.answer(recognised(task, filled(whole, [first, second], parting, { heads, textOf })))
  }

  async function recogniseBatch(batch: readonly Task[], onAttempt: (task: Task, attempt: Attempt) => void): Promise<void> {
    for (const { row, answer } of batch) if (row.signal.aborted) answer(aborted())
    const tasks = batch.filter(({ row }) => !row.signal.aborted)
    if (tasks.length === 0) return
    const writer = await encode(tasks)
    try {
      await attempt(writer, tasks, 0, onAttempt)
    } finally {
      writer.close()
    }
  }

  /** Answers with the best of the first attempt and a few more, with all the context that the model was trained on. */
  async function recogniseAgain(task: Task, first: Attempt): Promise<void> {
    if (task.row.signal.aborted) return task.answer(aborted())
    const row = { ...task.row, language: first.decoded.language }
    let best = first
    const writer = await encode([{ samples: task.samples, frames: FULL_FRAMES }])
    try {
      for (const temperature of TEMPERATURES) {
        if (!isDoubtful(best)) break
        if (temperature === 0 && task.frames === FULL_FRAMES) continue
        await attempt(writer, [{ ...task, row }], temperature, (_, again) => {
          best = better(best, again)
        })
      }
    } finally {
      writer.close()
    }
    task.answer(recognised(task, best))
  }

  /** The pieces decoded once; of those whose callers are gone, only these are told. */
  function attempt(
    writer: TextWriter,
    tasks: readonly Task[],
    temperature: number,
    onAttempt: (task: Task, attempt: Attempt) => void,
  ): Promise<void> {
    const rows = tasks.map(({ row }) => row)
    const attention = heads > 0 && tasks.some((task) => task.piece.words || mayBeParted(task))
    return decode({ writer, vocabulary, rows, maxTokens: sessions.maxTokens, temperature, attention }, (index, outcome) => {
      const task = tasks[index]
      if (task === undefined) return
      if (outcome instanceof EngineError) return task.answer(outcome)
      const decoded = task.context === null ? outcome : ownPart(outcome, task.context, { heads, textOf })
      const text = textOf(decoded.tokens)
      onAttempt(task, { decoded, text, compressionRatio: compressionRatio(text), temperature })
    })
  }

  function recognised({ piece: { samples, words }, context, inContext }: Task, attempt: Attempt): Recognised {
    const told = inContext === null ? attempt : chosen(attempt, inContext)
    const segments = segmentsOf(told, { samples, words, heads, textOf })
    // The model says whether somebody spoke in all that it heard.
    const own = context === null ? segments : segments.map((segment) => ({ ...segment, noSpeechProb: null }))
    return { language: told.decoded.language, segments: own }
  }

  function encode(heard: readonly { samples: Int16Array; frames: number }[]): Promise<TextWriter> {
    return sessions.encode(heard.map(({ samples, frames }) => ({ features: logMel.features(floatsFromSamples(samples), frames), frames })))
  }
}
