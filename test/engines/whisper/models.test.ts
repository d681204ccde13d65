import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Clock, realClock } from "../../../src/clock.ts"
import { EngineError } from "../../../src/engines/engine.ts"
import { type DownloadProgress, MODEL_SIZES, type ResolveModelOptions, resolveModel } from "../../../src/engines/whisper/models.ts"
import { createLog, silentLog } from "../../../src/log.ts"
import { handClock } from "../../support/clock.ts"
import { type FakeHub, type HubModelFiles, REVISION, startHub } from "../../support/hub.ts"
import type { ResolveModelReply } from "../../support/resolve-model.ts"

const ENCODER = "onnx/encoder_model_quantized.onnx"
const DECODER = "onnx/decoder_model_merged_quantized.onnx"
const WEIGHTS = join(import.meta.dir, "../../../src/engines/whisper/weights/whisper-base")
const CHILD = join(import.meta.dir, "../../support/resolve-model.ts")

const text = (contents: string) => new TextEncoder().encode(contents)
const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 255)

const configs = {
  "config.json": text(`{"model_type":"whisper"}`),
  "generation_config.json": text("{}"),
  "preprocessor_config.json": text("{}"),
  "tokenizer.json": text(`{"version":"1.0"}`),
  "tokenizer_config.json": text("{}"),
}
const encoder = bytes(300_000, 1)
const decoder = bytes(500_000, 2)
const small = { ...configs, [ENCODER]: encoder, [DECODER]: decoder }
const extra = {
  "README.md": text("# read me"),
  ".gitattributes": text("*.onnx lfs"),
  "onnx/encoder_model.onnx": bytes(900, 3),
  "onnx/decoder_model_merged.onnx": bytes(901, 4),
  "onnx/decoder_with_past_model_quantized.onnx": bytes(902, 5),
  "../../escaped.txt": text("outside"),
}
const SMALL = "onnx-community/whisper-small"

let folder: string
let cache: string
let hubs: FakeHub[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "xrx-stt-models-"))
  cache = join(folder, "cache")
})
afterEach(async () => {
  for (const hub of hubs) await hub.close()
  hubs = []
  await rm(folder, { recursive: true, force: true })
})

async function hubWith(models: Readonly<Record<string, HubModelFiles>>): Promise<FakeHub> {
  const hub = await startHub(models)
  hubs.push(hub)
  return hub
}
const smallHub = (more: Partial<HubModelFiles> = {}) => hubWith({ [SMALL]: { files: small, ...more } })

function resolve(hub: FakeHub, name: string, options: Partial<ResolveModelOptions> = {}) {
  return resolveModel(name, { cacheDirs: [cache], offline: false, hubUrl: hub.url, limits: { pauseMs: 0 }, log: silentLog, ...options })
}

async function failure(promise: Promise<unknown>): Promise<EngineError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(EngineError)
  expect(error.message).not.toContain("\n")
  return error
}

