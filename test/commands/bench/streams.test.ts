import { describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { wavFromSamples } from "../../../src/audio/wav.ts"
import type { Clip } from "../../../src/commands/bench/clips.ts"
import { keepsUp, liveRunOf, nextCount, streamsHeld } from "../../../src/commands/bench/live.ts"
import { liveLegend, liveTable } from "../../../src/commands/bench/live-report.ts"
import { parseBenchOptions } from "../../../src/commands/bench/options.ts"
import { type Live, type LiveRun, Result } from "../../../src/commands/bench/result.ts"
import { scriptOf } from "../../../src/commands/bench/script.ts"
import { measureStreams } from "../../../src/commands/bench/streams.ts"
import { runCommand } from "../../support/program.ts"

const SAMPLES_A_SECOND = 16_000

/** Silence, then a tone to the end. */
function tone(silenceSeconds: number, seconds: number): Int16Array {
  return Int16Array.from({ length: seconds * SAMPLES_A_SECOND }, (_, at) =>
    at < silenceSeconds * SAMPLES_A_SECOND ? 0 : Math.round(8000 * Math.sin(at / 5)),
  )
}
const clip = (name: string, silenceSeconds: number, seconds: number): Clip => ({ name, samples: tone(silenceSeconds, seconds), seconds })

describe("the script of a talker", () => {
  const clips = [clip("one", 0.25, 1), clip("two", 0, 2)]

  test("is recordings in turn with a person's pauses, for as long as asked", () => {
    const { samples, turns } = scriptOf(clips, 0, 5)
    const seconds = turns.map(({ startSample, endSample }) => [startSample / SAMPLES_A_SECOND, endSample / SAMPLES_A_SECOND])
    expect(seconds).toEqual([
      [0, 1],
      [2, 4],
    ])
    expect(samples.length / SAMPLES_A_SECOND).toBeCloseTo(5.3, 5)
    expect(scriptOf(clips, 0, 0).turns).toHaveLength(1)
  })

  test("knows where the first sound of a recording is", () => {
    const { turns } = scriptOf(clips, 0, 5)
    expect(turns.map(({ startSample, firstSoundSample }) => (firstSoundSample - startSample) / SAMPLES_A_SECOND)).toEqual([0.25, 0])
  })

  test("begins at another moment for the next talker, with another recording and other bytes", () => {
    const [first, second, third] = [0, 1, 2].map((talker) => scriptOf(clips, talker, 0))
    expect(second!.turns[0]!.startSample).not.toBe(first!.turns[0]!.startSample)
    expect(second!.turns[0]!.endSample - second!.turns[0]!.startSample).toBe(2 * SAMPLES_A_SECOND)
    const said = [first!, third!].map(({ samples, turns: [turn] }) => samples.slice(turn!.startSample, turn!.endSample))
    expect(said[0]).toHaveLength(said[1]!.length)
    expect(said[0]).not.toEqual(said[1]!)
  })
})

const run = (streams: number, finalP95Ms: number | null, over: Partial<LiveRun> = {}): LiveRun => ({
  streams,
  interims: false,
  finals: 10,
  finalP50Ms: 50,
  finalP95Ms,
  firstInterimP50Ms: null,
  firstInterimP95Ms: null,
  refused: 0,
  failed: 0,
  unheard: 0,
  ...over,
})

describe("the arithmetic of live streams", () => {
  test("waits of all talkers count together, troubles add up", () => {
    const talks = [
      { finalsMs: [10, 20.4], firstInterimsMs: [500], unheard: 0, failed: 1 },
      { finalsMs: [30], firstInterimsMs: [], unheard: 2, failed: 0 },
    ]
    expect(liveRunOf({ streams: 3, interims: true, refused: 1 }, talks)).toEqual({
      streams: 3,
      interims: true,
      refused: 1,
      finals: 3,
      finalP50Ms: 20,
      finalP95Ms: 30,
      firstInterimP50Ms: 500,
      firstInterimP95Ms: 500,
      unheard: 2,
      failed: 1,
    })
  })

  test("a server keeps up if all got in, none failed and 95 of 100 finals came within a second", () => {
    expect(keepsUp(run(8, 1000))).toBe(true)
    const bad = [run(8, 1001), run(8, null), run(8, 10, { refused: 1 }), run(8, 10, { failed: 1 })]
    expect(bad.map(keepsUp)).toEqual([false, false, false, false])
  })

  test("a number of streams above one that was too many does not count", () => {
    expect(streamsHeld([run(1, 50), run(8, 90), run(16, 2000), run(24, 900)])).toBe(8)
    expect(streamsHeld([run(1, 2000)])).toBe(0)
    expect(streamsHeld([run(1, 20), run(64, 90)])).toBe(64)
  })

  test.each([
    [21, [1, 8, 16, 32, 24, 20, 22], 20],
    [0, [1], 0],
    [1, [1, 8, 4, 2], 1],
    [1000, [1, 8, 16, 32, 64, 128, 256], 256],
  ])("the search for a limit of %i streams tries %p", (limit, tried, held) => {
    const seen: { streams: number; kept: boolean }[] = []
    for (let streams = nextCount(seen); streams !== undefined; streams = nextCount(seen)) seen.push({ streams, kept: streams <= limit })
    expect(seen.map(({ streams }) => streams)).toEqual(tried)
    expect(streamsHeld(seen.map(({ streams, kept }) => run(streams, kept ? 10 : 2000)))).toBe(held)
  })
})

describe("the report of live streams", () => {
  const live: Live = {
    talkSeconds: 30,
    pausesSeconds: [1, 1.9],
    silenceMs: 300,
    sliceMs: 100,
    runs: [
      run(1, 60),
      run(8, 90),
      run(16, 1500, { refused: 2, failed: 1, unheard: 3 }),
      run(1, 70, { interims: true, firstInterimP50Ms: 480, firstInterimP95Ms: 620 }),
      run(4, 80, { interims: true, firstInterimP50Ms: 490, firstInterimP95Ms: 900 }),
    ],
  }

  test("has one row for each number of streams", () => {
    expect(liveTable(live)).toEqual([
      ["live streams", "final, p50", "p95", "with interims: final, p50", "p95", "first interim, p50", "p95"],
      ["1", "50 ms", "60 ms", "50 ms", "70 ms", "480 ms", "620 ms"],
      ["4", "–", "–", "50 ms", "80 ms", "490 ms", "900 ms"],
      ["8", "50 ms", "90 ms", "–", "–", "–", "–"],
      ["16", "50 ms", "1500 ms", "–", "–", "–", "–"],
    ])
  })

  test("says what was kept up with, and what went wrong", () => {
    const legend = liveLegend(live)
    expect(legend[0]).toStartWith("Live streams kept up with: 8 without interims, 4 with interims; ")
    expect(legend.at(-1)).toBe("16 streams: 2 refused, 1 failed, 3 recordings without words.")
  })
})

test("how streams are measured needs --streams", () => {
  const result = parseBenchOptions({ interims: "maybe", talkSeconds: "10" })
  expect(result).toEqual({
    ok: false,
    faults: [
      '--interims: expected off, on or both, got "maybe"',
      "--interims: is about --streams, which is missing",
      "--talk-seconds: is about --streams, which is missing",
    ],
  })
  expect(parseBenchOptions({ streams: "8,1" })).toMatchObject({ options: { streams: [8, 1], interims: "both", talkSeconds: 30 } })
  expect(parseBenchOptions({ streams: "search" })).toMatchObject({ options: { streams: "search" } })
})

const SECRET = "nobody may read this"
const FINAL_AFTER_MS = 60

/** What the nth stream meets: `talks` hears one utterance until `endSeconds`, `mute` hears none, `full` lets nobody in, `breaks` goes after 0.2 s. */
type Fate = "talks" | "mute" | "full" | "breaks"

interface Heard {
  readonly fate: Fate
  readonly interim: boolean
  readonly words: boolean
  seq: number
  samples: number
}

/** Utterances get words at once. Streams get events by the number of samples that came. */
function streamServer(fateOf: (index: number, open: number) => Fate, endSeconds = 1.3, wordAtMs?: number) {
  const asked: string[] = []
  let open = 0
  const server = Bun.serve<Heard | null>({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, server) {
      const query = new URL(request.url).searchParams
      const streams = query.get("mode") === "events"
      const fate = streams ? fateOf(asked.length, open) : "talks"
      if (streams) asked.push(`${query.get("interim")} ${query.get("silence_ms")}`)
      const data = streams ? { fate, interim: query.get("interim") === "1", words: query.get("words") === "1", seq: 0, samples: 0 } : null
      if (fate === "full" || !server.upgrade(request, { data })) return new Response("no", { status: 503 })
      if (streams) open++
      return undefined
    },
    websocket: {
      message(socket, message) {
        const { data } = socket
        if (data === null) return void socket.send(SECRET)
        const say = (event: Record<string, unknown>) => socket.send(JSON.stringify({ ...event, seq: data.seq++ }))
        if (typeof message === "string") {
          say({ type: "done" })
          return socket.close(1000)
        }
        const before = data.samples / SAMPLES_A_SECOND
        data.samples += message.length / 2
        const passed = (seconds: number) => before < seconds && data.samples / SAMPLES_A_SECOND >= seconds
        if (data.fate === "breaks" && passed(0.2)) return socket.close(1011)
        if (data.fate !== "talks") return
        if (data.interim && passed(0.4)) say({ type: "partial", utt: 0, seg: 0, text: SECRET, stable: 0, start_ms: 0, end_ms: 400 })
        if (!passed(endSeconds)) return
        say({ type: "speech_end", utt: 0, at_ms: endSeconds * 1000 })
        const words = wordAtMs === undefined ? null : [{ text: SECRET, start_ms: wordAtMs, end_ms: wordAtMs + 200, confidence: 1 }]
        const [end_ms, cause] = [endSeconds * 1000, "endpoint"]
        const final = { type: "final", utt: 0, seg: 0, text: SECRET, start_ms: 0, end_ms, end: true, cause, ...(data.words && { words }) }
        setTimeout(() => say(final), FINAL_AFTER_MS)
      },
      close(socket) {
        if (socket.data) open--
      },
    },
  })
  return { url: `ws://127.0.0.1:${server.port}/api/v1/ws`, asked, [Symbol.asyncDispose]: () => server.stop(true) }
}

