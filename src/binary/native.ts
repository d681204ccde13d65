/**
 * Makes ONNX Runtime loadable in this process. From source its package does that itself; the executable carries library
 * and addon inside, and a linker wants files. Runs in engine processes only: the server never loads ONNX Runtime.
 */
import { writeSync } from "node:fs"
import { join } from "node:path"
import { isCompiled } from "./bunfs.ts"
import { chunksOf, type EmbeddedFile, type FileSet } from "./embedded-file.ts"
import { extract } from "./extract.ts"
import { openLibc } from "./libc.ts"
import { ortFiles } from "./ort-files.ts"

const ADDON = "onnxruntime_binding.node"

/** Of the addon, once `prepareOrt` found a place from which it can be loaded. */
let addonPath: string | undefined

/**
 * MUST finish before `@huggingface/transformers` or `onnxruntime-node` is imported, which therefore is done dynamically.
 * Extracts the library into the first of the folders from which it can be loaded, and into memory if there is none
 * (Linux). From source it only silences ONNX Runtime's telemetry.
 * @throws Error with one line that says why each folder was refused
 */
export async function prepareOrt(cacheDirs: readonly string[]): Promise<void> {
  const libc = openLibc()
  // Read by getenv() as soon as the library is loaded: it phones home unless told not to, and Bun hides process.env from it.
  libc?.setenv("ORT_DISABLE_TELEMETRY", "1")
  if (!isCompiled || addonPath !== undefined) return

  const refusals: string[] = []
  const [library] = ortFiles.filter((file) => file.name !== ADDON)
  const set: FileSet = { name: "onnxruntime", files: ortFiles }
  for (const cacheDir of cacheDirs) {
    try {
      const folder = await extract(set, cacheDir)
      // A folder mounted noexec shows here, where there still is a next one.
      const fault = library && libc ? libc.load(join(folder, library.name)) : null
      if (fault !== null) throw new Error(fault)
      addonPath = join(folder, ADDON)
      return
    } catch (error) {
      refusals.push(`${cacheDir}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  try {
    addonPath = await intoMemory(ortFiles)
  } catch (error) {
    refusals.push(`memory: ${error instanceof Error ? error.message : String(error)}`)
    throw new Error(`ONNX Runtime cannot be loaded from anywhere (${refusals.join("; ")})`, { cause: error })
  }
}

/** Stands where onnxruntime-node loads its addon; `build.ts` puts it there. */
export function loadOrtBinding(): unknown {
  if (addonPath === undefined) throw new Error("ONNX Runtime was imported before prepareOrt had finished")
  const loaded = { exports: {} }
  process.dlopen(loaded, addonPath)
  return loaded.exports
}

/**
 * The path of the addon in memory, its library loaded from memory before it: the linker then finds the library by its
 * SONAME and looks for no file. Costs this process the size of both (46 MB).
 */
async function intoMemory(files: readonly EmbeddedFile[]): Promise<string> {
  const libc = openLibc()
  let addon: string | undefined
  for (const file of files) {
    const fd = libc?.memoryFile(file.name) ?? null
    if (libc === undefined || fd === null) throw new Error("this system has no files in memory")
    for await (const chunk of chunksOf(file)) writeSync(fd, chunk)
    const path = `/proc/self/fd/${fd}`
    if (file.name === ADDON) {
      addon = path
      continue
    }
    const fault = libc.load(path)
    if (fault !== null) throw new Error(fault)
  }
  if (addon === undefined) throw new Error(`${ADDON} is missing in this executable`)
  return addon
}
