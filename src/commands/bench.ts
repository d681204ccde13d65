/**
 * `bench`: how fast this program is on the machine it stands on, seen from outside through its socket, and beside another
 * server with the same contract. Says real speech, prints figures, never a word of what was said. Knows the order of the
 * steps; the load, the arithmetic and the tables are in `bench/`.
 */
import { version } from "../binary/version.ts"
import { commitOfSource, describeClips, describeMachine } from "./bench/circumstances.ts"
import { builtInClips, type Clip, clipsOfFolder } from "./bench/clips.ts"
import { figuresOf, type Run, ratiosOf } from "./bench/figures.ts"
import { runLoad } from "./bench/load.ts"
import { treeMemoryBytes } from "./bench/memory.ts"
import { type BenchOptions, parseBenchOptions } from "./bench/options.ts"
import { type OwnServer, startOwnServer } from "./bench/own-server.ts"
import { markdownReport, textReport } from "./bench/report.ts"
import { type Live, Result, type ServerResult } from "./bench/result.ts"
import { measureStreams } from "./bench/streams.ts"
import { EXIT, type Program } from "./program.ts"
import { type Bar, createBar } from "./progress.ts"
import { reasonOf } from "./reason.ts"

/** Prints the figures; 1 if nothing could be measured, or something got no words. */
export async function bench(program: Program, raw: Readonly<Record<string, unknown>>): Promise<number> {
  const parsed = parseBenchOptions(raw)
  if (!parsed.ok) {
    program.writeError(["xrx-stt bench cannot run with these arguments:", ...parsed.faults.map((fault) => `  ${fault}`)].join("\n"))
    return EXIT.badSettings
  }
  const { options } = parsed
  try {
    const result = await measure(program, options)
    program.write(options.json ? JSON.stringify(result, null, 2) : textReport(result))
    return isWhole(result) ? EXIT.drained : EXIT.failed
  } catch (error) {
    if (!program.stop.aborted) program.writeError(`xrx-stt bench: ${reasonOf(error)}`)
    return EXIT.failed
  }
}

/** What `--json` printed once, as the Markdown of README. */
export async function printMarkdown(file: string, { write, writeError }: Pick<Program, "write" | "writeError">): Promise<number> {
  try {
    const parsed = Result.safeParse(await Bun.file(file).json())
    if (!parsed.success) throw new Error("not a result of `xrx-stt bench --json`")
    write(markdownReport(parsed.data))
    return EXIT.drained
  } catch (error) {
    writeError(`${file}: ${reasonOf(error)}`)
    return EXIT.failed
  }
}

function isWhole({ load, ours, theirs }: Result): boolean {
  return (
    load.leftOut.length === 0 && [ours, theirs].every((server) => server?.figures.load.every(({ unanswered }) => unanswered === 0) ?? true)
  )
}

interface Subject {
  readonly name: string
  readonly url: string
}

async function measure(program: Program, options: BenchOptions): Promise<Result> {
  const { clips: folder, limit, url } = options
  const spoken = folder === undefined ? await builtInClips() : await clipsOfFolder(folder, limit)
  if (spoken.length === 0) throw new Error(`${folder}: no WAV file to speak`)
  if (url !== undefined) return compare(program, options, spoken, subjectsOf(url, options))
  const { engineCommand, env, stop, writeError } = program
  const own = await startOwnServer({ engineCommand, env, signal: stop, onLine: writeError })
  try {
    return await compare(program, options, spoken, subjectsOf(own.url, options), own)
  } finally {
    await own.stop()
  }
}

/** Ours first; `own` if we started it. */
async function compare(program: Program, options: BenchOptions, spoken: readonly Clip[], subjects: readonly Subject[], own?: OwnServer) {
  const { passes = subjects.length, rounds = options.clips === undefined ? BUILT_IN_ROUNDS : 1 } = options
  const counts = [...new Set(options.clients ?? defaultCounts(own))].sort((a, b) => a - b)
  const bar = createBar({ ...program, label: "speaking", unit: "s" })
  const speak = speaker(program, options, bar, spokenSeconds(spoken, rounds, counts, subjects.length, passes))
  const readyBytes = own && (await treeMemoryBytes(own.pid))
  const turns: Run[][][] = []
  let unheard: ReadonlySet<Clip>
  let clips: readonly Clip[]
  try {
    unheard = await warmUp(subjects, spoken, speak)
    clips = spoken.filter((clip) => !unheard.has(clip))
    if (clips.length === 0) throw new Error("no recording was answered with words")
    const queue = Array.from({ length: rounds }, () => clips).flat()
    for (let pass = 0; pass < passes; pass++) turns.push(await takeTurns(subjects, queue, counts, speak))
  } finally {
    bar.end()
  }
  const loadedBytes = own && (await treeMemoryBytes(own.pid))
  const memory = readyBytes && loadedBytes ? { readyBytes, loadedBytes } : null
  const live = await measureLive(program, options, subjects, clips)
  const started = own ? { engine: own.engine, model: own.model, engines: own.engines, memory } : null
  return {
    measuredAt: new Date().toISOString(),
    program: { version, commit: commitOfSource() },
    machine: describeMachine(),
    load: { ...describeClips(clips), rounds, passes, leftOut: [...unheard].map(({ name }) => name) },
    ...resultsOf(subjects, turns, started),
    live,
  }
}

