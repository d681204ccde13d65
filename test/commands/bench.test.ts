import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { wavFromSamples } from "../../src/audio/wav.ts"
import { builtInClips, clipsOfFolder, distinctSamples } from "../../src/commands/bench/clips.ts"
import { figuresOf, quantile, type Run, ratiosOf } from "../../src/commands/bench/figures.ts"
import { treeMemoryBytes } from "../../src/commands/bench/memory.ts"
import { parseBenchOptions } from "../../src/commands/bench/options.ts"
import { markdownReport, textReport } from "../../src/commands/bench/report.ts"
import { Result } from "../../src/commands/bench/result.ts"
import { runCommand } from "../support/program.ts"

const replies = (audioSeconds: number, ...latenciesMs: number[]) => latenciesMs.map((latencyMs) => ({ audioSeconds, latencyMs }))
const run = (clients: number, over: Partial<Run> = {}): Run => ({
  clients,
  replies: replies(3, 100),
  wallSeconds: 0.1,
  unanswered: 0,
  pingsMs: [1],
  ...over,
})

describe("the arithmetic of a bench", () => {
  test("a quantile is the smallest value that this part of all values does not exceed", () => {
    const twenty = Array.from({ length: 20 }, (_, i) => 20 - i)
    expect([0, 0.5, 0.95, 0.99, 1].map((part) => quantile(twenty, part))).toEqual([1, 10, 19, 20, 20])
    expect(quantile([7], 0.5)).toBe(7)
    expect(quantile([], 0.5)).toBeNull()
  })

  test("latencies come from the calmest run, by the nearest length", () => {
    const runs = [
      run(1, { replies: [...replies(2.99, 80, 90), ...replies(7.1, 150), ...replies(15.39, 300)], wallSeconds: 0.62 }),
      run(4, { replies: replies(3, 999), wallSeconds: 1 }),
    ]
    expect(figuresOf(runs).latency).toEqual([
      { lengthSeconds: 3, replies: 2, meanSeconds: 2.99, p50Ms: 80, p95Ms: 90 },
      { lengthSeconds: 7, replies: 1, meanSeconds: 7.1, p50Ms: 150, p95Ms: 150 },
      { lengthSeconds: 15, replies: 1, meanSeconds: 15.39, p50Ms: 300, p95Ms: 300 },
    ])
  })

  test("speed is answered speech over time, of all passes together", () => {
    const runs = [
      run(1, { replies: replies(5, 250, 250), wallSeconds: 0.5 }),
      run(8, { replies: replies(5, 400, 600), wallSeconds: 0.25, pingsMs: [2, 3], unanswered: 1 }),
      run(1, { replies: replies(5, 250), wallSeconds: 0.5 }),
      run(8, { replies: replies(5, 500), wallSeconds: 0.15, pingsMs: [9], unanswered: 2 }),
    ]
    const { realTimeFactor, load } = figuresOf(runs)
    expect(load).toEqual([
      { clients: 1, replies: 3, unanswered: 0, xRealTime: 15, p50Ms: 250, p95Ms: 250, pingP99Ms: 1 },
      { clients: 8, replies: 3, unanswered: 3, xRealTime: 37.5, p50Ms: 500, p95Ms: 600, pingP99Ms: 9 },
    ])
    expect(realTimeFactor).toBe(0.0667)
  })

  test("a server that answered nothing has a speed of 0 and no factor", () => {
    const { realTimeFactor, latency, load } = figuresOf([run(1, { replies: [], wallSeconds: 0, unanswered: 2, pingsMs: [] })])
    expect({ realTimeFactor, latency }).toEqual({ realTimeFactor: null, latency: [] })
    expect(load[0]).toMatchObject({ xRealTime: 0, pingP99Ms: null, unanswered: 2 })
  })

  test("a ratio says how many times better ours is, whichever way the figure runs, with its range over the passes", () => {
    const pass = (latencyMs: number) => figuresOf([run(1, { replies: replies(3, latencyMs), wallSeconds: latencyMs / 1000 })])
    const ratios = ratiosOf(pass(100), pass(250), [
      [pass(100), pass(200)],
      [pass(100), pass(300)],
    ])
    expect(ratios).toEqual([
      { label: "3 s utterance, p50", ratio: 2.5, lowest: 2, highest: 3 },
      { label: "3 s utterance, p95", ratio: 2.5, lowest: 2, highest: 3 },
      { label: "real-time factor, 1 client", ratio: 2.5, lowest: 2, highest: 3 },
      { label: "speed, 1 client", ratio: 2.5, lowest: 2, highest: 3 },
      { label: "ping beside 1 client, p99", ratio: 1, lowest: 1, highest: 1 },
    ])
  })
})

