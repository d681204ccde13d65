import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { Glob } from "bun"

const src = join(import.meta.dir, "../src")

/** What each room may import from, beside itself and the leaves. Arrows point inward: the outside knows the inside. */
const LEAVES = ["api-keys.ts", "clock.ts", "log.ts", "metrics.ts", "otlp.ts", "permits.ts", "settings.ts", "tracing.ts"]
const MAY_KNOW: Readonly<Record<string, readonly string[]>> = {
  "settings.ts": ["api-keys.ts", "log.ts", "engines/engine.ts"],
  "permits.ts": ["engines/engine-error.ts"],
  "tracing.ts": ["log.ts"],
  "otlp.ts": ["clock.ts", "log.ts", "metrics.ts", "tracing.ts"],
  audio: ["engines/engine-error.ts"],
  speech: ["audio", "engines/engine.ts", "engines/engine-error.ts"],
  // Programs of their own: what loads ONNX Runtime, and what decodes the files of strangers.
  "speech/vad": ["binary"],
  "audio/decoding": ["binary/child-life.ts"],
  engines: ["audio", "speech", "binary"],
  dialects: ["speech", "audio/input.ts", "audio/pcm.ts", "audio/wav-header.ts", "audio/wav-stream.ts", "engines/engine.ts"],
  server: ["dialects", "speech", "audio", "engines/engine.ts", "page/files.ts"],
  binary: ["engines/engine.ts"],
  commands: ["server", "dialects", "engines", "speech", "audio", "binary", "commands"],
  docs: ["dialects"],
  // The build makes the page, and so does a server that is run from source.
  page: ["docs/files.ts", "speech/captions.ts"],
}
/** Only the composition knows the settings, which engines there are, and who listens to traces. */
const ONLY_COMPOSITION = ["settings.ts", "engines/index.ts", "otlp.ts"]
const COMPOSITION = ["main.ts", "settings.ts", "commands/", "engines/index.ts"]

/** What main.ts runs in processes of their own, and nobody else may reach. */
const ONNX_CHILDREN = ["engines/whisper/child.ts", "speech/vad/child.ts"]
const CHILDREN = [...ONNX_CHILDREN, "audio/decoding/child.ts"]
/** Nor may the server decode what strangers send. */
const DECODERS =
  /(?:from|import|require)\s*\(?\s*"(?:codec-parser|mediabunny|mpg123-decoder|opus-decoder|@humansignal\/|@wasm-audio-decoders\/)/
const ONNX_RUNTIME = /(?:from|import|require)\s*\(?\s*"(?:@huggingface\/transformers|onnxruntime-)/

interface Arrow {
  readonly from: string
  readonly to: string
  readonly typesOnly: boolean
}

function arrows(): Arrow[] {
  const found: Arrow[] = []
  for (const file of new Glob("**/*.ts").scanSync(src)) {
    const text = readSource(file)
    for (const [, typesOnly, path] of text.matchAll(/(import type [^"]*)?(?:from|import)\s*\(?\s*"(\.[^"]+\.ts)"/g)) {
      found.push({ from: file, to: relative(src, join(src, dirname(file), path as string)), typesOnly: typesOnly !== undefined })
    }
  }
  return found
}

/** All files whose code `file` may run, at once or later. */
function reachable(file: string): Set<string> {
  const code = arrows().filter(({ typesOnly }) => !typesOnly)
  const found = new Set([file])
  for (const from of found) for (const arrow of code) if (arrow.from === from) found.add(arrow.to)
  return found
}

function readSource(file: string): string {
  return readFileSync(join(src, file), "utf8")
}

const room = (file: string) => (file.includes("/") ? (file.split("/")[0] as string) : file)
const mayKnow = (file: string) => Object.entries(MAY_KNOW).flatMap(([folder, known]) => (`${file}/`.startsWith(`${folder}/`) ? known : []))

describe("the structure of src", () => {
  test("arrows point inward", () => {
    const wrong = arrows().filter(({ from, to }) => {
      if (from === "main.ts" || room(from) === room(to) || LEAVES.includes(to)) return false
      return !mayKnow(from).some((known) => to === known || to.startsWith(`${known}/`))
    })
    expect(wrong).toEqual([])
  })

  test("only the composition knows the settings and the list of engines", () => {
    const wrong = arrows().filter(({ from, to }) => ONLY_COMPOSITION.includes(to) && !COMPOSITION.some((known) => from.startsWith(known)))
    expect(wrong).toEqual([])
  })

  test("only one file knows OpenTelemetry, and it is loaded where it is asked for alone", () => {
    const files = [...new Glob("**/*.ts").scanSync(src)]
    expect(files.filter((file) => readSource(file).includes('"@opentelemetry/'))).toEqual(["otlp.ts"])
    expect(files.filter((file) => /^import (?!type)[^\n]* from "[./]+otlp\.ts"/m.test(readSource(file)))).toEqual([])
  })

  test("only main.ts reads the environment or ends the process; processes of their own end themselves", () => {
    const wrong = [...new Glob("**/*.ts").scanSync(src)].filter(
      (file) =>
        !["main.ts", "binary/child-life.ts", ...CHILDREN].includes(file) &&
        /process\.(env\b|exit\()/.test(readSource(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")),
    )
    expect(wrong).toEqual([])
  })

  test("the server never loads ONNX Runtime or a decoder: only processes of their own reach them, and only main.ts reaches those", () => {
    const loads = (what: RegExp) => (file: string) => what.test(readSource(file).replace(/import type [^"]*/g, ""))
    const server = [...reachable("commands/command-line.ts")]
    expect(server).toContain("server/server.ts")
    expect(server.filter((file) => CHILDREN.includes(file) || loads(ONNX_RUNTIME)(file) || loads(DECODERS)(file))).toEqual([])
    for (const child of ONNX_CHILDREN) expect([...reachable(child)].filter(loads(ONNX_RUNTIME))).not.toEqual([])
    expect([...reachable("audio/decoding/child.ts")].filter(loads(DECODERS))).not.toEqual([])
  })
})
