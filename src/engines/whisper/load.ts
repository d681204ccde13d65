/**
 * Opens a model, from a folder or from memory, through transformers.js: its sessions, its vocabulary, its texts. The
 * only file that knows transformers.js. Opens no connection and writes no file.
 */
import { readFile, stat } from "node:fs/promises"
import { resolve } from "node:path"
import { z } from "zod"
import { EngineError } from "../engine.ts"
import { createDetokenizer } from "./detokenizer.ts"
import { inlineWeights } from "./inline-weights.ts"
import type { OrtSession, TensorMaker } from "./ort.ts"
import { type WhisperSessions, whisperConfig, wrapSessions } from "./sessions.ts"
import { createTokenizer, type Tokenizer } from "./tokenizer.ts"
import { readVocabulary, type Vocabulary } from "./tokens.ts"

/** Keys of `files` are paths inside the model: `config.json`, `onnx/encoder_model_quantized.onnx`. */
export type ModelSource =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "memory"; readonly files: ReadonlyMap<string, Uint8Array> }

export interface LoadedModel {
  readonly sessions: WhisperSessions
  readonly vocabulary: Vocabulary
  textOf(tokens: readonly number[]): string
  /** The way back, for prompts: takes 40 ms and 10 MB. */
  readonly loadTokenizer: () => Promise<Tokenizer>
  close(): Promise<void>
}

/**
 * Which weights are taken, the first that is there: the smallest of the exact ones first, half precision last, because a CPU
 * computes it a third slower. All of them speak float32, also the half-precision ones that transformers.js makes.
 */
const DTYPES = [
  ["q8", "_quantized"],
  ["fp32", ""],
  ["int8", "_int8"],
  ["uint8", "_uint8"],
  ["q4", "_q4"],
  ["bnb4", "_bnb4"],
  ["fp16", "_fp16"],
  ["q4f16", "_q4f16"],
] as const
type Dtype = (typeof DTYPES)[number][0]

const REQUIRED_FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]

/** What a model from memory is called towards transformers.js: a name that no folder has. */
const MEMORY_PATH = "/memory-of-this-process"

export interface LoadOptions {
  readonly source: ModelSource
  /** Threads of one run. */
  readonly threads: number
  /** True: keeps the memory of one run for the next, until the process ends. */
  readonly arena: boolean
}

/** Rejects with EngineError `unavailable`, in one line that names the model and what is wrong with it. */
export async function loadModel(options: LoadOptions): Promise<LoadedModel> {
  const { source } = options
  const name = source.kind === "folder" ? source.path : "the embedded model"
  const dtype = await chooseFiles(source, name)
  try {
    return await open(options, dtype)
  } catch (cause) {
    throw new EngineError("unavailable", `${name} is not a usable Whisper: ${reasonOf(cause)}`, { cause })
  }
}

function reasonOf(cause: unknown): string {
  const message = cause instanceof z.ZodError ? z.prettifyError(cause).replace(/\s*\n\s*/g, " ") : String(cause)
  return message.split("\n", 1)[0] ?? ""
}

async function chooseFiles(source: ModelSource, name: string): Promise<Record<string, Dtype>> {
  const has = async (file: string): Promise<boolean> => {
    if (source.kind === "memory") return source.files.has(file)
    const found = await stat(resolve(source.path, file)).catch(() => null)
    return found?.isFile() ?? false
  }
  const missing: string[] = []
  for (const file of REQUIRED_FILES) if (!(await has(file))) missing.push(file)
  const withData = missing.includes("config.json") ? {} : filesWithData(await readText(source, "config.json"))
  const dtypes: Record<string, Dtype> = {}
  for (const half of ["encoder_model", "decoder_model_merged"]) {
    for (const [dtype, suffix] of DTYPES) {
      if (half in dtypes || !(await has(`onnx/${half}${suffix}.onnx`))) continue
      dtypes[half] = dtype
      // Asked for here, because transformers.js loads both halves at once and nobody catches the second failure.
      const data = `onnx/${half}${suffix}.onnx_data`
      if (`${half}${suffix}.onnx` in withData && !(await has(data))) missing.push(data)
    }
    if (!(half in dtypes)) missing.push(`onnx/${half}_quantized.onnx`)
  }
  if (missing.length > 0) throw new EngineError("unavailable", `${name} is not a usable Whisper: missing ${missing.join(", ")}`)
  return dtypes
}