const result: Result = {
  measuredAt: "2026-11-22T20:00:00.000Z",
  program: { version: "0.1.0", commit: "abc1234" },
  machine: { platform: "linux-x64", processor: "Abacus", cores: 2, memoryBytes: 8e9 },
  load: { clips: 3, shortestSeconds: 2.99, longestSeconds: 15.39, audioSeconds: 25.5, rounds: 20, passes: 2, leftOut: ["hum"] },
  ours: {
    name: "xrx-stt",
    started: { engine: "whisper", model: "base", engines: 2, memory: { readyBytes: 4e8, loadedBytes: 5e8 } },
    figures: {
      realTimeFactor: 0.025,
      latency: [{ lengthSeconds: 3, replies: 20, meanSeconds: 2.99, p50Ms: 80.4, p95Ms: 95 }],
      load: [{ clients: 1, replies: 20, unanswered: 0, xRealTime: 40, p50Ms: 80.4, p95Ms: 95, pingP99Ms: 1.26 }],
    },
  },
  theirs: {
    name: "other",
    started: null,
    figures: {
      realTimeFactor: 0.1,
      latency: [{ lengthSeconds: 3, replies: 20, meanSeconds: 2.99, p50Ms: 160.8, p95Ms: 190 }],
      load: [{ clients: 1, replies: 20, unanswered: 1, xRealTime: 10, p50Ms: 160.8, p95Ms: 190, pingP99Ms: null }],
    },
  },
  ratios: [
    { label: "3 s utterance, p50", ratio: 2, lowest: 1.9, highest: 2.1 },
    { label: "speed, 1 client", ratio: 4, lowest: 4, highest: 4 },
  ],
  live: null,
}

describe("the report of a bench", () => {
  test("is an aligned table between what was measured and what the words mean", () => {
    expect(textReport(result)).toBe(`xrx-stt 0.1.0 (abc1234), whisper base, 2 engine processes
Abacus, 2 cores, 8.0 GB, linux-x64, 2026-11-22
3 recordings of 3.0 to 15.4 s, 20 rounds a run, 2 turns of each server

                                     xrx-stt             other  times better
3 s utterance, p50                     80 ms            161 ms  2.0 (1.9–2.1)
3 s utterance, p95                     95 ms            190 ms
real-time factor, 1 client             0.025             0.100
speed, 1 client             40.0 × real time  10.0 × real time  4.0
ping beside 1 client, p99             1.3 ms                 –
memory, ready                         400 MB                 –
memory, after the load                500 MB                 –

Lengths on average: 3 s: 3.0 s.
Utterance and reply: from sending the whole utterance to its words; the first with one client.
Speed: seconds of speech in a second.
Times better: xrx-stt against other, 2 is half the time or twice the speed; in parentheses over the turns.
Left out, because a server had no words for it: hum.
other left 1 utterance without words.`)
  })

  test("is a chart and a table in Markdown", () => {
    const lines = markdownReport(result).split("\n")
    expect(lines.slice(0, 9)).toEqual([
      "```",
      "Time to the words, one client (short is good)",
      "3 s  xrx-stt  ████████████████ 80 ms",
      "     other    ████████████████████████████████ 161 ms",
      "",
      "Seconds of speech in a second (long is good)",
      "1 client  xrx-stt  ████████████████████████████████ 40.0 × real time",
      "          other    ████████ 10.0 × real time",
      "```",
    ])
    expect(lines.slice(10, 13)).toEqual([
      "|  | xrx-stt | other | times better |",
      "|---|---:|---:|---:|",
      "| 3 s utterance, p50 | 80 ms | 161 ms | 2.0 (1.9–2.1) |",
    ])
  })

  test("has one column when one server was measured", () => {
    const alone = { ...result, theirs: null, ratios: [] }
    expect(markdownReport(alone)).toContain("|  | xrx-stt |\n|---|---:|\n| 3 s utterance, p50 | 80 ms |\n")
    expect(textReport(alone)).not.toContain("better")
  })
})

