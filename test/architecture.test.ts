import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { Glob } from "bun"

const src = join(import.meta.dir, "../src")

/** What each room may import from, beside itself and the leaves. Arrows point inward: the outside knows the inside. */
const LEAVES = ["clock.ts", "log.ts", "metrics.ts", "settings.ts"]
const MAY_KNOW: Readonly<Record<string, readonly string[]>> = {
  audio: [],
  speech: ["audio", "engines/engine.ts", "engines/engine-error.ts"],
  engines: ["audio", "speech", "binary"],
  dialects: ["speech", "audio/input.ts", "engines/engine.ts"],
  server: ["dialects", "speech", "audio", "engines/engine.ts"],
  binary: ["engines/engine.ts"],
  commands: ["server", "engines", "speech", "audio", "binary", "commands"],
  page: [],
}
/** Only the composition knows the settings, and which engines there are. */
const ONLY_COMPOSITION = ["settings.ts", "engines/index.ts"]
const COMPOSITION = ["main.ts", "settings.ts", "commands/", "engines/index.ts"]

interface Arrow {
  readonly from: string
  readonly to: string
}

function arrows(): Arrow[] {
  const found: Arrow[] = []
  for (const file of new Glob("**/*.ts").scanSync(src)) {
    const text = readSource(file)
    for (const match of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+\.ts)"/g)) {
      found.push({ from: file, to: relative(src, join(src, dirname(file), match[1] as string)) })
    }
  }
  return found
}

function readSource(file: string): string {
  return readFileSync(join(src, file), "utf8")
}

const room = (file: string) => (file.includes("/") ? (file.split("/")[0] as string) : file)

describe("the structure of src", () => {
  test("arrows point inward", () => {
    const wrong = arrows().filter(({ from, to }) => {
      if (from === "main.ts" || room(from) === room(to) || LEAVES.includes(to)) return false
      if (LEAVES.includes(from)) return !(from === "settings.ts" && ["log.ts", "engines/engine.ts"].includes(to))
      return !(MAY_KNOW[room(from)] ?? []).some((known) => to === known || to.startsWith(`${known}/`))
    })
    expect(wrong).toEqual([])
  })

  test("only the composition knows the settings and the list of engines", () => {
    const wrong = arrows().filter(({ from, to }) => ONLY_COMPOSITION.includes(to) && !COMPOSITION.some((known) => from.startsWith(known)))
    expect(wrong).toEqual([])
  })

  test("only main.ts reads the environment or ends the process; an engine process ends itself", () => {
    const wrong = [...new Glob("**/*.ts").scanSync(src)].filter(
      (file) =>
        !["main.ts", "engines/whisper/child.ts"].includes(file) &&
        /process\.(env\b|exit\()/.test(readSource(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")),
    )
    expect(wrong).toEqual([])
  })

  test("only the engine process loads transformers.js", () => {
    const wrong = [...new Glob("**/*.ts").scanSync(src)].filter(
      (file) =>
        !file.startsWith("engines/whisper/") &&
        /(?:from|import|require)\s*\(?\s*"(?:@huggingface\/transformers|onnxruntime-)/.test(readSource(file)),
    )
    expect(wrong).toEqual([])
  })
})
