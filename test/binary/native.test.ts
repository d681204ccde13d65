import { afterEach, beforeEach, expect, test } from "bun:test"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadOrtBinding } from "../../src/binary/native.ts"
import { filesBelow } from "../support/built-file.ts"

const ROOT = join(import.meta.dir, "../..")
const NATIVE = join(ROOT, "src/binary/native.ts")
const ENCODER = join(ROOT, "src/engines/whisper/weights/whisper-base/onnx/encoder_model_quantized.onnx")
const LIMIT_MS = 20_000

let room: string
beforeEach(async () => {
  room = await mkdtemp(join(tmpdir(), "xrx-stt-native-"))
  await mkdir(join(room, "tmp"))
})
afterEach(() => rm(room, { recursive: true, force: true }))

/** Its session is opened in a process of its own, whose environment does not say no. */
test(
  "from source too, prepareOrt keeps ONNX Runtime from writing telemetry",
  async () => {
    const script = `
      await (await import(${JSON.stringify(NATIVE)})).prepareOrt([])
      const { InferenceSession } = require("onnxruntime-node")
      await (await InferenceSession.create(${JSON.stringify(ENCODER)})).release()`
    const child = Bun.spawn([process.execPath, "-e", script], {
      cwd: ROOT,
      // Bun itself would keep what it transpiled.
      env: { HOME: room, TMPDIR: join(room, "tmp"), BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" },
      stderr: "pipe",
    })
    expect({ code: await child.exited, stderr: await child.stderr.text() }).toEqual({ code: 0, stderr: "" })
    expect(await filesBelow(room)).toEqual([])
  },
  LIMIT_MS,
)

test("the addon cannot be loaded before the library was prepared", () => {
  expect(loadOrtBinding).toThrow("ONNX Runtime was imported before prepareOrt had finished")
})
