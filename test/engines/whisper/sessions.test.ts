import { expect, test } from "bun:test"
import type { OrtSession, OrtTensor, TensorMaker } from "../../../src/engines/whisper/ort.ts"
import { wrapSessions } from "../../../src/engines/whisper/sessions.ts"
import type { AlignmentHeads } from "../../../src/engines/whisper/step-writer.ts"

const WORDS = 3
const PAST = ["past_key_values.0.decoder.key", "past_key_values.0.encoder.key"]
const PRESENT = ["present.0.decoder.key", "present.0.encoder.key"]

interface FakeTensor {
  readonly from: string
  readonly data: unknown
  readonly dims: readonly number[]
  disposed: boolean
}

/** A decoder as optimum exports it: named dimensions, an empty encoder cache after the first step, attentions on wish. */
function standardModel(alignmentHeads?: AlignmentHeads) {
  const runs: { feeds: Record<string, FakeTensor>; asked: readonly string[] }[] = []
  const tensors: FakeTensor[] = []
  const make = (from: string, data: unknown, dims: readonly number[]): OrtTensor => {
    const tensor: FakeTensor & { dispose(): void } = {
      from,
      data,
      dims,
      disposed: false,
      dispose: () => Object.assign(tensor, { disposed: true }),
    }
    tensors.push(tensor)
    return tensor as unknown as OrtTensor
  }
  const newTensor: TensorMaker = (_type, data, dims) => make("caller", data, dims)
  const encoder: OrtSession = {
    inputMetadata: [{ name: "input_features", type: "float32", shape: ["batch_size", "feature_size", "encoder_sequence_length"] }],
    outputMetadata: [{ name: "last_hidden_state", type: "float32", shape: ["batch_size", "encoder_sequence_length / 2", 8] }],
    async run(_feeds, outputs: readonly string[]) {
      return Object.fromEntries(outputs.map((name) => [name, make(name, new Float32Array(0), [1, 1500, 8])]))
    },
  }
  const decoder: OrtSession = {
    inputMetadata: ["input_ids", "encoder_hidden_states", ...PAST, "use_cache_branch"].map((name) => ({ name })),
    outputMetadata: ["logits", ...PRESENT, "cross_attentions.0"].map((name) => ({ name })),
    async run(feeds, outputs: readonly string[]) {
      runs.push({ feeds: { ...feeds } as unknown as Record<string, FakeTensor>, asked: outputs })
      const tokens = feeds.input_ids?.dims[1] ?? 0
      const made = outputs.map((name) => {
        const dims = name.startsWith("cross") ? [1, 2, tokens, 4] : [1, tokens, WORDS]
        const size = dims.reduce((product, dim) => product * dim, 1)
        return [
          name,
          make(
            `${name} of run ${runs.length}`,
            Float32Array.from({ length: size }, (_, i) => i),
            dims,
          ),
        ] as const
      })
      return Object.fromEntries(made)
    },
  }
  const config = { d_model: 8, decoder_attention_heads: 2, num_mel_bins: 80, max_target_positions: 448, vocab_size: WORDS }
  return { sessions: wrapSessions({ encoder, decoder, config, noSpeech: 0, newTensor, alignmentHeads }), runs, tensors }
}

test("a model with the usual names takes the mel bins of its config and the full context", () => {
  expect(standardModel().sessions).toMatchObject({ bins: 80, shortContext: false, maxTokens: 448, batchMax: 1, alignment: null })
})

const allowed = { bannedFirst: new Uint8Array(WORDS), banned: new Uint8Array(WORDS), most: 1 }

test("a step asks for the logits and what changes, and keeps the audio's keys of the first step", async () => {
  const { sessions, runs } = standardModel()
  const writer = await sessions.encode([{ features: new Float32Array(0), frames: 3000 }])
  expect((await writer.write([[1, 2]], allowed)).map(({ tokens }) => tokens.length)).toEqual([1])
  await writer.write([[1, 2, 1]], allowed)
  await writer.write([[1, 2, 1, 2]], allowed)
  expect(runs.map(({ asked }) => asked)).toEqual([
    ["logits", ...PRESENT],
    ["logits", "present.0.decoder.key"],
    ["logits", "present.0.decoder.key"],
  ])
  expect(runs.map(({ feeds }) => feeds.use_cache_branch?.data)).toEqual([Uint8Array.of(0), Uint8Array.of(1), Uint8Array.of(1)])
  expect(PAST.map((name) => runs[2]?.feeds[name]?.from)).toEqual(["present.0.decoder.key of run 2", "present.0.encoder.key of run 1"])
})

