/**
 * Builds the single file. `bun run build` writes `dist/xrx-stt` for this machine, `bun run build --all` one
 * `dist/xrx-stt-<target>` for every target. `--out FILE` writes this machine's elsewhere.
 *
 * Everything that the program needs goes into it: Bun, our code, ONNX Runtime and the model. Nine places of the sources
 * are written anew for it, and each MUST be found exactly once: a package that changed shape fails the build, not a start.
 */
import { createHash } from "node:crypto"
import { chmod, mkdir, readdir, rename } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import type { BunPlugin } from "bun"
import { version } from "./package.json"
import type { PageFile } from "./src/page/built.ts"
import { bundlePage } from "./src/page/bundle.ts"

const ROOT = import.meta.dir
const ORT = join(ROOT, "node_modules/onnxruntime-node")
const MODEL = join(ROOT, "src/engines/whisper/weights/whisper-base")
const ADDON = "onnxruntime_binding.node"
/** Of one maker and one make. */
const WASM_DECODERS = ["opus-decoder", "mpg123-decoder", "@wasm-audio-decoders/flac", "@wasm-audio-decoders/ogg-vorbis"]

interface Target {
  readonly name: string
  readonly bun: Bun.Build.CompileTarget
  /** Below `bin/napi-v6` of onnxruntime-node: the addon and what its linker looks for beside it. */
  readonly ortFolder: string
  readonly libraries: readonly string[]
  readonly ending: string
}

/** ONNX Runtime has no build for musl and none for Intel's Macs. Its order is that of loading: a library before its user. */
export const TARGETS: readonly Target[] = [
  { name: "linux-x64", bun: "bun-linux-x64", ortFolder: "linux/x64", libraries: ["libonnxruntime.so.1"], ending: "" },
  { name: "linux-arm64", bun: "bun-linux-arm64", ortFolder: "linux/arm64", libraries: ["libonnxruntime.so.1"], ending: "" },
  { name: "darwin-arm64", bun: "bun-darwin-arm64", ortFolder: "darwin/arm64", libraries: ["libonnxruntime.1.dylib"], ending: "" },
  { name: "windows-x64", bun: "bun-windows-x64", ortFolder: "win32/x64", libraries: ["onnxruntime.dll", "DirectML.dll"], ending: ".exe" },
]

/** @throws Error unless `from` is there exactly once */
export function replaceOnce(text: string, from: string | RegExp, to: string, file: string): string {
  const parts = text.split(from)
  if (parts.length !== 2) throw new Error(`${file}: ${from} was found ${parts.length - 1} times, must be once`)
  return parts.join(to)
}

/** A module whose one empty list is filled with the files: each is imported, which embeds it, and listed with its checksum. */
async function listFiles(module: string, folder: string, names: readonly string[]): Promise<string> {
  const rows = await Promise.all(
    names.map(async (name, at) => {
      const bytes = await Bun.file(join(folder, name)).bytes()
      const sha256 = createHash("sha256").update(bytes).digest("hex")
      return `{ name: ${JSON.stringify(name)}, path: file${at}, sizeBytes: ${bytes.length}, sha256: "${sha256}" }`
    }),
  )
  const imports = names.map((name, at) => `import file${at} from ${JSON.stringify(join(folder, name))} with { type: "file" }`)
  const filled = replaceOnce(
    await Bun.file(module).text(),
    /readonly EmbeddedFile\[\] = \[\]/,
    `readonly EmbeddedFile[] = [${rows.join(", ")}]`,
    module,
  )
  return `${imports.join("\n")}\n${filled}`
}