describe("what a bench says", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "bench-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test("recordings of about 3, 7 and 15 s lie inside", async () => {
    expect((await builtInClips()).map(({ name, seconds }) => [name, Math.round(seconds)])).toEqual([
      ["3 s", 3],
      ["7 s", 7],
      ["15 s", 15],
    ])
  })

  test("each utterance has bytes of its own, one bit away from the recording", async () => {
    const [clip] = await builtInClips()
    const [first, second] = [distinctSamples(clip!, 0), distinctSamples(clip!, 1)]
    const changed = (samples: Int16Array) => [...samples.keys()].filter((at) => samples[at] !== clip!.samples[at])
    expect([changed(first), changed(second)]).toEqual([[0], [1]])
    expect(first[0]! ^ clip!.samples[0]!).toBe(1)
  })

  test("a folder gives its WAV files of at most 28 s, in order, or so many of them evenly spread", async () => {
    for (const [name, seconds] of [
      ["d", 1],
      ["b", 2],
      ["a", 3],
      ["c", 4],
      ["e", 29],
    ] as const) {
      await Bun.write(join(folder, `${name}.wav`), wavFromSamples(new Int16Array(seconds * 16_000)))
    }
    const named = async (limit?: number) => (await clipsOfFolder(folder, limit)).map(({ name, seconds }) => `${name} ${seconds}`)
    expect(await named()).toEqual(["a 3", "b 2", "c 4", "d 1"])
    expect(await named(2)).toEqual(["a 3", "c 4"])
  })

  test("a manifest's English speech is taken, and nothing else of it", async () => {
    const listed = join(folder, "listed")
    await mkdir(listed)
    await Bun.write(join(listed, "one.wav"), wavFromSamples(new Int16Array(16_000)))
    const entry = { id: "yes", file: "one.wav", seconds: 1, lang: "en", kind: "read", tags: ["far"] }
    const others = [{ lang: "de" }, { kind: "non-speech" }, { seconds: 28.1 }, { tags: ["hard"] }, { lang: undefined }]
    const manifest = [entry, ...others.map((other, index) => ({ ...entry, id: `no ${index}`, ...other }))]
    await Bun.write(join(listed, "manifest.json"), JSON.stringify(manifest))
    expect((await clipsOfFolder(listed)).map(({ name }) => name)).toEqual(["yes"])
  })
})

describe("the arguments of bench", () => {
  test("--markdown needs a result of --json, not just any file", async () => {
    const wrong = join(import.meta.dir, "../../package.json")
    expect(await runCommand(["bench", "--markdown", wrong], { PORT: "x" })).toEqual({
      code: 1,
      output: [],
      errors: [`${wrong}: not a result of \`xrx-stt bench --json\``],
    })
  })

  test("a folder without recordings is one line and exit code 1", async () => {
    const folder = join(import.meta.dir, "../support")
    expect(await runCommand(["bench", "--clips", folder])).toEqual({
      code: 1,
      output: [],
      errors: [`xrx-stt bench: ${folder}: no WAV file to speak`],
    })
  })

  test("an address without a path means the path of the contract", () => {
    const { options } = parseBenchOptions({ url: "ws://there:8001", against: "wss://here/other/path?language=de" }) as never
    expect(options).toMatchObject({ url: "ws://there:8001/api/v1/ws", against: "wss://here/other/path?language=de" })
  })

  test("bad ones are all named, and the exit code is 78", async () => {
    const words = ["--url", "http://x", "--rounds", "0", "--clients", "4,x", "--limit", "3", "--against-name", "them"]
    const { code, output, errors } = await runCommand(["bench", ...words])
    expect({ code, output, errors }).toEqual({
      code: 78,
      output: [],
      errors: [
        [
          "xrx-stt bench cannot run with these arguments:",
          '  --url: expected a ws:// or wss:// address, got "http://x"',
          '  --rounds: expected a whole number from 1 to 1000, got "0"',
          '  --clients: expected whole numbers from 1 to 1000, separated by commas, got "4,x"',
          "  --limit: chooses among the files of --clips, which is missing",
          "  --against-name: names the server of --against, which is missing",
        ].join("\n"),
      ],
    })
  })

  test("bad settings end it with 78 before anything starts", async () => {
    expect(await runCommand(["bench"], { PORT: "x" })).toMatchObject({ code: 78, output: [] })
  })
})