/** The ONNX files whose weights lie in a file beside them, if `config.json` names each; a broken one is told by whoever needs it. */
function filesWithData(text: string): Readonly<Record<string, unknown>> {
  try {
    return configWithData.parse(JSON.parse(text))["transformers.js_config"]?.use_external_data_format ?? {}
  } catch {
    return {}
  }
}

const configWithData = z.object({
  "transformers.js_config": z.object({ use_external_data_format: z.record(z.string(), z.unknown()).optional() }).optional(),
})

async function open({ source, threads, arena }: LoadOptions, dtype: Record<string, Dtype>): Promise<LoadedModel> {
  // Loads native code, which a compiled binary must unpack first: hence not at the top of the file.
  const { env, LogLevel, WhisperForConditionalGeneration } = await import("@huggingface/transformers")
  // Not the Tensor of transformers.js: a session writes its outputs in place only to what is of its own class.
  const { Tensor } = await import("onnxruntime-node")
  env.allowRemoteModels = false
  env.useFSCache = false
  env.useBrowserCache = false
  env.useWasmCache = false
  // Its messages on a failed run hold the tensors, that is, the speech.
  env.logLevel = LogLevel.NONE
  env.useCustomCache = source.kind === "memory"
  env.customCache = source.kind === "memory" ? memoryCache(source.files) : null

  const path = source.kind === "folder" ? resolve(source.path) : MEMORY_PATH
  const model = await WhisperForConditionalGeneration.from_pretrained(path, {
    local_files_only: true,
    device: "cpu",
    dtype,
    session_options: {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableCpuMemArena: arena,
      // Its plan of memory for each shape that it met: every length of sound and of text is a new one, and none is forgotten.
      enableMemPattern: false,
      // Threads that spin while they wait steal the cores of the other engines.
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    },
  })
  const textOf = createDetokenizer(JSON.parse(await readText(source, "tokenizer.json")))
  const newTensor: TensorMaker = (type, data, dims) => new Tensor(type, data, dims)
  const { model: encoder, decoder_model_merged: decoder } = model.sessions as Record<string, OrtSession | undefined>
  if (encoder === undefined || decoder === undefined) throw new Error("it has no encoder or no decoder")
  const vocabulary = readVocabulary(model.generation_config)
  const config = whisperConfig.parse(model.config)
  return {
    sessions: wrapSessions({ encoder, decoder, config, noSpeech: vocabulary.noSpeech, newTensor }),
    vocabulary,
    textOf,
    loadTokenizer: async () => createTokenizer(JSON.parse(await readText(source, "tokenizer.json"))),
    async close() {
      await model.dispose()
    },
  }
}

async function readText(source: ModelSource, file: string): Promise<string> {
  if (source.kind === "folder") return readFile(resolve(source.path, file), "utf8")
  return new TextDecoder().decode(source.files.get(file))
}

/** transformers.js asks for a file under its local path, then again under a remote address; a Response is the file. */
function memoryCache(files: ReadonlyMap<string, Uint8Array>) {
  return {
    async match(request: string): Promise<Response | undefined> {
      for (const [name, bytes] of files) if (request.endsWith(`/${name}`)) return new Response(withItsWeights(name, bytes))
      return undefined
    },
    async put() {},
  }

  function withItsWeights(name: string, bytes: Uint8Array) {
    const weights = files.get(`${name}_data`)
    return (weights ? inlineWeights(bytes, weights) : bytes) as Uint8Array<ArrayBuffer>
  }
}