const home = (id: string) => join(cache, "models", id.replace("/", "--"))
const filesUnder = async (path: string) =>
  (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort()
/** The one part that lies in the cache for this file. */
const partOf = (id: string, sha256: string) => join(home(id), "incoming", `${sha256}.part`)
const sha256 = (contents: Uint8Array) => new Bun.CryptoHasher("sha256").update(contents).digest("hex")

/** Resolves when that many bytes of the decoder have come and lie on the disk. */
const partHolds = (length: number) =>
  eventually(async () => (await stat(partOf(SMALL, sha256(decoder))).catch(() => null))?.size === length)

describe("a model's name", () => {
  test("base is the embedded model, under all its names, without a request", async () => {
    const hub = await smallHub()
    for (const name of ["base", "whisper-base", "openai/whisper-base", "Systran/faster-whisper-base"]) {
      expect(await resolve(hub, name)).toEqual({ kind: "embedded" })
    }
    expect(hub.requests).toEqual([])
  })

  test("a size is fetched from the first place that has it", async () => {
    const hub = await hubWith({ "Xenova/whisper-medium": { files: small }, "distil-whisper/distil-large-v3": { files: small } })
    expect(await resolve(hub, "medium")).toEqual({ kind: "folder", path: join(home("Xenova/whisper-medium"), REVISION) })
    expect(await resolve(hub, "distil-large-v3")).toEqual({ kind: "folder", path: join(home("distil-whisper/distil-large-v3"), REVISION) })
  })

  test("large and turbo are the words of faster-whisper for sizes", async () => {
    const hub = await hubWith({
      "onnx-community/whisper-large-v3": { files: small },
      "onnx-community/whisper-large-v3-turbo": { files: small },
    })
    expect(await resolve(hub, "large")).toEqual({ kind: "folder", path: join(home("onnx-community/whisper-large-v3"), REVISION) })
    expect(await resolve(hub, "turbo")).toEqual({ kind: "folder", path: join(home("onnx-community/whisper-large-v3-turbo"), REVISION) })
  })

  test("anything else is refused with the forms that are accepted", async () => {
    const hub = await smallHub()
    for (const name of ["huge", "", "a b/c", "owner/..", "owner/na--me", "owner/x..y", "owner/-name", `owner/${"x".repeat(97)}`]) {
      const error = await failure(resolve(hub, name))
      expect(error.code).toBe("unavailable")
      for (const form of [JSON.stringify(name.slice(0, 100)), ...MODEL_SIZES, "onnx-community/whisper-small", "folder"])
        expect(error.message).toContain(form)
    }
    expect(hub.requests).toEqual([])
  })

  test("a name that leads out of the cache is a folder's name and nothing is written", async () => {
    const hub = await smallHub()
    for (const name of ["../../escape", "/nowhere/escape", "..", "owner/name/../../../escape", "..\\escape"]) {
      expect((await failure(resolve(hub, name))).message).toContain("the model folder")
    }
    expect(hub.requests).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })
})

describe("a folder", () => {
  test("that is complete is taken as it is, without a request", async () => {
    const hub = await smallHub()
    expect(await resolve(hub, WEIGHTS, { offline: true })).toEqual({ kind: "folder", path: WEIGHTS })
    await symlink(WEIGHTS, join(folder, "linked"))
    expect(await resolve(hub, join(folder, "linked"))).toEqual({ kind: "folder", path: join(folder, "linked") })
    expect(hub.requests).toEqual([])
  })

  test("that is not complete is refused with the names of what it lacks", async () => {
    const path = join(folder, "half")
    await mkdir(join(path, "onnx"), { recursive: true })
    for (const file of ["config.json", "generation_config.json", "tokenizer_config.json", "onnx/encoder_model_fp16.onnx"]) {
      await writeFile(join(path, file), "{}")
    }
    const { code, message } = await failure(resolve(await smallHub(), path))
    expect(code).toBe("unavailable")
    expect(message).toBe(
      `the model folder ${path} is not a Whisper in the layout of transformers.js: it lacks tokenizer.json, onnx/decoder_model_merged*.onnx`,
    )
  })

  test("that is not there, or is a file, is said to be so", async () => {
    const hub = await smallHub()
    expect((await failure(resolve(hub, join(folder, "none")))).message).toContain("does not exist")
    await writeFile(join(folder, "file"), "x")
    expect((await failure(resolve(hub, join(folder, "file")))).message).toContain("is a file")
  })
})

describe("a model of the hub", () => {
  test("is fetched with the files it needs and no others, and no listed path leads out of the cache", async () => {
    const hub = await hubWith({ [SMALL]: { files: { ...extra, ...small } } })
    expect(await resolve(hub, "small")).toEqual({ kind: "folder", path: join(home(SMALL), REVISION) })
    expect(await filesUnder(folder)).toEqual(
      [...Object.keys(small), "xrx-stt-model.json"]
        .map((path) => `cache/models/onnx-community--whisper-small/${REVISION}/${path}`)
        .concat("cache/models/onnx-community--whisper-small/lock")
        .sort(),
    )
    for (const [path, contents] of Object.entries(small)) {
      expect(Buffer.from(await Bun.file(join(home(SMALL), REVISION, path)).bytes()).equals(contents)).toBe(true)
    }
  })

  test("without 8-bit weights is fetched in full precision, with the data beside the graph", async () => {
    const files = {
      ...configs,
      "onnx/encoder_model.onnx": bytes(1000, 3),
      "onnx/encoder_model.onnx_data": bytes(2000, 4),
      "onnx/encoder_model.onnx_data_1": bytes(2001, 5),
      "onnx/decoder_model_merged.onnx": bytes(3000, 6),
      "onnx/decoder_model_merged_fp16.onnx": bytes(3001, 7),
      [ENCODER]: encoder,
    }
    const hub = await hubWith({ "owner/name": { files } })
    expect(await resolve(hub, "owner/name")).toEqual({ kind: "folder", path: join(home("owner/name"), REVISION) })
    expect(await filesUnder(join(home("owner/name"), REVISION, "onnx"))).toEqual([
      "decoder_model_merged.onnx",
      "encoder_model.onnx",
      "encoder_model.onnx_data",
      "encoder_model.onnx_data_1",
    ])
  })

  test("that is no Whisper of this kind is refused with what it lacks", async () => {
    const hub = await hubWith({ "owner/name": { files: { "config.json": text("{}"), "model.safetensors": bytes(10, 1) } } })
    const { message } = await failure(resolve(hub, "owner/name"))
    expect(message).toContain(`it lacks generation_config.json, tokenizer.json, tokenizer_config.json, ${ENCODER}, ${DECODER}`)
  })

  test("is fetched once and then used without any request, also without a network", async () => {
    const hub = await smallHub()
    const first = await resolve(hub, "small")
    const requests = hub.requests.length
    expect(requests).toBeGreaterThan(8)
    expect(await resolve(hub, "small")).toEqual(first)
    expect(await resolve(hub, SMALL, { offline: true })).toEqual(first)
    expect(await resolve(hub, "small", { cacheDirs: [join(folder, "other"), cache], offline: true })).toEqual(first)
    expect(hub.requests.length).toBe(requests)
  })

  test("that was damaged in the cache is fetched again", async () => {
    const hub = await smallHub()
    await resolve(hub, "small")
    await truncate(join(home(SMALL), REVISION, DECODER), 10)
    await failure(resolve(hub, "small", { offline: true }))
    const { path } = (await resolve(hub, "small")) as { path: string }
    expect(Buffer.from(await Bun.file(join(path, DECODER)).bytes()).equals(decoder)).toBe(true)
  })

  test("comes out byte for byte: the real weights", async () => {
    const paths = await filesUnder(WEIGHTS)
    const hub = await hubWith({ [SMALL]: { files: Object.fromEntries(paths.map((path) => [path, join(WEIGHTS, path)])) } })
    const { path } = (await resolve(hub, "small")) as { path: string }
    expect(await filesUnder(path)).toEqual([...paths, "xrx-stt-model.json"].sort())
    for (const file of paths) {
      const [fetched, original] = await Promise.all([path, WEIGHTS].map((at) => Bun.file(join(at, file)).bytes()))
      expect(Buffer.from(fetched!).equals(original!)).toBe(true)
    }
    expect(paths.length).toBe(9)
  })

  test("reports each file's progress at a bounded rate, and its end", async () => {
    // Large enough to come in many pieces.
    const large = bytes(8_000_000, 6)
    const hub = await hubWith({ [SMALL]: { files: { ...small, [DECODER]: large } } })
    const seen: DownloadProgress[] = []
    // The clock stands still: a tenth of a second never passes.
    await resolve(hub, "small", { onProgress: (progress) => seen.push(progress), clock: handClock() })
    const totals = seen.filter(({ loadedBytes, totalBytes }) => loadedBytes === totalBytes)
    expect(totals.map(({ file, loadedBytes }) => [file, loadedBytes]).sort()).toEqual(
      Object.entries({ ...small, [DECODER]: large })
        .map(([file, { length }]) => [file, length])
        .sort(),
    )
    const ofLarge = seen.filter(({ file }) => file === DECODER)
    expect(ofLarge.length).toBe(2)
    expect(ofLarge[0]?.loadedBytes).toBeLessThan(large.length)
  })
})

describe("without a network", () => {
  test("offline, what is not in the cache cannot be had, and nothing is asked", async () => {
    const hub = await smallHub()
    const { code, message } = await failure(resolve(hub, "small", { offline: true }))
    expect(code).toBe("unavailable")
    expect(message).toBe(
      `the model small (${SMALL}) is not in the cache (${cache}) and STT_OFFLINE is set; set STT_OFFLINE=0 to fetch it, or WHISPER_MODEL to a folder that holds it`,
    )
    expect(hub.requests).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })

  test("offline, a model that is there only in part is not used", async () => {
    const hub = await smallHub()
    hub.fail(DECODER, { kind: "status", status: 404 })
    await failure(resolve(hub, "small"))
    const requests = hub.requests.length
    expect((await failure(resolve(hub, "small", { offline: true }))).message).toContain("only in part")
    expect(hub.requests.length).toBe(requests)
  })

  test("a hub that cannot be reached is one line with the reason and the way out", async () => {
    const hub = await smallHub()
    await hub.close()
    const { code, message } = await failure(resolve(hub, "small"))
    expect(code).toBe("unavailable")
    expect(message).toBe(
      `the model small (${SMALL}) cannot be fetched from ${hub.url}: connection refused (ECONNREFUSED); check the network, or set WHISPER_MODEL to a folder that holds the model, or to base, which needs no network`,
    )
  })

  test("a hub that does not answer is given up after a bounded time", async () => {
    const clock = handClock()
    const asked: (() => void)[] = []
    const mute = Bun.serve({
      port: 0,
      fetch: () => {
        asked.shift()?.()
        return new Promise<Response>(() => {})
      },
    })
    const nextRequest = () => new Promise<void>((resolve) => asked.push(resolve))
    const requests = [nextRequest(), nextRequest(), nextRequest()]
    const fetching = failure(
      resolveModel("small", { cacheDirs: [cache], offline: false, hubUrl: mute.url.href, limits: { pauseMs: 0 }, clock, log: silentLog }),
    )
    for (const request of requests) {
      await request
      await clock.advance(10_000)
    }
    expect((await fetching).message).toContain("no answer in 10 s; check the network")
    expect(clock.waiting).toBe(0)
    await mute.stop(true)
  })

  test("a page that some network shows instead of the hub is not taken for a model", async () => {
    const portal = Bun.serve({
      port: 0,
      fetch: () => new Response("<html>Please log in</html>", { headers: { "content-type": "text/html" } }),
    })
    const { message } = await failure(resolve({ url: portal.url.href } as FakeHub, "small"))
    expect(message).toContain("the hub's answer cannot be read")
    expect(message).not.toContain("log in")
    await portal.stop(true)
  })

  test("tiny, which was the old default, becomes the embedded base with a warning; no other size does", async () => {
    const hub = await smallHub()
    const lines: string[] = []
    const log = createLog({ level: "warn", write: (line) => lines.push(line) })
    expect(await resolve(hub, "tiny", { offline: true, log })).toEqual({ kind: "embedded" })
    expect(await resolve(hub, "tiny", { log })).toEqual({ kind: "embedded" })
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "warn", event: "model fallback", model: "tiny", used: "base" },
      { level: "warn", event: "model fallback", model: "tiny", used: "base" },
    ])
    await failure(resolve(hub, "tiny.en", { offline: true, log }))
    expect(lines.length).toBe(2)
  })

  test("tiny that can be had is fetched", async () => {
    const hub = await hubWith({ "onnx-community/whisper-tiny": { files: small } })
    expect(await resolve(hub, "tiny")).toEqual({ kind: "folder", path: join(home("onnx-community/whisper-tiny"), REVISION) })
  })
})