/** Answers each utterance as `reply` decides: with a text, after a while, or never. Keeps what it got, by hash. */
function scriptedServer(reply: (bytes: number, count: number) => string | undefined | Promise<string>, heard: string[] = [], name = "") {
  const hashes: string[] = []
  const server = Bun.serve<undefined>({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, server) => (server.upgrade(request, { data: undefined }) ? undefined : new Response("no", { status: 426 })),
    websocket: {
      async message(socket, message) {
        heard.push(name)
        hashes.push(String(Bun.hash(message as Buffer)))
        const text = await reply(message.length, hashes.length)
        if (text !== undefined) socket.send(text)
      },
    },
  })
  const url = `ws://127.0.0.1:${server.port}/api/v1/ws`
  return { url, hashes, [Symbol.asyncDispose]: () => server.stop(true) }
}

const SECRET = "nobody may read this"
const CLIPS = 3

describe("bench between two servers", () => {
  test("speaks to one at a time, in turns, never twice the same bytes, and divides the figures", async () => {
    const heard: string[] = []
    await using ours = scriptedServer(() => SECRET, heard, "ours")
    await using theirs = scriptedServer(() => Bun.sleep(60).then(() => SECRET), heard, "theirs")
    const words = ["--url", ours.url, "--against", theirs.url, "--against-name", "slow", "--rounds", "2", "--clients", "1,4", "--json"]
    const { code, output, errors } = await runCommand(["bench", ...words])
    expect({ code, errors }).toEqual({ code: 0, errors: [] })
    const seen = Result.parse(JSON.parse(output.join("\n")))

    const spoken = [CLIPS, CLIPS, ...Array(4).fill(CLIPS * 2 * 2)]
    expect(heard).toEqual(spoken.flatMap((count, turn) => Array(count).fill(turn % 2 === 0 ? "ours" : "theirs")))
    for (const { hashes } of [ours, theirs]) expect(new Set(hashes).size).toBe(hashes.length)

    expect([seen.ours.name, seen.theirs?.name, seen.ours.started]).toEqual([new URL(ours.url).host, "slow", null])
    expect(seen.load).toMatchObject({ clips: CLIPS, rounds: 2, passes: 2, leftOut: [] })
    for (const { figures } of [seen.ours, seen.theirs!]) {
      expect(figures.load.map(({ clients, replies, unanswered }) => [clients, replies, unanswered])).toEqual([
        [1, 12, 0],
        [4, 12, 0],
      ])
      expect(figures.latency.map(({ lengthSeconds, replies }) => [lengthSeconds, replies])).toEqual([
        [3, 4],
        [7, 4],
        [15, 4],
      ])
    }
    for (const { p50Ms } of seen.theirs!.figures.latency) expect(p50Ms).toBeGreaterThanOrEqual(59)
    expect(seen.ratios.find(({ label }) => label === "3 s utterance, p50")?.ratio).toBeGreaterThan(1)
    expect(output.join("\n")).not.toContain(SECRET)
  })

  test("a server that never answers is given up after three utterances, with exit code 1", async () => {
    await using ours = scriptedServer(() => SECRET)
    await using theirs = scriptedServer(() => undefined)
    const outcome = await runCommand(["bench", "--url", ours.url, "--against", theirs.url, "--rounds", "1", "--timeout-ms", "100"])
    expect(outcome).toEqual({
      code: 1,
      output: [],
      errors: [`xrx-stt bench: ${theirs.url}: 3 utterances in a row got no words within 100 ms`],
    })
  })

  test("a recording that one of them has no words for is left out for both, reported, and the exit code is 1", async () => {
    const ofThree = 2 * 16_000 * 2.99
    await using ours = scriptedServer(() => SECRET)
    await using theirs = scriptedServer((bytes) => (bytes < ofThree + 1000 ? " " : SECRET))
    const { code, output } = await runCommand([
      "bench",
      "--url",
      ours.url,
      "--against",
      theirs.url,
      "--rounds",
      "1",
      "--passes",
      "1",
      "--clients",
      "1",
    ])
    expect(code).toBe(1)
    expect(output.join("\n")).toContain("Left out, because a server had no words for it: 3 s.")
    expect(output.join("\n")).not.toContain("3 s utterance")
    expect([ours.hashes.length, theirs.hashes.length]).toEqual([CLIPS + 2, CLIPS + 2])
  })

  test("a reply that is too late counts as none, also when it comes during the next utterance", async () => {
    const late = Promise.withResolvers<string>()
    await using ours = scriptedServer((_, count) => {
      if (count === CLIPS + 2) return late.promise
      if (count === CLIPS + 3) late.resolve(SECRET)
      return count === CLIPS + 3 ? Bun.sleep(30).then(() => SECRET) : SECRET
    })
    const { code, output } = await runCommand([
      "bench",
      "--url",
      ours.url,
      "--rounds",
      "1",
      "--clients",
      "1",
      "--timeout-ms",
      "100",
      "--json",
    ])
    expect(code).toBe(1)
    const { figures } = Result.parse(JSON.parse(output.join("\n"))).ours
    expect(figures.load).toMatchObject([{ clients: 1, replies: 2, unanswered: 1 }])
    expect(figures.latency.at(-1)).toMatchObject({ lengthSeconds: 15, replies: 1 })
    expect(figures.latency.at(-1)?.p50Ms).toBeGreaterThanOrEqual(29)
  })

  test("nobody at the address is one line and exit code 1", async () => {
    const closed = scriptedServer(() => SECRET)
    await closed[Symbol.asyncDispose]()
    const { code, output, errors } = await runCommand(["bench", "--url", closed.url])
    expect({ code, output }).toEqual({ code: 1, output: [] })
    expect(errors).toEqual([expect.stringContaining(`xrx-stt bench: ${closed.url} does not let us in: `)])
  })
})

