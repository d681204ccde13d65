/**
 * Writes with the decoder of our own export (weights/export_whisper.py), which picks token after token within one run, for
 * several utterances at once. Knows no other decoder.
 */
import { type Heard, type Shape, sideBySide } from "./heard.ts"
import { createRandom, gumbel } from "./logits.ts"
import { floats, type OrtSession, type OrtTensor, type OrtTensors, required, run, type TensorMaker } from "./ort.ts"
import type { WhisperConfig } from "./sessions.ts"
import type { Bans, TextWriter, WriteOptions, Written } from "./writer.ts"

/** Only our own decoder is told how many tokens to write. */
export const isLoopDecoder = (decoder: OrtSession): boolean => decoder.inputMetadata.some(({ name }) => name === "steps")

/** The heads that tell where the decoder listens. */
export const alignmentHeadsOf = (decoder: OrtSession): number => dimension(decoder.outputMetadata, "attentions", 2)

export interface LoopWriterOptions {
  readonly decoder: OrtSession
  readonly config: Pick<WhisperConfig, "vocab_size">
  readonly newTensor: TensorMaker
  readonly heard: readonly Heard[]
  readonly shape: Shape
}

/** A text that is gone on with. */
interface Row {
  /** Index of what is heard. */
  readonly utterance: number
  readonly text: readonly number[]
}

/** Rows of the biases: for the no-speech probability, for the first token, for each later one. */
const UNBIASED = 0
const FIRST = 1
const LATER = 2

export function createLoopWriter({ decoder, config, newTensor, heard, shape }: LoopWriterOptions): TextWriter {
  const size = heard.length
  const candidates = dimension(decoder.inputMetadata, "noise", 1)
  const biases = biasesFor(config.vocab_size)
  const random = createRandom()
  let noSpeechProbs: Map<number, number> | undefined

  const ints = (values: readonly number[], dims = [values.length]) => newTensor("int64", BigInt64Array.from(values, BigInt), dims)

  /** What makes the choice of each step random, in the same way for each utterance. */
  function noise(steps: number, temperature: number): OrtTensor {
    const values = new Float32Array(steps * candidates)
    if (temperature > 0) for (let i = 0; i < values.length; i++) values[i] = temperature * gumbel(random)
    return newTensor("float32", values, [steps, candidates])
  }

  function feedsFor(rows: readonly Row[], draft: readonly number[], options: WriteOptions): OrtTensors {
    const { bannedFirst, banned, most, temperature = 0, start = 0, attention = false } = options
    const length = rows[0]?.text.length ?? 0
    const steps = draft.length > 0 ? 1 : most
    const silentRows = noSpeechProbs === undefined ? [start] : []
    const writtenRows = Array.from({ length: draft.length + 1 }, (_, i) => length - 1 + i)
    return {
      ...sideBySide(
        rows.flatMap(({ utterance }) => heard[utterance] ?? []),
        shape,
        newTensor,
      ),
      tokens: ints(
        rows.flatMap(({ text }) => [...text, ...draft]),
        [rows.length, length + draft.length],
      ),
      steps: ints([steps], []),
      rows: ints([...silentRows, ...writtenRows]),
      kinds: ints([...silentRows.map(() => UNBIASED), ...writtenRows.map((_, i) => (i === 0 ? FIRST : LATER))]),
      silent: ints([silentRows.length]),
      biases: newTensor("float32", biases(bannedFirst, banned), [3, config.vocab_size]),
      noise: noise(steps, temperature),
      attention: newTensor("bool", Uint8Array.of(attention ? 1 : 0), []),
    }
  }

  return {
    size,
    async write(texts, options) {
      const { most, temperature = 0, attention = false } = options
      const draft = size === 1 && temperature === 0 ? (options.draft ?? []).slice(0, most - 1) : []
      const names = ["written", "logprobs", "no_speech", ...(attention ? ["attentions"] : [])]
      const rows = texts.flatMap((text, utterance) => (text === null ? [] : { utterance, text }))
      const output = await run(decoder, feedsFor(rows, draft, options), names)
      noSpeechProbs ??= noSpeechOf(output, rows)
      const written = texts.map((text, utterance): Written => {
        const noSpeechProb = noSpeechProbs?.get(utterance) ?? 0
        if (text === null) return { tokens: [], logprobs: [], noSpeechProb, attention: null }
        const row = rows.findIndex((row) => row.utterance === utterance)
        return readWritten(output, row, heard[utterance]?.positions ?? 0, noSpeechProb)
      })
      return draft.length > 0 ? written.map((one) => agreeing(one, draft)) : written
    },
    close() {},
  }
}