/** Of ours alone: the other server need not know streams. */
async function measureLive(
  program: Program,
  options: BenchOptions,
  subjects: readonly Subject[],
  clips: readonly Clip[],
): Promise<Live | null> {
  const { streams: counts, interims, talkSeconds, timeoutMs } = options
  const [ours] = subjects
  if (counts === undefined || ours === undefined) return null
  return measureStreams({
    url: ours.url,
    timeoutMs,
    signal: program.stop,
    clips,
    counts,
    interims: interims === "both" ? [false, true] : [interims === "on"],
    talkSeconds,
    onRun(label, totalSeconds) {
      const bar = createBar({ ...program, label, unit: "s" })
      let spokenSeconds = 0
      bar.set(0, totalSeconds)
      return {
        spoken(seconds) {
          spokenSeconds += seconds
          bar.set(spokenSeconds, totalSeconds)
        },
        end: bar.end,
      }
    },
  })
}

function resultsOf(subjects: readonly Subject[], turns: readonly Run[][][], started: ServerResult["started"]) {
  const [ours, theirs] = subjects.map(({ name }, index): ServerResult => {
    return { name, started: index === 0 ? started : null, figures: figuresOf(turns.flatMap((turn) => turn[index] ?? [])) }
  })
  if (ours === undefined) throw new Error("nothing was measured")
  if (theirs === undefined) return { ours, theirs: null, ratios: [] }
  const pairs = turns.map(([mine = [], other = []]) => [figuresOf(mine), figuresOf(other)] as const)
  return { ours, theirs, ratios: ratiosOf(ours.figures, theirs.figures, pairs) }
}

/** Enough for a p95 that is not the slowest reply. */
const BUILT_IN_ROUNDS = 20

function subjectsOf(url: string, { url: given, against, againstName }: BenchOptions): Subject[] {
  const ours = { name: given === undefined ? "xrx-stt" : new URL(given).host, url }
  if (against === undefined) return [ours]
  return [ours, { name: againstName ?? new URL(against).host, url: against }]
}

/** One for latency, then so many that the engines never wait for work. */
function defaultCounts(own: OwnServer | undefined): number[] {
  return [1, 4, 8, Math.max(8, 2 * (own?.engines ?? 0))]
}

type Speak = (subject: Subject, clips: readonly Clip[], clients: number) => ReturnType<typeof runLoad>

function speaker({ stop }: Program, { timeoutMs }: BenchOptions, bar: Bar, totalSeconds: number): Speak {
  let turn = 0
  let doneSeconds = 0
  bar.set(0, totalSeconds)
  const onDone = ({ seconds }: Clip) => {
    doneSeconds += seconds
    bar.set(doneSeconds, totalSeconds)
  }
  return ({ url }, clips, clients) => runLoad({ url, clips, clients, timeoutMs, signal: stop, nextTurn: () => turn++, onDone })
}

function spokenSeconds(clips: readonly Clip[], rounds: number, counts: readonly number[], servers: number, passes: number): number {
  return describeClips(clips).audioSeconds * servers * (1 + rounds * counts.length * passes)
}

const WARM_UP_CLIENTS = 4

/** Each clip once to each server, not measured. Gives the clips that some server had no words for: none is asked for them again. */
async function warmUp(subjects: readonly Subject[], clips: readonly Clip[], speak: Speak): Promise<ReadonlySet<Clip>> {
  const unheard = new Set<Clip>()
  for (const subject of subjects) {
    for (const clip of (await speak(subject, clips, WARM_UP_CLIENTS)).unansweredClips) unheard.add(clip)
  }
  return unheard
}

/** One server after the other, each with all numbers of clients; the runs of each. */
async function takeTurns(subjects: readonly Subject[], queue: readonly Clip[], counts: readonly number[], speak: Speak): Promise<Run[][]> {
  const runs: Run[][] = []
  for (const subject of subjects) {
    const own: Run[] = []
    for (const clients of counts) own.push(await speak(subject, queue, clients))
    runs.push(own)
  }
  return runs
}
