/** The checks of `doctor` that only look: settings, C library, cores and memory, cache folder, port, certificate, collector. Starts no engine. */
import { access, constants, mkdir, readFile, statfs } from "node:fs/promises"
import { dirname } from "node:path"
import { family, GLIBC, version as libcVersion, MUSL } from "detect-libc"
import { isCompiled } from "../binary/bunfs.ts"
import { cacheDirsOf } from "../engines/index.ts"
import { collectorOf, type Environment, type Settings, type SettingsResult } from "../settings.ts"
import { readAuthority, readCertificate } from "./certificate.ts"
import { ENGINE_BYTES, enginesThatFit, readMachine } from "./machine.ts"
import { reasonOf, systemCode } from "./reason.ts"

export interface Finding {
  readonly level: "ok" | "warning" | "problem"
  readonly text: string
  /** What to do about it. */
  readonly remedy?: string
}

const ok = (text: string): Finding => ({ level: "ok", text })
const warning = (text: string, remedy: string): Finding => ({ level: "warning", text, remedy })
const problem = (text: string, remedy: string): Finding => ({ level: "problem", text, remedy })

export function checkSettings(result: SettingsResult): Finding[] {
  if (!result.ok) return result.faults.map((fault) => problem(fault, "correct or unset it; `xrx-stt settings` lists them all"))
  const { STT_PROVIDER: provider } = result.settings
  const key = provider === "groq" ? "GROQ_STT_API_KEY" : provider === "deepgram" ? "DG_API_KEY" : undefined
  const chosen = ok(
    `settings: STT_PROVIDER is ${provider}${key ? `, ${key} is set (not tried: that would send sound to the provider)` : ""}`,
  )
  return [chosen, ...result.warnings.map((text) => warning(text, "correct or unset it"))]
}

/** What libonnxruntime.so was linked against. */
const GLIBC_MIN = "2.28"

export async function checkLibrary(): Promise<Finding[]> {
  const host = `${process.platform}-${process.arch}`
  if (process.platform !== "linux") {
    if (host === "darwin-x64")
      return [problem("macOS on Intel: ONNX Runtime has no build for it", "use a cloud provider, or another machine")]
    return [warning(`${host}: this version has only been tried on Linux x64`, "watch the engine check below")]
  }
  const libc = await family()
  if (libc === MUSL) return [problem("musl (Alpine): ONNX Runtime has no build for it", "use an image with glibc, such as debian:12-slim")]
  const found = (await libcVersion()) ?? "of unknown version"
  if (libc === GLIBC && Bun.semver.order(`${found}.0`, `${GLIBC_MIN}.0`) < 0) {
    return [problem(`glibc ${found} is too old`, `ONNX Runtime needs ${GLIBC_MIN} or newer: Debian 10, Ubuntu 18.10, RHEL 8`)]
  }
  return [ok(`${host}, glibc ${found}`)]
}

export function checkMachine(machine = readMachine()): Finding[] {
  const { cores, memoryBytes } = machine
  const fitting = enginesThatFit(machine)
  const text = `${cores} ${cores === 1 ? "core" : "cores"}, ${gigabytes(memoryBytes)} of memory: ${fitting} engine ${fitting === 1 ? "process" : "processes"} by default`
  if (memoryBytes >= 2 * ENGINE_BYTES) return [ok(text)]
  return [warning(text, `one engine and the server want about ${gigabytes(2 * ENGINE_BYTES)}: give the machine or the container more`)]
}

/** Library and model of the single file unpacked, and room to work. */
const UNPACKED_BYTES = 500_000_000

export async function checkCacheDir(settings: Settings, env: Environment): Promise<Finding[]> {
  if (settings.STT_PROVIDER !== "whisper") return []
  const findings: Finding[] = []
  for (const dir of cacheDirsOf(settings, env)) {
    const fault = await folderFault(dir)
    if (!fault) return [...findings, await freeSpace(dir)]
    findings.push(warning(`cache folder ${dir} ${fault}`, "the next one is tried; set STT_CACHE_DIR to a folder of your choice"))
  }
  const remedy = "set STT_CACHE_DIR to a folder that this user may write to, on a file system without noexec"
  return [
    ...findings,
    isCompiled
      ? warning("no cache folder: the library is kept in memory instead", remedy)
      : warning("no cache folder: no model can be downloaded", remedy),
  ]
}

