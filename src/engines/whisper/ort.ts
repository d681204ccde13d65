/** The parts of ONNX Runtime that are used here, and its failures as ours. Knows no model. */
import type { Tensor } from "@huggingface/transformers"
import { EngineError } from "../engine.ts"

export type OrtTensor = Tensor["ort_tensor"]
export type OrtTensors = Record<string, OrtTensor>

interface ValueMetadata {
  readonly name: string
  readonly type?: string
  readonly shape?: readonly (number | string)[]
}

/** The part of onnxruntime's InferenceSession that is used here. */
export interface OrtSession {
  readonly inputMetadata: readonly ValueMetadata[]
  readonly outputMetadata: readonly ValueMetadata[]
  /** Outputs by name, or the tensors to write them to. */
  run(feeds: OrtTensors, outputs: readonly string[] | OrtTensors): Promise<OrtTensors>
}

/** Makes a tensor over the array, without a copy. */
export type TensorMaker = (type: "float32" | "int64" | "bool", data: Float32Array | BigInt64Array | Uint8Array, dims: number[]) => OrtTensor

export const run = (session: OrtSession, feeds: OrtTensors, outputs: readonly string[]): Promise<OrtTensors> =>
  runWith(session, feeds, outputs)

/**
 * Writes the outputs to these tensors. onnxruntime-node does so in place if they are of its own class, and gives copies besides;
 * whether it did shows at the ends of the values.
 */
export async function runInto(session: OrtSession, feeds: OrtTensors, outputs: OrtTensors): Promise<void> {
  const given = await runWith(session, feeds, outputs)
  const pairs = Object.entries(outputs).map(([name, wanted]) => [floats(wanted), floats(required(given, name))] as const)
  const inPlace = pairs.every(([into, from]) => into[0] === from[0] && into.at(-1) === from.at(-1))
  if (!inPlace) for (const [into, from] of pairs) into.set(from)
}

export const floats = (tensor: OrtTensor): Float32Array => tensor.data as Float32Array

async function runWith(session: OrtSession, feeds: OrtTensors, outputs: readonly string[] | OrtTensors): Promise<OrtTensors> {
  try {
    return await session.run(feeds, outputs)
  } catch (cause) {
    throw new EngineError("unavailable", "ONNX Runtime failed to run the model", { cause })
  }
}

export function required(output: OrtTensors, name: string): OrtTensor {
  const tensor = output[name]
  if (tensor === undefined) throw new EngineError("unavailable", `the model gave no ${name}`)
  return tensor
}
