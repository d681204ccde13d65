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

/** Writes the outputs to these tensors. Without a copy if onnxruntime-node knows them as its own; else it gives others. */
export async function runInto(session: OrtSession, feeds: OrtTensors, outputs: OrtTensors): Promise<void> {
  const given = await runWith(session, feeds, outputs)
  for (const [name, wanted] of Object.entries(outputs)) {
    const tensor = required(given, name)
    if (tensor !== wanted) (wanted.data as Float32Array).set(tensor.data as Float32Array)
  }
}

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