test("a closed text has released every key and value, and what was heard", async () => {
  const { sessions, tensors } = standardModel()
  const writer = await sessions.encode([{ features: new Float32Array(0), frames: 3000 }])
  await writer.write([[1]], allowed)
  await writer.write([[1, 2]], allowed)
  writer.close()
  writer.close()
  expect(tensors.filter(({ from, disposed }) => /^present|^last_hidden/.test(from) && !disposed)).toEqual([])
})

test("more utterances than a model takes at once are refused", async () => {
  const utterance = { features: new Float32Array(0), frames: 3000 }
  const { sessions } = standardModel()
  expect(sessions.encode([utterance, utterance])).rejects.toThrow("2 utterances at once")
})

test("a text that the caller makes longer is gone on with", async () => {
  const { sessions, runs } = standardModel()
  const writer = await sessions.encode([{ features: new Float32Array(0), frames: 3000 }])
  const text = [1, 2]
  await writer.write([text], allowed)
  text.push(1)
  await writer.write([text], allowed)
  expect(runs.map(({ feeds }) => feeds.input_ids?.data)).toEqual([BigInt64Array.of(1n, 2n), BigInt64Array.of(1n)])
})

test("a text that goes back is read anew, from its start", async () => {
  const { sessions, runs, tensors } = standardModel()
  const writer = await sessions.encode([{ features: new Float32Array(0), frames: 3000 }])
  await writer.write([[1, 2]], allowed)
  await writer.write([[1, 2, 1]], allowed)
  await writer.write([[1, 2, 2, 2]], allowed)
  await writer.write([[1, 2]], allowed)
  expect(runs.map(({ feeds }) => [feeds.input_ids?.data, feeds.use_cache_branch?.data])).toEqual(
    [
      [[1, 2], 0],
      [[1], 1],
      [[1, 2, 2, 2], 0],
      [[1, 2], 0],
    ].map(([tokens, cached]) => [BigInt64Array.from(tokens as number[], BigInt), Uint8Array.of(cached as number)]),
  )
  writer.close()
  expect(tensors.filter(({ from, disposed }) => from.startsWith("present") && !disposed)).toEqual([])
})

test("the no-speech probability stands where the transcript starts, and stays", async () => {
  const { sessions } = standardModel()
  const writer = await sessions.encode([{ features: new Float32Array(0), frames: 3000 }])
  const probs = []
  // All rows of the fake are 0, 1, 2 higher than one another: so only its place in a row counts.
  for (const text of [
    [1, 2, 0],
    [1, 2, 0, 1],
  ])
    probs.push((await writer.write([text], { ...allowed, start: 1 }))[0]?.noSpeechProb)
  expect(probs[0]).toBeCloseTo(1 / (1 + Math.E + Math.E ** 2), 5)
  expect(probs[1]).toBe(probs[0])
})

test("an export with attentions tells those of the alignment heads of the last token, if they are wanted", async () => {
  const { sessions, runs } = standardModel([
    [0, 1],
    [0, 0],
  ])
  expect(sessions.alignment).toEqual({ heads: 2 })
  const writer = await sessions.encode([{ features: new Float32Array(0), frames: 3000 }])
  const [plain] = await writer.write([[1, 2]], allowed)
  expect(plain?.attention).toBeNull()
  expect(runs[0]?.asked).not.toContain("cross_attentions.0")
  // Of 2 heads, 2 tokens and 4 positions: the second token of the second head, then of the first.
  const [told] = await writer.write([[1, 1]], { ...allowed, attention: true })
  expect(told?.attention).toEqual([Float32Array.of(12, 13, 14, 15, 4, 5, 6, 7)])
  expect(standardModel([[3, 0]]).sessions.alignment).toBeNull()
})
