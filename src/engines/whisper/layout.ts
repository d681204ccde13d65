/** Which files a Whisper in the layout of transformers.js consists of. Pure: paths in, paths out. */

const CONFIG_FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"] as const
const OPTIONAL_CONFIG_FILES = ["preprocessor_config.json"] as const
/** In order of preference: 8 bits are 2 to 4 times smaller and faster on a CPU, at hardly any word error more. */
const WEIGHTS = [
  ["onnx/encoder_model_quantized.onnx", "onnx/decoder_model_merged_quantized.onnx"],
  ["onnx/encoder_model.onnx", "onnx/decoder_model_merged.onnx"],
] as const

/** The files that a Whisper needs here, of those that are there, and what is missing: then none are needed. */
export function neededPaths(there: readonly string[]): { readonly needed: readonly string[]; readonly lacking: readonly string[] } {
  const has = (path: string) => there.includes(path)
  const weights = WEIGHTS.find((pair) => pair.every(has))
  const lacking = [...CONFIG_FILES.filter((path) => !has(path)), ...(weights === undefined ? WEIGHTS[0] : [])]
  if (weights === undefined || lacking.length > 0) return { needed: [], lacking }
  // Weights over 2 GB lie in files of their own beside the graph: NAME.onnx_data, NAME.onnx_data_1 …
  const beside = there.filter((path) => weights.some((file) => path.startsWith(`${file}_data`) && /_data(_\d+)?$/.test(path)))
  return { needed: [...CONFIG_FILES, ...OPTIONAL_CONFIG_FILES.filter(has), ...weights, ...beside], lacking: [] }
}
