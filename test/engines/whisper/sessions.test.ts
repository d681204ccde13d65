import { expect, test } from "bun:test"
import type { OrtSession, OrtTensor, TensorMaker } from "../../../src/engines/whisper/ort.ts"
import { wrapSessions } from "../../../src/engines/whisper/sessions.ts"

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
function standardModel() {
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
      return Object.fromEntries(outputs.map((name) => [name, make(`${name} of run ${runs.length}`, new Float32Array(tokens * WORDS), [])]))
    },
  }
  const config = { d_model: 8, decoder_attention_heads: 2, num_mel_bins: 80, max_target_positions: 448, vocab_size: WORDS }
  return { sessions: wrapSessions({ encoder, decoder, config, noSpeech: 0, newTensor }), runs, tensors }
}

test("a model with the usual names takes the mel bins of its config and the full context", () => {
  expect(standardModel().sessions).toMatchObject({ bins: 80, shortContext: false, maxTokens: 448 })
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