function noSpeechOf(output: OrtTensors, rows: readonly Row[]): Map<number, number> {
  const logprobs = floats(required(output, "no_speech"))
  return new Map(rows.map(({ utterance }, row) => [utterance, Math.exp(logprobs[row] ?? Number.NEGATIVE_INFINITY)]))
}

/** One row's part: outputs are [steps, rows, tokens a step], and of attention [.., heads, tokens a step, heard]. */
function readWritten(output: OrtTensors, row: number, positions: number, noSpeechProb: number): Written {
  const written = required(output, "written")
  const [steps = 0, size = 0, each = 0] = written.dims
  const places = Array.from({ length: steps * each }, (_, i) => (Math.floor(i / each) * size + row) * each + (i % each))
  const tokens = written.data as BigInt64Array
  const logprobs = floats(required(output, "logprobs"))
  return {
    tokens: places.map((place) => Number(tokens[place])),
    logprobs: places.map((place) => logprobs[place] ?? Number.NEGATIVE_INFINITY),
    noSpeechProb,
    attention: output.attentions === undefined ? null : readAttention(output.attentions, row, positions),
  }
}

function readAttention(tensor: OrtTensor, row: number, positions: number): Float32Array[] {
  const [steps = 0, size = 0, heads = 0, each = 0, heard = 0] = tensor.dims
  const all = floats(tensor)
  return Array.from({ length: steps * each }, (_, i) => {
    const first = (Math.floor(i / each) * size + row) * heads
    const weights = new Float32Array(heads * positions)
    for (let head = 0; head < heads; head++) {
      const from = ((first + head) * each + (i % each)) * heard
      weights.set(all.subarray(from, from + positions), head * positions)
    }
    return weights
  })
}

/** As far as the model agrees with the draft, and the token that it writes instead or after it. */
function agreeing({ tokens, logprobs, noSpeechProb, attention }: Written, draft: readonly number[]): Written {
  const differs = tokens.findIndex((token, i) => token !== draft[i])
  const count = differs < 0 ? tokens.length : differs + 1
  return { tokens: tokens.slice(0, count), logprobs: logprobs.slice(0, count), noSpeechProb, attention: attention?.slice(0, count) ?? null }
}

function dimension(metadata: OrtSession["inputMetadata"], name: string, axis: number): number {
  return Number(metadata.find((value) => value.name === name)?.shape?.[axis]) || 0
}

type Biases = (bannedFirst: Bans, banned: Bans) => Float32Array

const biasesBySize = new Map<number, Biases>()

/** What is added to the logits so that no banned token is picked: 600 kB, hence made once. */
function biasesFor(size: number): Biases {
  const known = biasesBySize.get(size)
  if (known) return known
  const made = new WeakMap<Bans, WeakMap<Bans, Float32Array>>()
  const ban = (bias: Float32Array, bans: Bans, at: number) => {
    for (let token = 0; token < size; token++) if (bans[token] !== 0) bias[at * size + token] = Number.NEGATIVE_INFINITY
  }
  const biases = (bannedFirst: Bans, banned: Bans) => {
    const others = made.get(bannedFirst) ?? new WeakMap<Bans, Float32Array>()
    made.set(bannedFirst, others)
    let bias = others.get(banned)
    if (bias === undefined) {
      bias = new Float32Array(3 * size)
      ban(bias, bannedFirst, FIRST)
      ban(bias, banned, LATER)
      others.set(banned, bias)
    }
    return bias
  }
  biasesBySize.set(size, biases)
  return biases
}
