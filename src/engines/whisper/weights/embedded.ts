/**
 * The model that is always there: where its files can be loaded from. Runs in engine processes; knows nothing of what is
 * in the files.
 */
import { join } from "node:path"
import { isCompiled } from "../../../binary/bunfs.ts"
import { extract } from "../../../binary/extract.ts"
import type { ModelSource } from "../recogniser.ts"
import { modelFiles } from "./model-files.ts"

export const EMBEDDED_MODEL = "whisper-base"

/**
 * From source: the folder itself. In the executable: a copy in the first of the folders that can hold one, which ONNX
 * Runtime reads without a second copy in memory; if there is none, the bytes (93 MB more in each engine).
 */
export async function openEmbeddedModel(cacheDirs: readonly string[]): Promise<ModelSource> {
  if (!isCompiled) return { kind: "folder", path: join(import.meta.dir, EMBEDDED_MODEL) }
  for (const cacheDir of cacheDirs) {
    // Whatever is wrong with this folder, there is still the memory: words matter more than where they come from.
    const path = await extract({ name: EMBEDDED_MODEL, files: modelFiles }, cacheDir).catch(() => null)
    if (path !== null) return { kind: "folder", path }
  }
  const files = await Promise.all(modelFiles.map(async (file) => [file.name, await Bun.file(file.path).bytes()] as const))
  return { kind: "memory", files: new Map(files) }
}
