/**
 * Soak: clients at about 70 % of what the server answers at its best, for as long as one likes, and what the process tree holds
 * meanwhile. `bun run soak --minutes 60`; ends with 1 if a word was lost or doubled, or anything was left over. Linux only.
 */
import { mkdir } from "node:fs/promises"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { knownClips } from "./clips.ts"
import { numberOf, readFlags } from "./flags.ts"
import { leaksBetween } from "./leaks.ts"
import { balanced, type Ledger, summary } from "./ledger.ts"
import { measureSpeed, startLoad } from "./load.ts"
import { type Series, slopePerHour, svgOf } from "./plot.ts"
import { type Subject, startSubject } from "./subject.ts"

export interface SoakOptions {
  readonly minutes: number
  readonly seed: number
  readonly clients: number
  readonly talkers: number
  /** Of the speed that is measured first. */
  readonly load: number
  readonly measureSeconds: number
  readonly lookEverySeconds: number
  readonly tell?: (line: string) => void
}

export interface Look {
  readonly minute: number
  readonly pssMegabytes: number
  readonly descriptors: number
  readonly processes: number
  /** Of all cores, since the look before. */
  readonly cpuShare: number
  readonly accepted: number
  readonly answered: number
  readonly lost: number
  readonly doubled: number
}

export interface SoakResult {
  /** Seconds of speech in a second: at best, and as they were said. */
  readonly speed: { readonly measured: number; readonly said: number }
  readonly looks: readonly Look[]
  readonly series: readonly Series[]
  readonly slopesPerHour: Readonly<Record<string, number>>
  readonly ledger: Ledger
  readonly faults: readonly string[]
}

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { minutes, lookEverySeconds, measureSeconds, tell = () => {} } = options
  await using subject = await startSubject()
  const clips = await knownClips()
  const speakers = { ...options, url: subject.url, clips }
  const measured = await measureSpeed(speakers, measureSeconds)
  const said = measured * options.load
  const before = await subject.holding()
  tell(`seed ${options.seed}: ${measured.toFixed(1)} s of speech a second at its best; ${said.toFixed(1)} from now on`)

  const load = startLoad({ ...speakers, speechPerSecond: said })
  const looks = await watch(subject, load.ledger, minutes, lookEverySeconds, tell)
  await load.stop()
  const faults = [
    ...(balanced(load.ledger) ? [] : [`the books do not balance: ${summary(load.ledger)}`]),
    ...(await leaksBetween(subject, before)),
  ]
  const series = seriesOf(looks)
  const slopesPerHour = Object.fromEntries(series.map((one) => [one.title, Math.round(slopePerHour(one) * 100) / 100]))
  return { speed: { measured, said }, looks, series, slopesPerHour, ledger: load.ledger, faults }
}

async function watch(
  subject: Subject,
  ledger: Ledger,
  minutes: number,
  everySeconds: number,
  tell: (line: string) => void,
): Promise<Look[]> {
  const startedAtMs = performance.now()
  const looks: Look[] = []
  let [lastMs, lastCpuMs] = [startedAtMs, await subject.cpuMs()]
  for (let nextMs = startedAtMs; nextMs < startedAtMs + minutes * 60_000 && subject.alive; ) {
    nextMs += everySeconds * 1000
    await Bun.sleep(Math.max(0, nextMs - performance.now()))
    const [{ pssBytes, descriptors, processes }, cpuMs] = await Promise.all([subject.holding(), subject.cpuMs()])
    const nowMs = performance.now()
    const { accepted, answered, lost, doubled } = ledger
    const cpuShare = round((cpuMs - lastCpuMs) / (nowMs - lastMs) / availableParallelism())
    const minute = round((nowMs - startedAtMs) / 60_000)
    const count = Object.values(processes).flat().length
    looks.push({ minute, pssMegabytes: round(pssBytes / 1e6), descriptors, processes: count, cpuShare, accepted, answered, lost, doubled })
    ;[lastMs, lastCpuMs] = [nowMs, cpuMs]
    if (looks.length % 12 === 0) tell(JSON.stringify(looks.at(-1)))
  }
  return looks
}

function seriesOf(looks: readonly Look[]): Series[] {
  const minutes = looks.map(({ minute }) => minute)
  const of = (title: string, unit: string, value: (look: Look) => number) => ({ title, unit, minutes, values: looks.map(value) })
  return [
    of("memory (PSS)", "MB", ({ pssMegabytes }) => pssMegabytes),
    of("descriptors", "open", ({ descriptors }) => descriptors),
    of("processes", "running", ({ processes }) => processes),
    of("processor", "%", ({ cpuShare }) => cpuShare * 100),
    of("lost or doubled", "utterances", ({ lost, doubled }) => lost + doubled),
  ]
}

const round = (value: number) => Math.round(value * 1000) / 1000

function csvOf(looks: readonly Look[]): string {
  const names = Object.keys(looks[0] ?? {}) as (keyof Look)[]
  return `${[names.join(","), ...looks.map((look) => names.map((name) => look[name]).join(","))].join("\n")}\n`
}

/** Writes `soak.csv`, `soak.json` and `soak.svg` there. */
export async function writeSoak(folder: string, { series, ledger: books, ...result }: SoakResult): Promise<void> {
  await mkdir(folder, { recursive: true })
  const { latenciesMs: _, ...ledger } = books
  await Promise.all([
    Bun.write(join(folder, "soak.csv"), csvOf(result.looks)),
    Bun.write(join(folder, "soak.json"), JSON.stringify({ ...result, ledger }, null, 2)),
    Bun.write(join(folder, "soak.svg"), svgOf(series)),
  ])
}

if (import.meta.main) {
  const flags = readFlags({
    minutes: "10",
    seed: String(Date.now() % 1_000_000),
    clients: String(availableParallelism() * 2),
    talkers: "2",
    load: "0.7",
    out: join(tmpdir(), "xrx-stt-soak"),
  })
  const tell = (line: string) => console.log(`${new Date().toISOString()} ${line}`)
  const result = await runSoak({
    minutes: numberOf("minutes", flags.minutes),
    seed: numberOf("seed", flags.seed),
    clients: numberOf("clients", flags.clients, 1),
    talkers: numberOf("talkers", flags.talkers),
    load: numberOf("load", flags.load),
    measureSeconds: 20,
    lookEverySeconds: 5,
    tell,
  })
  await writeSoak(flags.out, result)
  for (const [title, slope] of Object.entries(result.slopesPerHour)) tell(`${title}: ${slope} per hour`)
  tell(`${summary(result.ledger)}; ${join(flags.out, "soak.{csv,json,svg}")}`)
  for (const fault of [...result.faults, ...result.ledger.notes]) tell(fault)
  process.exit(result.faults.length > 0 ? 1 : 0)
}