describe("bench with live streams", () => {
  test("speaks in real time without and with interims, and tells the waits but no word", async () => {
    await using server = streamServer(() => "talks")
    const folder = await mkdtemp(join(tmpdir(), "bench-"))
    try {
      await Bun.write(join(folder, "a.wav"), wavFromSamples(tone(0.35, 1)))
      const words = ["--url", server.url, "--clips", folder, "--clients", "1", "--streams", "1", "--talk-seconds", "1", "--json"]
      const { code, output, errors } = await runCommand(["bench", ...words])
      expect({ code, errors }).toEqual({ code: 0, errors: [] })
      expect(output.join("\n")).not.toContain(SECRET)
      expect(server.asked).toEqual(["0 300", "1 300"])
      const { live } = Result.parse(JSON.parse(output.join("\n")))
      expect(live).toMatchObject({ talkSeconds: 1, pausesSeconds: [1, 1.9], silenceMs: 300, sliceMs: 100 })
      expect(live!.runs).toMatchObject([
        { streams: 1, interims: false, finals: 1, refused: 0, failed: 0, unheard: 0, firstInterimP50Ms: null },
        { streams: 1, interims: true, finals: 1, refused: 0, failed: 0, unheard: 0 },
      ])
      // The slice that ends at 1.3 s decides, and leaves then; the interim is 50 ms behind the first sound, which is 350 ms behind the beginning.
      for (const { finalP50Ms } of live!.runs) expect(finalP50Ms).toBeWithin(FINAL_AFTER_MS - 1, 1000)
      expect(live!.runs[1]!.firstInterimP50Ms).toBeWithin(49, 600)
    } finally {
      await rm(folder, { recursive: true })
    }
  }, 15_000)

  test("counts the first interim from the first word, which may come behind noise", async () => {
    await using server = streamServer(() => "talks", 1.3, 380)
    const options = { clips: [clip("noise from its beginning", 0, 1)], counts: [1], interims: [true], talkSeconds: 0, timeoutMs: 2000 }
    const onRun = () => ({ spoken() {}, end() {} })
    const { runs } = await measureStreams({ ...options, url: server.url, signal: new AbortController().signal, onRun })
    // From 380 ms on, and not from 0: the interim comes at 400.
    expect(runs[0]?.firstInterimP50Ms).toBeWithin(19, 380)
  })

  const measure = (url: string, counts: readonly number[] | "search", labels: string[] = []) =>
    measureStreams({
      url,
      counts,
      clips: [clip("a", 0, 0.3)],
      pace: { pausesSeconds: [0.3], headStartsSeconds: [0] },
      interims: [false],
      talkSeconds: 0,
      timeoutMs: 2000,
      signal: new AbortController().signal,
      onRun: (label) => {
        labels.push(label)
        return { spoken() {}, end() {} }
      },
    })

  test("counts who is refused, breaks and is not heard, and goes on with the others", async () => {
    const fates: Fate[] = ["talks", "full", "breaks", "mute"]
    await using server = streamServer((index) => fates[index] ?? "full", 0.5)
    const { runs } = await measure(server.url, [4])
    expect(runs).toMatchObject([{ streams: 4, finals: 1, refused: 1, failed: 1, unheard: 2 }])
  })

  test("searches for the most streams that are kept up with", async () => {
    await using server = streamServer((_, open) => (open === 0 ? "talks" : "full"), 0.5)
    const labels: string[] = []
    const { runs } = await measure(server.url, "search", labels)
    expect(labels).toEqual(["1 streams", "8 streams", "4 streams", "2 streams"])
    expect(runs.map(({ streams, refused }) => [streams, refused])).toEqual([
      [1, 0],
      [2, 1],
      [4, 3],
      [8, 7],
    ])
  }, 10_000)

  test("a server that lets no stream in is an error with its reason", async () => {
    await using server = streamServer(() => "full")
    await expect(measure(server.url, [2])).rejects.toThrow("does not let us in")
  })
})
