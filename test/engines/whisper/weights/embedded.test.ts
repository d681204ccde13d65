import { expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { EMBEDDED_MODEL, openEmbeddedModel } from "../../../../src/engines/whisper/weights/embedded.ts"

test("from source, the embedded model is the folder beside the sources, and nothing is copied", async () => {
  const source = await openEmbeddedModel(["/proc/nowhere"])
  if (source.kind !== "folder") throw new Error("it was read into memory")
  expect(source.path).toEndWith(`src/engines/whisper/weights/${EMBEDDED_MODEL}`)
  for (const name of ["config.json", "tokenizer.json", "onnx/encoder_model_quantized.onnx"]) {
    expect(existsSync(join(source.path, name))).toBe(true)
  }
})
