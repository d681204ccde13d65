/**
 * ONNX Runtime's library and addon as they lie in the executable. Empty when run from source: `build.ts` writes the list
 * of its target in here (imports of the files, their sizes and checksums).
 */
import type { EmbeddedFile } from "./embedded-file.ts"

/** The addon is the file named `onnxruntime_binding.node`; the others are libraries that it needs beside it. */
export const ortFiles: readonly EmbeddedFile[] = []