/** Why nothing can be kept or run there; undefined if it can. */
async function folderFault(dir: string): Promise<string | undefined> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await access(dir, constants.W_OK)
  } catch (error) {
    return `cannot be written to (${systemCode(error) ?? reasonOf(error)})`
  }
  if (await isNoexec(dir)) return "is on a file system mounted noexec: no library can be loaded from it"
  return undefined
}

async function isNoexec(dir: string): Promise<boolean> {
  if (process.platform !== "linux") return false
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" "))
  const holds = (point: string) => point === "/" || dir === point || dir.startsWith(`${point}/`)
  const own = mounts.filter(([, point = "?"]) => holds(point)).reduce((a, b) => ((b[1]?.length ?? 0) >= (a[1]?.length ?? 0) ? b : a), [])
  return own[3]?.split(",").includes("noexec") ?? false
}

async function freeSpace(dir: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(dir)
  const text = `cache folder ${dir}, ${gigabytes(bavail * bsize)} free`
  return bavail * bsize >= UNPACKED_BYTES
    ? ok(text)
    : warning(text, `${gigabytes(UNPACKED_BYTES)} are wanted, more for larger models: free some in ${dirname(dir)}`)
}

export function checkPort({ HOST, PORT }: Settings): Finding[] {
  try {
    Bun.listen({ hostname: HOST, port: PORT, socket: { data() {} } }).stop(true)
    return [ok(`port ${PORT} on ${HOST} is free`)]
  } catch (error) {
    const code = systemCode(error)
    if (code === "EADDRINUSE") return [problem(`port ${PORT} on ${HOST} is taken`, "stop the program that has it, or set PORT to another")]
    if (code === "EACCES") return [problem(`port ${PORT} is not allowed to this user`, "set PORT to 1024 or higher")]
    return [
      problem(`cannot listen on ${HOST}:${PORT} (${code ?? reasonOf(error)})`, "set HOST to an address of this machine, such as 0.0.0.0"),
    ]
  }
}

export async function checkCertificate(settings: Settings): Promise<Finding[]> {
  try {
    return (await readCertificate(settings)) ? [ok("certificate and key of TLS_CERT and TLS_KEY belong together")] : []
  } catch (error) {
    return [problem(reasonOf(error), "name PEM files that this user may read, or unset both for a plain wire")]
  }
}

/** A collector in a far network answers sooner. */
const COLLECTOR_MS_MAX = 3000

export async function checkCollector(settings: Settings): Promise<Finding[]> {
  const url = collectorOf(settings)
  if (url === null) return []
  try {
    const authority = await readAuthority(settings)
    return [await askCollector(url, settings, authority)]
  } catch (error) {
    return [problem(reasonOf(error), "name a PEM file that this user may read, or unset it")]
  }
}

/** Sends a message without spans: what is answered to that, is answered to others. Without a collector the server works all the same. */
async function askCollector(url: string, { OTEL_EXPORTER_OTLP_HEADERS }: Settings, ca: string | undefined): Promise<Finding> {
  const { host } = new URL(url)
  const headers = { ...OTEL_EXPORTER_OTLP_HEADERS, "content-type": "application/x-protobuf" }
  const signal = AbortSignal.timeout(COLLECTOR_MS_MAX)
  try {
    const { status } = await fetch(url, {
      method: "POST",
      headers,
      body: new Uint8Array(),
      signal,
      ...(ca !== undefined && { tls: { ca } }),
    })
    if (status < 300) return ok(`the collector at ${host} takes traces`)
    return warning(
      `the collector at ${host} answers ${status}: it takes no traces`,
      "look at OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS",
    )
  } catch (error) {
    const why = systemCode(error) ?? (error instanceof Error ? error.name : "unknown")
    return warning(`no collector answers at ${host} (${why})`, "start it, or correct or unset OTEL_EXPORTER_OTLP_ENDPOINT")
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}
