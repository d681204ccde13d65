/**
 * What the built file promises: it is the only file. Runs when `XRX_STT_BINARY` names one, as `.ci/run` does after its
 * build; a build takes longer than all other tests together. Some promises need a namespace of their own, so root.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { chmod, mkdir, open, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { CHROMIUM } from "./support/browser.ts"
import { filesBelow, type Home, makeHome, runIn, type Served, serveIn } from "./support/built-file.ts"
import { connect, socketUrl } from "./support/client.ts"
import { startCollector } from "./support/otlp-collector.ts"
import { treeOf } from "./support/told.ts"

const builtFile = process.env.XRX_STT_BINARY ? resolve(process.env.XRX_STT_BINARY) : undefined
const ROOT = join(import.meta.dir, "..")
const CLIP = join(import.meta.dir, "fixtures/speech/ps_sense_and_sensibility_01_austen_64kb-0930.wav")
const WORDS = "he might even have been made amiable himself"
const WAV_HEADER_BYTES = 44
const SECOND_BYTES = 32_000
const START_LIMIT_MS = 60_000
const NOBODY_UID = 65_534

const normalised = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z ]/g, "")
    .trim()
/** True if this machine lets us, for instance make a namespace. */
const can = (...command: string[]) => Bun.which(command[0] ?? "") !== null && Bun.spawnSync(command).exitCode === 0
const ownMounts = can("unshare", "-m", "true")
const ownNetwork = can("unshare", "-n", "true")
/** A network of its own that has nothing but this machine. */
const ownLoopback = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"] as const
const canLoopback = can(...ownLoopback, "true")
const otherUser = can("setpriv", `--reuid=${NOBODY_UID}`, "--clear-groups", "true")

