/** `resolveModel` in a process of its own, for what only another process can show. Argument: name and options as JSON. */
import { readFileSync } from "node:fs"
import { type ModelChoice, resolveModel } from "../../src/engines/whisper/models.ts"
import { silentLog } from "../../src/log.ts"

export interface ResolveModelReply {
  readonly choice?: ModelChoice
  readonly error?: string
  /** Names of the libraries that this process has loaded. */
  readonly onnxRuntimeLoaded: boolean
}

const { name, cacheDirs, hubUrl } = JSON.parse(process.argv[2] ?? "") as { name: string; cacheDirs: string[]; hubUrl: string }
const result = await resolveModel(name, { cacheDirs, hubUrl, offline: false, log: silentLog, limits: { pauseMs: 0 } }).then(
  (choice) => ({ choice }),
  (error: Error) => ({ error: error.message }),
)
const onnxRuntimeLoaded = readFileSync("/proc/self/maps", "utf8").includes("onnxruntime")
process.stdout.write(JSON.stringify({ ...result, onnxRuntimeLoaded } satisfies ResolveModelReply))
