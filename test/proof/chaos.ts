/**
 * Chaos: engine processes are killed with SIGKILL under load, every two seconds, and every utterance that was accepted must still
 * get its words, once. `bun run chaos --minutes 10`; ends with 1 if a word was lost or anything leaked. Linux only.
 */
import { availableParallelism } from "node:os"
import { randomFrom } from "../support/random.ts"
import { knownClips } from "./clips.ts"
import { numberOf, readFlags } from "./flags.ts"
import { leaksBetween } from "./leaks.ts"
import { balanced, type Ledger, summary } from "./ledger.ts"
import { startLoad } from "./load.ts"
import { type Kind, startSubject } from "./subject.ts"

export interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  readonly clients: number
  readonly talkers: number
  readonly everySeconds: number
  /** Whose processes are killed. */
  readonly victims: readonly Kind[]
  readonly engines?: number
  readonly tell?: (line: string) => void
}

export interface ChaosResult {
  readonly kills: number
  readonly ledger: Ledger
  /** As the server counts them. */
  readonly outcomes: Readonly<Record<string, number>>
  readonly restarts: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly maxMs: number
  /** Why it failed; none if it passed. */
  readonly faults: readonly string[]
}

const WARM_UP_MS = 3_000

const OUTCOMES = ["text", "silence", "unavailable", "timeout", "overloaded", "bad_audio", "aborted"]

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { minutes, seed, everySeconds, victims, engines, tell = () => {} } = options
  const clips = await knownClips()
  const random = randomFrom(seed)
  await using subject = await startSubject(engines === undefined ? {} : { STT_ENGINES: String(engines) })
  const { url } = subject
  // What is opened once and stays is no leak.
  const warmUp = startLoad({ ...options, url, clips, clients: 2, talkers: 1 })
  await Bun.sleep(WARM_UP_MS)
  await warmUp.stop()
  await subject.settles(async () => (await subject.metric("xrx_stt_sessions_open")) === 0)
  const before = await subject.holding()
  const outcomesBefore = await outcomesOf(subject.metric)
  tell(`${before.processes.engine.length} engines, seed ${seed}: ${options.clients} speakers and ${options.talkers} talkers`)

  const load = startLoad({ ...options, url, clips })
  const until = performance.now() + minutes * 60_000
  let kills = 0
  for (let nextAt = performance.now(); performance.now() < until && subject.alive; ) {
    nextAt += everySeconds * 1000
    await Bun.sleep(Math.max(0, nextAt - performance.now()))
    const { processes } = await subject.holding()
    const pids = victims.flatMap((kind) => processes[kind])
    const pid = pids[Math.floor(random() * pids.length)]
    if (pid === undefined) continue
    try {
      process.kill(pid, "SIGKILL")
      kills++
    } catch {
      // It left by itself in between.
    }
    if (kills % 15 === 0) tell(`${kills} kills, ${summary(load.ledger)}`)
  }
  await load.stop()
  const faults = [
    ...(balanced(load.ledger) ? [] : [`the books do not balance: ${summary(load.ledger)}`]),
    ...(await leaksBetween(subject, before)),
  ]
  const after = subject.alive ? await outcomesOf(subject.metric) : {}
  const outcomes = Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (outcomesBefore[name] ?? 0)]))
  const restarts = subject.alive ? await subject.metric("xrx_stt_engine_restarts_total") : 0
  const sorted = load.ledger.latenciesMs.toSorted((a, b) => a - b)
  const quantile = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
  tell(`warned of: ${JSON.stringify(subject.warnings())}`)
  return { kills, ledger: load.ledger, outcomes, restarts, p50Ms: quantile(0.5), p95Ms: quantile(0.95), maxMs: quantile(1), faults }
}

async function outcomesOf(metric: (name: string, label: string) => Promise<number>): Promise<Record<string, number>> {
  const counts = await Promise.all(OUTCOMES.map((outcome) => metric("xrx_stt_utterances_total", `outcome="${outcome}"`)))
  return Object.fromEntries(OUTCOMES.map((outcome, at) => [outcome, counts[at] ?? 0]))
}

if (import.meta.main) {
  const flags = readFlags({
    minutes: "2",
    seed: String(Date.now() % 1_000_000),
    clients: String(availableParallelism() * 2),
    talkers: "2",
    every: "2",
    victims: "engine",
  })
  const result = await runChaos({
    minutes: numberOf("minutes", flags.minutes),
    seed: numberOf("seed", flags.seed),
    clients: numberOf("clients", flags.clients),
    talkers: numberOf("talkers", flags.talkers),
    everySeconds: numberOf("every", flags.every, 0.1),
    victims: flags.victims.split(",") as Kind[],
    tell: (line) => console.log(`${new Date().toISOString()} ${line}`),
  })
  const { ledger, faults, ...figures } = result
  console.log(JSON.stringify({ seed: Number(flags.seed), ...figures, ...ledger, latenciesMs: undefined, faults }, null, 2))
  process.exit(faults.length > 0 ? 1 : 0)
}