describe.skipIf(builtFile === undefined)("the built file", () => {
  let home: Home
  const transcribe = (env: Readonly<Record<string, string>> = home.env, before: readonly string[] = []) =>
    runIn(home, [...before, home.program, "transcribe", CLIP], env)

  beforeEach(async () => {
    home = await makeHome(builtFile ?? "")
  })
  afterEach(() => home.remove())

  async function expectWords(env?: Readonly<Record<string, string>>, before?: readonly string[]) {
    const { code, stdout, stderr } = await transcribe(env, before)
    expect({ code, words: normalised(stdout), stderr }).toEqual({ code: 0, words: WORDS, stderr: "" })
  }

  const cacheOf = (dir: string) => join(dir, ".cache/xrx-stt")
  /** The extracted folder whose name begins so. */
  async function extracted(dir: string, name: string): Promise<string> {
    const found = (await readdir(cacheOf(dir))).filter((entry) => entry.startsWith(`${name}-`))
    expect(found).toHaveLength(1)
    return join(cacheOf(dir), found[0] ?? "")
  }
  async function expectWholeCopies() {
    const addon = `node_modules/onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}`
    const model = "src/engines/whisper/weights/whisper-base"
    for (const [folder, original] of [
      [await extracted(home.home, "onnxruntime"), join(ROOT, addon)],
      [await extracted(home.home, "whisper-base"), join(ROOT, model)],
    ] as const) {
      for (const name of await filesBelow(original)) {
        expect({ name, same: (await readFile(join(folder, name))).equals(await readFile(join(original, name))) }).toEqual({
          name,
          same: true,
        })
      }
    }
  }

  describe("served from a folder with nothing else in it", () => {
    let place: Home
    let served: Served
    beforeAll(async () => {
      place = await makeHome(builtFile ?? "")
      served = await serveIn(place, { ...place.env, STT_ENGINES: "2" })
    }, START_LIMIT_MS)
    afterAll(() => place.remove())

    test("shows the page, with all that it loads inside", async () => {
      const served = await serveIn(home, home.env)
      try {
        const ask = (path: string) => fetch(new URL(path, served.url), { headers: { accept: "text/html" } })
        for (const path of ["/", "/status", "/docs"]) {
          const html = await (await ask(path)).text()
          expect(html).toStartWith("<!doctype html>")
          for (const [, file = ""] of html.matchAll(/(?:src|href)="(\/[^"]*)"/g)) expect((await ask(file)).status, file).toBe(200)
        }
        for (const file of ["/page/microphone.js", "/page/sample.wav"])
          expect((await (await ask(file)).bytes()).length, file).toBeGreaterThan(500)
      } finally {
        await served.stop()
      }
    })

    test("is ready over HTTP when its log says so", async () => {
      expect((await fetch(new URL("/readyz", served.url))).status).toBe(200)
    })

    test("answers an utterance with its words", async () => {
      const client = await connect(socketUrl(served.url))
      client.send((await readFile(CLIP)).subarray(WAV_HEADER_BYTES))
      expect(normalised(await client.next())).toBe(WORDS)
      client.close()
    })

    test("hears the utterances of a stream, each with its words", async () => {
      const client = await connect(socketUrl(served.url, "mode=events"))
      const clip = (await readFile(CLIP)).subarray(WAV_HEADER_BYTES)
      const second = new Uint8Array(SECOND_BYTES)
      for (const sound of [clip, second, clip, second]) client.send(sound)
      const finals: string[] = []
      while (finals.length < 2) {
        const event = JSON.parse(await client.next())
        if (event.type === "final") finals.push(normalised(event.text))
      }
      expect(finals).toEqual([WORDS, WORDS])
      client.close()
    })

    test("hands its processes the opt-out from telemetry in their real environment", async () => {
      const pids = await childrenOf(served.pid)
      expect((await Promise.all(pids.map(roleOf))).sort()).toEqual(["__engine", "__engine", "__vad"])
      for (const pid of pids) expect(await readFile(`/proc/${pid}/environ`, "utf8")).toContain("ORT_DISABLE_TELEMETRY=1")
    })

    test("loads ONNX Runtime in its processes, never in the server", async () => {
      const holds = async (pid: string | number) => (await readFile(`/proc/${pid}/maps`, "utf8")).includes("onnxruntime")
      expect(await Promise.all((await childrenOf(served.pid)).map(holds))).toEqual([true, true, true])
      expect(await holds(served.pid)).toBe(false)
    })

    test("exits with 0 on SIGTERM, and its processes are gone", async () => {
      const pids = await childrenOf(served.pid)
      expect(await served.stop()).toBe(0)
      for (const pid of pids) expect(isRunning(Number(pid))).toBe(false)
    })

    test("has written nothing but the extracted folders in its cache: no telemetry, nothing in TMPDIR or beside itself", async () => {
      expect(await filesBelow(place.cwd)).toEqual(["xrx-stt"])
      expect(await filesBelow(place.tmp)).toEqual([])
      const known = /^\.cache\/xrx-stt\/((onnxruntime|whisper-base)-[0-9a-f]{16}\/|(onnxruntime|whisper-base)\.lock$)/
      expect((await filesBelow(place.home)).filter((file) => !known.test(file))).toEqual([])
    })
  })

  test(
    "measures itself with the recordings inside",
    async () => {
      const { code, stdout, stderr } = await runIn(home, [home.program, "bench", "--rounds", "1", "--clients", "1", "--json"], home.env)
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(JSON.parse(stdout).ours.figures.latency.map((row: { lengthSeconds: number }) => row.lengthSeconds)).toEqual([3, 7, 15])
    },
    START_LIMIT_MS,
  )

  test(
    "sends traces to a collector",
    async () => {
      const collector = startCollector()
      const served = await serveIn(home, { ...home.env, STT_ENGINES: "1", OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
      const client = await connect(socketUrl(served.url))
      client.send((await readFile(CLIP)).subarray(WAV_HEADER_BYTES))
      await client.next()
      client.close()
      expect(await served.stop()).toBe(0)
      const utterance = collector.spans.find(({ name }) => name === "utterance")
      expect(treeOf(utterance, collector.spans)).toEqual(["utterance", ["queue"], ["transcribe whisper", ["engine queue"], ["decode"]]])
      await collector.stop()
    },
    START_LIMIT_MS,
  )

  test("says its version", async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"))
    expect((await runIn(home, [home.program, "--version"], {})).stdout.trim()).toStartWith(version)
  })

  test(
    "takes no word from what lies in the current folder",
    async () => {
      const traps: Record<string, string> = {
        ".env": "WHISPER_MODEL=/nowhere\n",
        "bunfig.toml": 'preload = ["./owned.ts"]\n',
        "owned.ts": 'await Bun.write("owned", "code of the current folder ran")\n',
        "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./owned.ts"] } } }\n',
        "package.json": '{ "name": "owned", "imports": { "#x": "./owned.ts" } }\n',
        "node_modules/@huggingface/transformers/index.js": 'await Bun.write("owned", "package of the current folder ran")\n',
        "node_modules/onnxruntime-node/index.js": 'require("fs").writeFileSync("owned", "package of the current folder ran")\n',
        "node_modules/sharp/index.js": 'require("fs").writeFileSync("owned", "package of the current folder ran")\n',
      }
      for (const [name, text] of Object.entries(traps)) {
        await mkdir(dirname(join(home.cwd, name)), { recursive: true })
        await writeFile(join(home.cwd, name), text)
      }
      await expectWords()
      expect(await filesBelow(home.cwd)).toEqual([...Object.keys(traps), "xrx-stt"].sort())
    },
    START_LIMIT_MS,
  )

  test(
    "three first starts at once all work and leave one copy",
    async () => {
      await Promise.all([expectWords(), expectWords(), expectWords()])
      await expectWholeCopies()
      expect(await readdir(cacheOf(home.home))).toHaveLength(4)
    },
    START_LIMIT_MS,
  )

  test(
    "a damaged cache is repaired",
    async () => {
      await expectWords()
      const library = join(await extracted(home.home, "onnxruntime"), "libonnxruntime.so.1")
      const decoder = join(await extracted(home.home, "whisper-base"), "onnx/decoder_model_merged_quantized.onnx")
      await flipByte(library, (await stat(library)).size >> 1)
      await chmod(decoder, 0o600)
      await truncate(decoder, 1000)
      await expectWords()
      await expectWholeCopies()
    },
    START_LIMIT_MS,
  )

  test(
    "a copy of one start serves the next, which writes nothing",
    async () => {
      await expectWords()
      const looks = async () =>
        Promise.all((await filesBelow(home.home)).map(async (file) => [file, (await stat(join(home.home, file))).ctimeMs] as const))
      const before = await looks()
      await expectWords()
      expect(await looks()).toEqual(before)
    },
    START_LIMIT_MS,
  )

  test(
    "works from memory where no folder can be made",
    async () => {
      await expectWords({ HOME: "/proc", TMPDIR: "/proc" })
    },
    START_LIMIT_MS,
  )

  test(
    "works with STT_CACHE_DIR alone, without HOME",
    async () => {
      await expectWords({ STT_CACHE_DIR: join(home.tmp, "cache") })
      expect(await readdir(home.home)).toEqual([])
      expect(await readdir(join(home.tmp, "cache"))).toHaveLength(4)
    },
    START_LIMIT_MS,
  )

  test.skipIf(!ownMounts)(
    "works from memory in read-only folders (needs a mount namespace)",
    async () => {
      const mounts = 'mount -t tmpfs -o ro none "$HOME" && mount -t tmpfs -o ro none "$TMPDIR" && exec "$@"'
      await expectWords(home.env, [Bun.which("unshare") ?? "", "-m", "/bin/sh", "-c", mounts, "sh"])
    },
    START_LIMIT_MS,
  )

  test.skipIf(!ownMounts)(
    "loads the library from memory where every folder is noexec (needs a mount namespace)",
    async () => {
      const mounts = 'mount -t tmpfs -o noexec none "$HOME" && mount -t tmpfs -o noexec none "$TMPDIR" && exec "$@"'
      await expectWords(home.env, [Bun.which("unshare") ?? "", "-m", "/bin/sh", "-c", mounts, "sh"])
    },
    START_LIMIT_MS,
  )

  test.skipIf(!ownMounts)(
    "passes over a noexec folder to the next one (needs a mount namespace)",
    async () => {
      const mounts = 'mount -t tmpfs -o noexec none "$HOME" && exec "$@"'
      await expectWords(home.env, [Bun.which("unshare") ?? "", "-m", "/bin/sh", "-c", mounts, "sh"])
      expect(await filesBelow(home.tmp)).toContainEqual(expect.stringMatching(/^xrx-stt-0\/onnxruntime-[0-9a-f]{16}\/libonnxruntime/))
    },
    START_LIMIT_MS,
  )

  test.skipIf(!canLoopback || CHROMIUM === null)(
    "shows the page to a browser where there is no network, and its sample is heard (needs chromium and iproute2)",
    async () => {
      const script = join(ROOT, "test/support/offline-page.ts")
      const child = Bun.spawn([...ownLoopback, process.execPath, script, builtFile ?? ""], { stdout: "pipe", stderr: "pipe" })
      const [told, trouble, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
      expect({ code, trouble }).toEqual({ code: 0, trouble: "" })
      const { words, ...seen } = JSON.parse(told)
      expect(words).toContain("leisure to consider how much there might be prudently in his power")
      expect(seen).toEqual({ complaints: [], strangers: [] })
    },
    START_LIMIT_MS,
  )

  test.skipIf(!ownNetwork)(
    "works without any network, not even the loopback (needs a network namespace)",
    async () => {
      await expectWords(home.env, [Bun.which("unshare") ?? "", "-n"])
    },
    START_LIMIT_MS,
  )

  test.skipIf(!otherUser)(
    "works for a user who owns nothing and may write nowhere (needs root to become one)",
    async () => {
      await expectWords(home.env, [Bun.which("setpriv") ?? "", `--reuid=${NOBODY_UID}`, "--clear-groups"])
      expect(await filesBelow(home.home)).toEqual([])
      expect(await filesBelow(home.tmp)).toEqual([])
    },
    START_LIMIT_MS,
  )
})

async function childrenOf(pid: number): Promise<string[]> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ")
}

/** What the built file was told to be. */
async function roleOf(pid: string): Promise<string | undefined> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0")[1]
}

async function flipByte(path: string, at: number) {
  await chmod(path, 0o600)
  const handle = await open(path, "r+")
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at)
  await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 0xff]), 0, 1, at)
  await handle.close()
}

/** Not so a zombie: it ended, and whoever should hear of it does not listen (the first process of many containers). */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}
