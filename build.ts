/**
 * Builds the single file. `bun run build` writes `dist/xrx-stt` for this machine, `bun run build --all` one
 * `dist/xrx-stt-<target>` for every target. `--out FILE` writes this machine's elsewhere. `--release` writes to `dist/release`
 * what is given to others: every target, the installer, a list of what is inside, and the checksums of all.
 *
 * The same commit gives the same bytes, in whatever folder it lies.
 *
 * Everything that the program needs goes into it: Bun, our code, ONNX Runtime and the model. Nine places of the sources
 * are written anew for it, and each MUST be found exactly once: a package that changed shape fails the build, not a start.
 */
import { createHash } from "node:crypto"
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import type { BunPlugin } from "bun"
import { version } from "./package.json"
import { type BundledPackage, billOfMaterials, type EmbeddedPart } from "./src/binary/bill-of-materials.ts"
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

async function hashed(path: string) {
  const bytes = await Bun.file(path).bytes()
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") }
}

async function filesOfModel(): Promise<string[]> {
  const found = await readdir(MODEL, { recursive: true, withFileTypes: true })
  const names = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(MODEL.length + 1))
  return names.map((name) => name.replaceAll("\\", "/")).sort()
}

/** A module whose one empty list is filled with the files: each is imported, which embeds it, and listed with its checksum. */
async function listFiles(module: string, folder: string, names: readonly string[]): Promise<string> {
  const rows = await Promise.all(
    names.map(async (name, at) => {
      const { bytes, sha256 } = await hashed(join(folder, name))
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
      rewrite(build, "model files", /[\\/]weights[\\/]model-files\.ts$/, async (path) => listFiles(path, MODEL, await filesOfModel()))
    },
  }
}

const git = (...args: string[]) =>
  Bun.spawnSync(["git", ...args], { cwd: ROOT, stderr: "ignore" })
    .stdout.toString()
    .trim()

/** As long in every clone; "" outside a checkout. */
const commit = () => git("rev-parse", "--short=12", "HEAD")

/** @returns the names of the packages that went into it */
export async function build(target: Target, outfile: string, entry = join(ROOT, "src/main.ts")): Promise<Set<string>> {
  const startedMs = performance.now()
  const done = new Set<string>()
  // Before: a build inside a build waits for itself for ever.
  const page = await bundlePage()
  const place = `${outfile}${target.ending}`
  await mkdir(dirname(place), { recursive: true })
  // Beside the place and then moved there, so that a running xrx-stt is not written over. Its name goes into its bytes.
  const folder = await mkdtemp(join(dirname(place), ".build-"))
  const draft = join(folder, `xrx-stt${target.ending}`)
  try {
    const result = await Bun.build({
      entrypoints: [entry],
      root: join(ROOT, "src"),
      format: "esm",
      minify: true,
      // Compiled ahead: saves 45 ms of each start (two processes) for 4 MB.
      bytecode: true,
      // Packages that ask for their folder would be told the builder's, which is nobody's business and differs.
      define: { XRX_STT_COMMIT: JSON.stringify(commit()), __dirname: '"/$bunfs/root"', __filename: '"/$bunfs/root/xrx-stt"' },
      metafile: true,
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
    await rename(draft, place)
    await chmod(place, 0o755)
    const megabytes = (Bun.file(place).size / 1e6).toFixed(1)
    console.log(`${place}  ${version}  ${target.name}  ${megabytes} MB  ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
    return new Set(Object.keys(result.metafile?.inputs ?? {}).flatMap((path) => packageOf(path) ?? []))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The innermost, of a path to a file of it. */
const packageOf = (path: string) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path.replaceAll("\\", "/"))?.[1]

async function described(name: string, integrities: Readonly<Record<string, readonly unknown[]>>): Promise<BundledPackage> {
  const manifest: { version: string; license: string } = await Bun.file(join(ROOT, "node_modules", name, "package.json")).json()
  const [id, , , integrity] = integrities[name] ?? []
  if (id !== `${name}@${manifest.version}` || typeof integrity !== "string") throw new Error(`${name}: not as bun.lock has it`)
  return { name, version: manifest.version, licence: manifest.license, integrity }
}

const part = async (folder: string, name: string): Promise<EmbeddedPart> => ({ name, sha256: (await hashed(join(folder, name))).sha256 })

/** Everything into an empty `folder`. @throws Error if what would be released is not what was committed */
async function release(folder: string) {
  const changed = git("status", "--porcelain")
  if (commit() === "" || changed !== "") throw new Error(`a release is made of a commit, and here is more, or none:\n${changed}`)
  await rm(folder, { recursive: true, force: true })
  const packages = new Set<string>()
  for (const target of TARGETS)
    for (const name of await build(target, join(folder, `xrx-stt-${target.name}`))) if (name !== "sharp") packages.add(name)
  // It has trailing commas, which JSONC allows.
  const lock = Bun.JSONC.parse(await Bun.file(join(ROOT, "bun.lock")).text()) as { packages: Record<string, unknown[]> }
  const libraries = TARGETS.flatMap(({ ortFolder, libraries }) => [...libraries, ADDON].map((name) => `${ortFolder}/${name}`))
  const bill = billOfMaterials({
    version: `${version}+${commit()}`,
    bunVersion: Bun.version,
    packages: await Promise.all([...packages].sort().map((name) => described(name, lock.packages))),
    libraries: await Promise.all(libraries.map((name) => part(join(ORT, "bin/napi-v6"), name))),
    model: await Promise.all((await filesOfModel()).map((name) => part(MODEL, name))),
  })
  await Bun.write(join(folder, "xrx-stt.cdx.json"), bill)
  await Bun.write(join(folder, "install.sh"), Bun.file(join(ROOT, "src/commands/ops/install.sh")))
  await chmod(join(folder, "install.sh"), 0o755)
  const sums = await Promise.all((await readdir(folder)).sort().map(async (name) => `${(await part(folder, name)).sha256}  ${name}\n`))
  await Bun.write(join(folder, "SHA256SUMS"), sums.join(""))
  console.log(sums.join("").trimEnd())
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { all: { type: "boolean" }, release: { type: "boolean" }, out: { type: "string" } } })
  if (values.release) {
    await release(resolve(values.out ?? join(ROOT, "dist/release")))
  } else if (values.all) {
    for (const target of TARGETS) await build(target, join(ROOT, "dist", `xrx-stt-${target.name}`))
  } else {
    const here = TARGETS.find(({ ortFolder }) => ortFolder === `${process.platform}/${process.arch}`)
    if (here === undefined)
      throw new Error(`no target for ${process.platform}/${process.arch}; there are ${TARGETS.map(({ name }) => name).join(", ")}`)
    await build(here, resolve(values.out ?? join(ROOT, "dist/xrx-stt")))
  }
}
