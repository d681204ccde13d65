/** What was seen → figures, and two servers' figures → ratios. Pure arithmetic; knows no server and prints nothing. */
import type { Figures, Ratio } from "./result.ts"

export interface Reply {
  readonly audioSeconds: number
  readonly latencyMs: number
}

/** One run of the load with so many clients at once. */
export interface Run {
  readonly clients: number
  readonly replies: readonly Reply[]
  /** From the first utterance sent to the last words received. */
  readonly wallSeconds: number
  /** Utterances that got no words in time. */
  readonly unanswered: number
  readonly pingsMs: readonly number[]
}

/** The lengths that latency is told for. */
export const LENGTHS_SECONDS = [3, 7, 15] as const

/** The smallest value that at least this part of all values does not exceed; null of nothing. */
export function quantile(values: readonly number[], part: number): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? null
}

/** All runs of one server, of one pass or of several together. The run with the fewest clients gives latencies and real-time factor. */
export function figuresOf(runs: readonly Run[]): Figures {
  const counts = [...new Set(runs.map(({ clients }) => clients))].sort((a, b) => a - b)
  const load = counts.map((clients) =>
    loadOf(
      clients,
      runs.filter((run) => run.clients === clients),
    ),
  )
  const calm = runs.filter(({ clients }) => clients === counts[0]).flatMap(({ replies }) => replies)
  const latency = LENGTHS_SECONDS.flatMap((lengthSeconds) => {
    const replies = calm.filter(({ audioSeconds }) => nearestLength(audioSeconds) === lengthSeconds)
    if (replies.length === 0) return []
    const meanSeconds = round(sum(replies.map(({ audioSeconds }) => audioSeconds)) / replies.length, 2)
    return [{ lengthSeconds, replies: replies.length, meanSeconds, ...latencies(replies) }]
  })
  const slowest = load[0]?.xRealTime ?? 0
  return {
    realTimeFactor: slowest > 0 ? round(1 / slowest, 4) : null,
    latency,
    load,
  }
}

function loadOf(clients: number, runs: readonly Run[]): Figures["load"][number] {
  const replies = runs.flatMap((run) => run.replies)
  const wallSeconds = sum(runs.map((run) => run.wallSeconds))
  const pingP99Ms = quantile(
    runs.flatMap((run) => run.pingsMs),
    0.99,
  )
  return {
    clients,
    replies: replies.length,
    unanswered: sum(runs.map((run) => run.unanswered)),
    xRealTime: wallSeconds > 0 ? round(sum(replies.map(({ audioSeconds }) => audioSeconds)) / wallSeconds, 2) : 0,
    ...latencies(replies),
    pingP99Ms: pingP99Ms === null ? null : round(pingP99Ms, 1),
  }
}

function latencies(replies: readonly Reply[]) {
  const allMs = replies.map(({ latencyMs }) => latencyMs)
  return { p50Ms: round(quantile(allMs, 0.5) ?? 0, 1), p95Ms: round(quantile(allMs, 0.95) ?? 0, 1) }
}

/** By proportion: 4.5 s is nearer to 3 s, 4.7 s to 7 s. */
function nearestLength(seconds: number): number {
  const distance = (length: number) => Math.abs(Math.log(seconds / length))
  return LENGTHS_SECONDS.reduce<number>((best, length) => (distance(length) < distance(best) ? length : best), LENGTHS_SECONDS[0])
}

/** One figure of a server, with what is needed to print it and to compare it. */
export interface Measure {
  readonly label: string
  readonly unit: "ms" | "× real time" | "factor"
  readonly value: number | null
  readonly better: "less" | "more"
}

export function measuresOf(figures: Figures): Measure[] {
  const [calm] = figures.load
  const one = `${calm?.clients ?? 1} ${calm?.clients === 1 ? "client" : "clients"}`
  return [
    ...figures.latency.flatMap(({ lengthSeconds, p50Ms, p95Ms }) => [
      lessIsBetter(`${lengthSeconds} s utterance, p50`, "ms", p50Ms),
      lessIsBetter(`${lengthSeconds} s utterance, p95`, "ms", p95Ms),
    ]),
    lessIsBetter(`real-time factor, ${one}`, "factor", figures.realTimeFactor),
    ...figures.load.map(
      ({ clients, xRealTime }): Measure => ({ label: `speed, ${plural(clients)}`, unit: "× real time", value: xRealTime, better: "more" }),
    ),
    ...figures.load
      .slice(1)
      .flatMap(({ clients, p50Ms, p95Ms }) => [
        lessIsBetter(`reply, ${plural(clients)}, p50`, "ms", p50Ms),
        lessIsBetter(`reply, ${plural(clients)}, p95`, "ms", p95Ms),
      ]),
    ...figures.load.map(({ clients, pingP99Ms }) => lessIsBetter(`ping beside ${plural(clients)}, p99`, "ms", pingP99Ms)),
  ]
}

function lessIsBetter(label: string, unit: Measure["unit"], value: number | null): Measure {
  return { label, unit, value, better: "less" }
}

const plural = (clients: number) => `${clients} ${clients === 1 ? "client" : "clients"}`

/** For each figure how many times better ours is: 2 is twice as fast, or twice as much. `passes` are pairs that ran one after the other. */
export function ratiosOf(ours: Figures, theirs: Figures, passes: readonly (readonly [Figures, Figures])[]): Ratio[] {
  const ofPasses = passes.map(([mine, other]) => compare(mine, other))
  return [...compare(ours, theirs)].map(([label, ratio]) => {
    const seen = ofPasses.flatMap((pass) => pass.get(label) ?? [])
    return { label, ratio: round(ratio, 2), lowest: round(Math.min(ratio, ...seen), 2), highest: round(Math.max(ratio, ...seen), 2) }
  })
}

function compare(ours: Figures, theirs: Figures): Map<string, number> {
  const other = new Map(measuresOf(theirs).map(({ label, value }) => [label, value]))
  return new Map(
    measuresOf(ours).flatMap(({ label, value: mine, better }) => {
      const their = other.get(label)
      if (!mine || !their) return []
      return [[label, better === "less" ? their / mine : mine / their] as const]
    }),
  )
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