describe("a download that goes wrong", () => {
  test("is taken up where the connection was cut, guarded by the ETag", async () => {
    const hub = await smallHub()
    hub.fail(DECODER, { kind: "cut", afterBytes: 120_000, when: partHolds(120_000) })
    await resolve(hub, "small")
    expect(hub.requestsFor(DECODER)).toMatchObject([
      { range: undefined, ifRange: undefined },
      { range: "bytes=120000-", ifRange: `"${sha256(decoder).slice(0, 32)}"` },
    ])
    expect(hub.requestsFor(ENCODER).length).toBe(1)
    expect(sha256(await Bun.file(join(home(SMALL), REVISION, DECODER)).bytes())).toBe(sha256(decoder))
  })

  test("is taken up by the next process after this one was killed", async () => {
    const hub = await smallHub()
    hub.fail(DECODER, { kind: "stall", afterBytes: 200_000 })
    const child = spawnChild(hub, "small")
    await partHolds(200_000)
    child.kill("SIGKILL")
    await child.exited
    await resolve(hub, "small")
    expect(hub.requestsFor(DECODER).map(({ range }) => range)).toEqual([undefined, "bytes=200000-"])
    expect(hub.requestsFor(ENCODER).length).toBe(1)
    expect(await Bun.file(partOf(SMALL, sha256(decoder))).exists()).toBe(false)
  })

  test("starts again if the file at the hub is another one now", async () => {
    let version = 1
    const hub = await smallHub({ etag: () => `"version-${version}"` })
    const cut = partHolds(1000).then(() => {
      version = 2
    })
    hub.fail(DECODER, { kind: "cut", afterBytes: 1000, when: cut })
    await resolve(hub, "small")
    expect(hub.requestsFor(DECODER)).toMatchObject([{ range: undefined }, { range: "bytes=1000-", ifRange: `"version-1"` }])
    expect(sha256(await Bun.file(join(home(SMALL), REVISION, DECODER)).bytes())).toBe(sha256(decoder))
  })

  test("with a wrong checksum is thrown away and fetched once more", async () => {
    const hub = await smallHub()
    hub.fail(DECODER, { kind: "contents", contents: bytes(decoder.length, 9) })
    hub.fail("config.json", { kind: "contents", contents: text(`{"model_type":"Whisper"}`) })
    const { path } = (await resolve(hub, "small")) as { path: string }
    for (const file of [DECODER, "config.json"] as const) {
      expect(hub.requestsFor(file).map(({ range }) => range)).toEqual([undefined, undefined])
      expect(sha256(await Bun.file(join(path, file)).bytes())).toBe(sha256(small[file]))
    }
  })

  test("with a wrong checksum twice is refused and leaves no such file", async () => {
    const hub = await smallHub()
    const wrong = { kind: "contents", contents: bytes(decoder.length, 9) } as const
    hub.fail(DECODER, wrong, wrong)
    expect((await failure(resolve(hub, "small"))).message).toContain(`${DECODER} came twice with a wrong checksum`)
    expect((await filesUnder(home(SMALL))).filter((file) => file.includes("decoder") || file.includes(sha256(decoder)))).toEqual([])
    expect((await resolve(hub, "small")).kind).toBe("folder")
  })

  test("a part that the disk spoilt is noticed", async () => {
    const hub = await smallHub()
    hub.fail(DECODER, { kind: "status", status: 404 })
    await failure(resolve(hub, "small"))
    await writeFile(partOf(SMALL, sha256(decoder)), new Uint8Array(400_000))
    const { path } = (await resolve(hub, "small")) as { path: string }
    expect(hub.requestsFor(DECODER).map(({ range }) => range)).toEqual([undefined, "bytes=400000-", undefined])
    expect(sha256(await Bun.file(join(path, DECODER)).bytes())).toBe(sha256(decoder))
  })

  test("longer than listed is refused, also one that never ends", async () => {
    const hub = await smallHub()
    hub.fail(DECODER, { kind: "contents", contents: bytes(decoder.length + 2_000_000, 9) }, { kind: "endless" }, { kind: "endless" })
    const { message } = await failure(resolve(hub, "small", { limits: { pauseMs: 0, tries: 3 } }))
    expect(message).toContain(`${DECODER}: more bytes than the hub lists (3 tries)`)
    expect(await Bun.file(partOf(SMALL, sha256(decoder))).exists()).toBe(false)
  })

  test("that stalls is taken up after the limit", async () => {
    const hub = await smallHub()
    const clock = handClock()
    hub.fail(DECODER, { kind: "stall", afterBytes: 5000 })
    const choice = resolve(hub, "small", { clock, limits: { stallMs: 30_000, pauseMs: 0 } })
    await partHolds(5000)
    await clock.advance(29_999)
    expect(hub.requestsFor(DECODER).length).toBe(1)
    await clock.advance(1)
    expect((await choice).kind).toBe("folder")
    expect(hub.requestsFor(DECODER).map(({ range }) => range)).toEqual([undefined, "bytes=5000-"])
    expect(clock.waiting).toBe(0)
  })

  test("that stalls each time is given up after a bounded number of tries", async () => {
    const hub = await smallHub()
    const clock = handClock()
    const stall = { kind: "stall", afterBytes: 0 } as const
    hub.fail(DECODER, stall, stall, stall, stall, stall, stall)
    const fetching = failure(resolve(hub, "small", { clock, limits: { stallMs: 30_000, tries: 4, pauseMs: 0 } }))
    for (let tried = 1; tried <= 4; tried++) {
      await eventually(async () => hub.requestsFor(DECODER).length === tried)
      await clock.advance(30_000)
    }
    expect((await fetching).message).toContain(`${DECODER}: stalled for 30 s (4 tries)`)
    expect(hub.requestsFor(DECODER).length).toBe(4)
  })

  test("pauses twice as long before each further try", async () => {
    const hub = await smallHub()
    const trouble = { kind: "status", status: 503 } as const
    hub.fail(DECODER, trouble, trouble, trouble)
    const pauses: number[] = []
    const clock: Clock = {
      now: realClock.now,
      after(ms, callback) {
        if (ms === 30_000 || ms === 10_000) return realClock.after(ms, callback)
        pauses.push(ms)
        return realClock.after(0, callback)
      },
    }
    expect((await resolve(hub, "small", { clock, limits: { pauseMs: 1000 } })).kind).toBe("folder")
    expect(pauses).toEqual([1000, 2000, 4000])
  })

  test("is tried again after an answer of trouble, and given up after the bound", async () => {
    const hub = await smallHub()
    const trouble = { kind: "status", status: 503 } as const
    hub.fail(DECODER, trouble, trouble)
    expect((await resolve(hub, "small")).kind).toBe("folder")
    expect(hub.requestsFor(DECODER).length).toBe(3)
    await rm(cache, { recursive: true })
    hub.fail(DECODER, trouble, trouble, trouble, trouble, trouble, trouble)
    expect((await failure(resolve(hub, "small"))).message).toContain(`${DECODER}: HTTP 503 (5 tries)`)
  })

  test("of a model that the hub does not know or show is refused at once", async () => {
    const hub = await smallHub()
    expect((await failure(resolve(hub, "owner/unknown"))).message).toBe(
      `the model owner/unknown cannot be fetched from ${hub.url}: owner/unknown: no such model, or not public; check the name, or set WHISPER_MODEL to a folder that holds the model, or to base`,
    )
    hub.fail(ENCODER, { kind: "status", status: 403 })
    expect((await failure(resolve(hub, "small"))).message).toContain(`${ENCODER} is not there or not public (HTTP 403)`)
    expect(hub.requestsFor(ENCODER).length).toBe(1)
  })

  test("that is called off says so, and the next call goes on from there", async () => {
    const hub = await smallHub()
    hub.fail(DECODER, { kind: "stall", afterBytes: 70_000 })
    const calling = new AbortController()
    const fetching = resolve(hub, "small", { signal: calling.signal })
    await partHolds(70_000)
    calling.abort()
    expect((await failure(fetching)).code).toBe("aborted")
    expect((await stat(partOf(SMALL, sha256(decoder)))).size).toBe(70_000)
    await resolve(hub, "small")
    expect(hub.requestsFor(DECODER).map(({ range }) => range)).toEqual([undefined, "bytes=70000-"])
  })

  test("that was called off before it began asks nothing", async () => {
    const hub = await smallHub()
    expect((await failure(resolve(hub, "tiny", { signal: AbortSignal.abort() }))).code).toBe("aborted")
    expect(hub.requests).toEqual([])
  })
})