function embed(target: Target, page: readonly PageFile[], done: Set<string>): BunPlugin {
  const rewrite = (build: Parameters<BunPlugin["setup"]>[0], name: string, filter: RegExp, contents: (path: string) => Promise<string>) =>
    build.onLoad({ filter }, async ({ path }) => {
      done.add(name)
      return { contents: await contents(path), loader: path.endsWith(".ts") ? "ts" : "js" }
    })
  return {
    name: "embed",
    setup(build) {
      build.onResolve({ filter: /^sharp$/ }, () => {
        done.add("sharp")
        return { path: join(ROOT, "src/binary/sharp-stub.ts") }
      })
      rewrite(build, "transformers.js", /[\\/]transformers\.node\.mjs$/, async (path) =>
        // Made with createRequire, this call is invisible to the bundler.
        replaceOnce(await Bun.file(path).text(), 'requireFromHere("onnxruntime-node")', 'require("onnxruntime-node")', path),
      )
      rewrite(build, "addon", /[\\/]onnxruntime-node[\\/]dist[\\/]binding\.js$/, async (path) => {
        const load = `require(${JSON.stringify(join(ROOT, "src/binary/native.ts"))}).loadOrtBinding()`
        return replaceOnce(await Bun.file(path).text(), /require\(`\.\.\/bin\/napi-v6\/[^`]*`\)/, load, path)
      })
      for (const name of WASM_DECODERS)
        rewrite(build, name, new RegExp(`[\\\\/]${name.replace("/", "[\\\\/]")}[\\\\/]index\\.js$`), async (path) =>
          // It names a class that the bundler leaves out, since nobody uses it.
          replaceOnce(await Bun.file(path).text(), /assignNames\(\w+WebWorker, "\w+"\);/, "", path),
        )
      rewrite(build, "page", /[\\/]src[\\/]page[\\/]built\.ts$/, async (path) => {
        return replaceOnce(
          await Bun.file(path).text(),
          /readonly PageFile\[\] = \[\]/,
          `readonly PageFile[] = ${JSON.stringify(page)}`,
          path,
        )
      })
      rewrite(build, "library files", /[\\/]src[\\/]binary[\\/]ort-files\.ts$/, (path) =>
        listFiles(path, join(ORT, "bin/napi-v6", target.ortFolder), [...target.libraries, ADDON]),
      )
      rewrite(build, "model files", /[\\/]weights[\\/]model-files\.ts$/, async (path) => {
        const found = await readdir(MODEL, { recursive: true, withFileTypes: true })
        const names = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(MODEL.length + 1))
        return listFiles(path, MODEL, names.map((name) => name.replaceAll("\\", "/")).sort())
      })
    },
  }
}

/** Short, or "" outside a checkout. */
const commit = () => Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"], { cwd: ROOT, stderr: "ignore" }).stdout.toString().trim()

export async function build(target: Target, outfile: string, entry = join(ROOT, "src/main.ts")): Promise<void> {
  const startedMs = performance.now()
  const done = new Set<string>()
  // Before: a build inside a build waits for itself for ever.
  const page = await bundlePage()
  await mkdir(dirname(outfile), { recursive: true })
  // Beside the place and then moved there, so that a running xrx-stt is not written over.
  const draft = `${outfile}.new${target.ending}`
  const result = await Bun.build({
    entrypoints: [entry],
    root: join(ROOT, "src"),
    format: "esm",
    minify: true,
    // Compiled ahead: saves 45 ms of each start (two processes) for 4 MB.
    bytecode: true,
    define: { XRX_STT_COMMIT: JSON.stringify(commit()) },
    plugins: [embed(target, page, done)],
    // What lies in the folder of the caller MUST NOT change this program: a bunfig.toml there could run code in it.
    compile: {
      target: target.bun,
      outfile: draft,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  })
  if (!result.success) throw new AggregateError(result.logs, `${target.name} was not built`)
  const missing = ["sharp", "transformers.js", "addon", ...WASM_DECODERS, "page", "library files", "model files"].filter(
    (name) => !done.has(name),
  )
  if (missing.length > 0) throw new Error(`${target.name}: never came by ${missing.join(", ")}`)
  await rename(draft, `${outfile}${target.ending}`)
  await chmod(`${outfile}${target.ending}`, 0o755)
  const megabytes = (Bun.file(`${outfile}${target.ending}`).size / 1e6).toFixed(1)
  console.log(
    `${outfile}${target.ending}  ${version}  ${target.name}  ${megabytes} MB  ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
  )
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { all: { type: "boolean" }, out: { type: "string" } } })
  if (values.all) {
    for (const target of TARGETS) await build(target, join(ROOT, "dist", `xrx-stt-${target.name}`))
  } else {
    const here = TARGETS.find(({ ortFolder }) => ortFolder === `${process.platform}/${process.arch}`)
    if (here === undefined)
      throw new Error(`no target for ${process.platform}/${process.arch}; there are ${TARGETS.map(({ name }) => name).join(", ")}`)
    await build(here, resolve(values.out ?? join(ROOT, "dist/xrx-stt")))
  }
}
