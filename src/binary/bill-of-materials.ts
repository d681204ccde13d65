/**
 * What is inside the built file, as CycloneDX tells it to those who look for known holes. Packages are those that the bundler
 * took, not those that lie in node_modules; what they carry compiled inside themselves stands in a table here, since no file
 * of theirs tells it. Knows no file system and no bundler, and puts in no time: the same build gives the same bill.
 */

export interface BundledPackage {
  readonly name: string
  readonly version: string
  /** As its package.json says, an SPDX expression. */
  readonly licence: string
  /** As the lock file has it: `sha512-` and base64. */
  readonly integrity: string
}

export interface EmbeddedPart {
  /** Its path below the package, or the model. */
  readonly name: string
  readonly sha256: string
}

export interface Inside {
  /** Of this program, with its commit. */
  readonly version: string
  readonly bunVersion: string
  readonly packages: readonly BundledPackage[]
  /** ONNX Runtime's, of all targets. */
  readonly libraries: readonly EmbeddedPart[]
  readonly model: readonly EmbeddedPart[]
}

interface Component {
  readonly type: "application" | "library" | "file" | "machine-learning-model" | "platform"
  readonly "bom-ref": string
  readonly name: string
  readonly version?: string
  readonly purl?: string
  readonly licenses?: readonly { readonly expression: string }[]
  readonly hashes?: readonly { readonly alg: "SHA-256" | "SHA-512"; readonly content: string }[]
  readonly components?: readonly Component[]
}

/** Compiled into packages by their makers, mostly as WebAssembly; which version, they do not say. */
export const COMPILED_IN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "@alexanderolsen/libsamplerate-js": { libsamplerate: "BSD-2-Clause" },
  "@huggingface/transformers": { "@huggingface/jinja": "MIT", "@huggingface/tokenizers": "Apache-2.0" },
  "@humansignal/audio-file-decoder": { FFmpeg: "LGPL-2.1-or-later" },
  "@ricky0123/vad-web": { "Silero VAD": "MIT" },
  "@wasm-audio-decoders/flac": { libFLAC: "BSD-3-Clause", libogg: "BSD-3-Clause" },
  "@wasm-audio-decoders/ogg-vorbis": { libogg: "BSD-3-Clause", libvorbis: "BSD-3-Clause" },
  "mpg123-decoder": { libmpg123: "LGPL-2.1-only" },
  "opus-decoder": { libopus: "BSD-3-Clause" },
}

const NATIVE = "onnxruntime-node"

/** @returns CycloneDX 1.6, as JSON */
export function billOfMaterials({ version, bunVersion, packages, libraries, model }: Inside): string {
  const bill = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: { type: "application", "bom-ref": "xrx-stt", name: "xrx-stt", version, licenses: [{ expression: "MIT" }] } },
    components: [
      {
        type: "platform",
        "bom-ref": "bun",
        name: "bun",
        version: bunVersion,
        purl: `pkg:npm/bun@${bunVersion}`,
        licenses: [{ expression: "MIT" }],
        components: [compiledIn("bun", "JavaScriptCore", "LGPL-2.0-or-later")],
      },
      ...packages.map((one) => packageComponent(one, libraries)),
      {
        type: "machine-learning-model",
        "bom-ref": "whisper-base",
        name: "whisper-base",
        licenses: [{ expression: "MIT" }],
        components: model.map((part) => fileComponent("whisper-base", part)),
      },
    ] satisfies Component[],
  }
  return `${JSON.stringify(bill, null, 2)}\n`
}

function packageComponent({ name, version, licence, integrity }: BundledPackage, libraries: readonly EmbeddedPart[]): Component {
  const compiled = Object.entries(COMPILED_IN[name] ?? {}).map(([part, licence]) => compiledIn(name, part, licence))
  const files = name === NATIVE ? libraries.map((part) => fileComponent(name, part)) : []
  const content = Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex")
  return {
    type: "library",
    "bom-ref": name,
    name,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    licenses: [{ expression: licence }],
    hashes: [{ alg: "SHA-512", content }],
    ...(compiled.length + files.length > 0 && { components: [...compiled, ...files] }),
  }
}

function compiledIn(owner: string, name: string, licence: string): Component {
  return { type: "library", "bom-ref": `${owner}#${name}`, name, licenses: [{ expression: licence }] }
}

function fileComponent(owner: string, { name, sha256 }: EmbeddedPart): Component {
  return { type: "file", "bom-ref": `${owner}#${name}`, name, hashes: [{ alg: "SHA-256", content: sha256 }] }
}