describe("several at once", () => {
  test("in one process, one fetches and the others take what it fetched", async () => {
    const hub = await smallHub()
    const choices = await Promise.all([1, 2, 3].map(() => resolve(hub, "small")))
    expect(new Set(choices.map((choice) => JSON.stringify(choice))).size).toBe(1)
    for (const file of Object.keys(small)) expect(hub.requestsFor(file).length).toBe(1)
  })

  test("in several processes too, and none of them loads ONNX Runtime", async () => {
    const hub = await smallHub()
    const children = [1, 2].map(() => spawnChild(hub, "small"))
    const own = await resolve(hub, "small")
    for (const child of children) {
      const reply = (await new Response(child.stdout).json()) as ResolveModelReply
      expect(reply).toEqual({ choice: own, onnxRuntimeLoaded: false })
    }
    for (const file of Object.keys(small)) expect(hub.requestsFor(file).length).toBe(1)
    expect(await readdir(home(SMALL))).toEqual(expect.arrayContaining([REVISION, "lock"]))
    expect((await readdir(home(SMALL))).length).toBe(2)
  })

  test("one that waits can be called off", async () => {
    const hub = await smallHub()
    hub.fail(DECODER, { kind: "stall", afterBytes: 10 })
    const calling = new AbortController()
    const first = resolve(hub, "small", { signal: calling.signal })
    await partHolds(10)
    const { promise: waits, resolve: waiting } = Promise.withResolvers<void>()
    const log = createLog({ level: "info", write: (line) => (JSON.parse(line).event === "model waiting" ? waiting() : undefined) })
    const waiter = new AbortController()
    const second = resolve(hub, "small", { signal: waiter.signal, log })
    await waits
    waiter.abort()
    expect((await failure(second)).code).toBe("aborted")
    calling.abort()
    expect((await failure(first)).code).toBe("aborted")
  })
})

