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
  run(feeds: OrtTensors, outputs: readonly string[]): Promise<OrtTensors>
}

/** Makes a tensor over the array, without a copy. */
export type TensorMaker = (
  type: "float32" | "int64" | "bool" | "uint8",
  data: Float32Array | BigInt64Array | Uint8Array,
  dims: number[],
) => OrtTensor

export const floats = (tensor: OrtTensor): Float32Array => tensor.data as Float32Array

export async function run(session: OrtSession, feeds: OrtTensors, outputs: readonly string[]): Promise<OrtTensors> {
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