/** Processes of this test run that are this program. */
const servers = () =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1] === String(process.pid)
    } catch {
      return false
    }
  })

describe("bench of this program", () => {
  const settings = { STT_ENGINES: "1" }

  test("starts it, measures it and its memory, and ends it", async () => {
    const before = servers()
    const { code, output, errors } = await runCommand(["bench", "--rounds", "1", "--clients", "1", "--json"], settings)
    expect({ code, errors }).toEqual({ code: 0, errors: [] })
    const { ours, load, ratios } = Result.parse(JSON.parse(output.join("\n")))
    expect({ ratios, leftOut: load.leftOut }).toEqual({ ratios: [], leftOut: [] })
    expect(ours).toMatchObject({ name: "xrx-stt", started: { engine: "whisper", model: "base", engines: 1 } })
    expect(ours.figures.load.map(({ clients, replies }) => [clients, replies])).toEqual([[1, 3]])
    expect(ours.figures.latency.map(({ lengthSeconds }) => lengthSeconds)).toEqual([3, 7, 15])
    expect(ours.figures.load.every(({ pingP99Ms }) => pingP99Ms !== null && pingP99Ms > 0)).toBe(true)
    if (process.platform === "linux") expect(ours.started?.memory?.loadedBytes).toBeGreaterThan(100e6)
    expect(servers()).toEqual(before)
  }, 60_000)

  test("ends the server it started when it is stopped amid the load, and prints nothing", async () => {
    const before = servers()
    const stop = new AbortController()
    await using theirs = scriptedServer(() => {
      stop.abort()
      return undefined
    })
    const outcome = await runCommand(["bench", "--against", theirs.url], settings, { stop: stop.signal })
    expect(outcome).toEqual({ code: 1, output: [], errors: [] })
    expect(servers()).toEqual(before)
  }, 60_000)

  test("says why it could not be started", async () => {
    const { code, output, errors } = await runCommand(["bench"], { WHISPER_MODEL: "/no/such/folder" })
    expect({ code, output }).toEqual({ code: 1, output: [] })
    expect(errors.at(-1)).toStartWith("xrx-stt bench: the server ended with code 1: the model folder /no/such/folder does not exist")
  })
})

test.skipIf(process.platform !== "linux")("the memory of a process counts its children's", async () => {
  const script = "const held = Buffer.alloc(50e6, 1); console.log(held.length); setInterval(() => held, 1e6)"
  const parent = Bun.spawn(
    [
      process.execPath,
      "-e",
      `const c = Bun.spawn([process.execPath, "-e", ${JSON.stringify(script)}], { stdout: "pipe" })
    for await (const _ of c.stdout) console.log(c.pid)`,
    ],
    { stdout: "pipe" },
  )
  const [child = 0] = await (async () => {
    for await (const bytes of parent.stdout) return [Number(new TextDecoder().decode(bytes))]
    return []
  })()
  try {
    const [whole = 0, part = 0] = await Promise.all([treeMemoryBytes(parent.pid), treeMemoryBytes(child)])
    expect(part).toBeGreaterThan(50e6)
    expect(whole).toBeGreaterThan(Number(part))
  } finally {
    process.kill(child)
    parent.kill()
  }
})