describe("the cache folder", () => {
  test("is the first that can be written", async () => {
    const hub = await smallHub()
    await writeFile(join(folder, "occupied"), "a file, so no folder can be made below it")
    expect(await resolve(hub, "small", { cacheDirs: [join(folder, "occupied"), cache] })).toEqual({
      kind: "folder",
      path: join(home(SMALL), REVISION),
    })
    const { message } = await failure(resolve(hub, "whisper-small", { cacheDirs: [join(folder, "occupied")] }))
    expect(message).toContain(`no cache folder can be written (${join(folder, "occupied")}: ENOTDIR)`)
    expect(message).toContain("STT_CACHE_DIR")
  })

  test("of several is not one that others can write to", async () => {
    const hub = await smallHub()
    const open = join(folder, "open")
    await mkdir(open)
    await chmod(open, 0o777)
    expect(await resolve(hub, "small", { cacheDirs: [open, cache] })).toEqual({ kind: "folder", path: join(home(SMALL), REVISION) })
    expect(await readdir(open)).toEqual([])
  })

  test("without room for the model is refused before a byte is fetched", async () => {
    const hub = await smallHub({ sizes: { [DECODER]: 2 ** 52 } })
    const { message } = await failure(resolve(hub, "small"))
    expect(message).toMatch(/4503599628 MB are needed in .* and \d+ MB are free; make room, or set STT_CACHE_DIR/)
    expect(hub.requestsFor("config.json")).toEqual([])
  })

  test("in which something is in the way is one line with the reason", async () => {
    const hub = await smallHub()
    await mkdir(join(home(SMALL), "incoming"), { recursive: true })
    await writeFile(join(home(SMALL), "incoming", REVISION), "a file where a folder belongs")
    const { message } = await failure(resolve(hub, "small"))
    expect(message).toMatch(/: (ENOTDIR|EEXIST); make room, or set STT_CACHE_DIR to a folder that can be written$/)
  })

  test("that takes no more, or larger, files is one line with the reason", async () => {
    const hub = await smallHub()
    const limited = spawnChild(hub, "small", ["bash", "-c", `ulimit -f 100; exec "$@"`, "-"])
    const { error } = (await new Response(limited.stdout).json()) as ResolveModelReply
    expect(error).toEndWith("file too large for this disk (EFBIG); make room, or set STT_CACHE_DIR to a folder that can be written")
  })

  // Needs to mount a small disk: not every machine lets a test do that.
  test.skipIf(!mountable())("that is full is one line with the reason", async () => {
    const hub = await smallHub()
    await mkdir(cache)
    const mount = `mount -t tmpfs -o size=50m,nr_inodes=8 none ${cache}; exec "$@"`
    const full = spawnChild(hub, "small", ["unshare", "-rm", "sh", "-c", mount, "-"])
    const { error } = (await new Response(full.stdout).json()) as ResolveModelReply
    expect(error).toEndWith("no space left on the disk (ENOSPC); make room, or set STT_CACHE_DIR to a folder that can be written")
  })
})

function mountable(): boolean {
  const found = Bun.which("unshare")
  return found !== null && Bun.spawnSync([found, "-rm", "mount", "-t", "tmpfs", "none", tmpdir()]).success
}

function spawnChild(hub: FakeHub, name: string, before: readonly string[] = []) {
  const argument = JSON.stringify({ name, cacheDirs: [cache], hubUrl: hub.url })
  return Bun.spawn([...before, process.execPath, CHILD, argument], { stdout: "pipe", stderr: "inherit" })
}

/** For what another process does and does not tell. The test's own time limit bounds it. */
async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}
