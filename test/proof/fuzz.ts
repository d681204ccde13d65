/**
 * Fuzz: what strangers may send, by chance, at every edge of the real program; after it the server must be as if nothing had been.
 * `bun run fuzz --cases 10000 --seed 1 --edge http`; a failure names its case, and `--only N` runs that one alone. Linux only.
 */

import { knownClips } from "./clips.ts"
import { numberOf, readFlags } from "./flags.ts"
import { chanceOf } from "./fuzz/chance.ts"
import { controlsEdge } from "./fuzz/controls.ts"
import { type Edge, Wrong } from "./fuzz/edge.ts"
import { filesEdge } from "./fuzz/files.ts"
import { httpEdge } from "./fuzz/http.ts"
import { queryEdge } from "./fuzz/query.ts"
import { webSocketEdge } from "./fuzz/web-socket.ts"
import { wyomingEdge } from "./fuzz/wyoming.ts"
import { leaksBetween } from "./leaks.ts"
import { balanced } from "./ledger.ts"
import { startLoad } from "./load.ts"
import { type Holding, type Subject, startSubject } from "./subject.ts"

export const EDGES: readonly Edge[] = [webSocketEdge, httpEdge, controlsEdge, queryEdge, filesEdge, wyomingEdge]

export interface FuzzOptions {
  readonly cases: number
  readonly seed: number
  readonly edges: readonly Edge[]
  /** The number of the one case to run; unset: all. */
  readonly only?: number | undefined
  readonly tell?: (line: string) => void
}

export interface EdgeResult {
  readonly edge: string
  readonly cases: number
  readonly seconds: number
  readonly outcomes: Readonly<Record<string, number>>
  /** Of the process tree, before and behind it. */
  readonly pssBytes: readonly [before: number, after: number]
  readonly pssBytesOf: readonly [before: Holding["pssBytesOf"], after: Holding["pssBytesOf"]]
  readonly descriptors: readonly [before: number, after: number]
  readonly faults: readonly string[]
}

/**
 * What all of it may add, with allocators that keep what was freed: a leak of 10 kB a case would be 100 MB. Processes that decode do
 * not count: each has a limit of its own, and grows up to it.
 */
const GROWTH_BYTES_MAX = 100 * 1024 * 1024

/** Between looks at the server, in cases. */
const LOOK_EVERY = 500

const FAULTS_MAX = 20

const WARM_UP_CASES = 50

export async function runFuzz({ edges, tell = () => {}, ...options }: FuzzOptions): Promise<EdgeResult[]> {
  await using subject = await startSubject()
  const results: EdgeResult[] = []
  await servesWell(subject)
  for (const edge of edges) {
    // What each edge makes the server open or load once is no leak.
    await overAll(subject, edge, { seed: -1, cases: WARM_UP_CASES })
    const result = await fuzzEdge(subject, edge, options, tell)
    results.push(result)
    const [before, after] = result.pssBytes
    const memory = `${Math.round(before / 1e6)} → ${Math.round(after / 1e6)} MB`
    tell(`${edge.name}: ${result.cases} cases in ${result.seconds} s, ${memory}, ${result.faults.length} faults`)
    if (!subject.alive) break
  }
  return results
}

type Plan = Pick<FuzzOptions, "cases" | "seed" | "only">

async function fuzzEdge(subject: Subject, edge: Edge, plan: Plan, tell: (line: string) => void): Promise<EdgeResult> {
  const before = await subject.holding()
  const startedAtMs = performance.now()
  const { outcomes, faults, count } = await overAll(subject, edge, plan, tell)
  const seconds = Math.round((performance.now() - startedAtMs) / 100) / 10
  faults.push(...(await leaksBetween(subject, before)))
  if (subject.alive && !(await servesWell(subject))) faults.push("a good client is not served as before")
  const after = await subject.holding()
  const [keptBefore, kept] = [before, after].map(({ pssBytes, pssBytesOf }) => pssBytes - pssBytesOf.decode)
  if (Number(kept) > Number(keptBefore) + GROWTH_BYTES_MAX) faults.push(`memory grew from ${keptBefore} to ${kept} bytes`)
  return {
    edge: edge.name,
    cases: count,
    seconds,
    outcomes: Object.fromEntries(Object.entries(outcomes).sort(([, a], [, b]) => b - a)),
    pssBytes: [before.pssBytes, after.pssBytes],
    pssBytesOf: [before.pssBytesOf, after.pssBytesOf],
    descriptors: [before.descriptors, after.descriptors],
    faults,
  }
}

async function overAll(subject: Subject, edge: Edge, { cases, seed, only }: Plan, tell: (line: string) => void = () => {}) {
  const outcomes: Record<string, number> = {}
  const faults: string[] = []
  const queue = (only === undefined ? Array.from({ length: cases }, (_, index) => index) : [only]).values()
  let count = 0
  const work = async () => {
    for (const index of queue) {
      if (!subject.alive || faults.length >= FAULTS_MAX) return
      try {
        const outcome = await edge.run(subject, chanceOf(seed, edge.name, index))
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        faults.push(`${error instanceof Wrong ? "" : "broke: "}${why} (--edge ${edge.name} --seed ${seed} --only ${index})`)
      }
      if (++count % LOOK_EVERY !== 0) continue
      if ((await subject.readiness()) !== 200) faults.push(`not ready after ${count} cases`)
      tell(`${edge.name}: ${count} cases, ${await memoryOf(subject)}`)
    }
  }
  await Promise.all(Array.from({ length: edge.atOnce }, work))
  return { outcomes, faults, count }
}

/** In MB, by what each process was started as. */
async function memoryOf(subject: Subject): Promise<string> {
  const { pssBytesOf } = await subject.holding()
  return Object.entries(pssBytesOf)
    .filter(([, bytes]) => bytes > 0)
    .map(([kind, bytes]) => `${kind} ${Math.round(bytes / 1e6)}`)
    .join(" + ")
}

/** Whether good clients of both kinds get the words of their recordings. */
async function servesWell({ url }: Subject): Promise<boolean> {
  const load = startLoad({ url, clips: await knownClips(), seed: 1, clients: 2, talkers: 0 })
  await Bun.sleep(300)
  await load.stop()
  return balanced(load.ledger)
}

if (import.meta.main) {
  const flags = readFlags({ cases: "1000", seed: String(Date.now() % 1_000_000), edge: EDGES.map(({ name }) => name).join(","), only: "" })
  const edges = EDGES.filter(({ name }) => flags.edge.split(",").includes(name))
  if (edges.length === 0) {
    console.error(`--edge: expected some of ${EDGES.map(({ name }) => name).join(",")}`)
    process.exit(2)
  }
  const tell = (line: string) => console.log(`${new Date().toISOString()} ${line}`)
  tell(`seed ${flags.seed}`)
  const results = await runFuzz({
    cases: numberOf("cases", flags.cases, 1),
    seed: numberOf("seed", flags.seed),
    edges,
    only: flags.only === "" ? undefined : numberOf("only", flags.only),
    tell,
  })
  console.log(JSON.stringify({ seed: Number(flags.seed), results }, null, 2))
  process.exit(results.some(({ faults }) => faults.length > 0) ? 1 : 0)
}
