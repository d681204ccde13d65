/** Numbers of `/metrics` for people: the text in, and what happened between two looks out. Pure; knows no chart. */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Look {
  /** Ms, of any clock that does not jump. */
  readonly atMs: number
  readonly samples: readonly Sample[]
}

export function parseMetrics(text: string): Sample[] {
  return text.split("\n").flatMap((line): Sample[] => {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line)
    if (!match) return []
    const [, name = "", labelText = "", number = ""] = match
    const value = number === "+Inf" ? Number.POSITIVE_INFINITY : Number(number)
    if (Number.isNaN(value)) return []
    const pairs = [...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = "", quoted = ""]) => [key, unquoted(quoted)])
    return [{ name, labels: Object.fromEntries(pairs), value }]
  })
}

export type Wanted = Readonly<Record<string, string>>

/** All samples of a name that carry the labels, together; undefined if there is none. */
export function total({ samples }: Look, name: string, wanted: Wanted = {}): number | undefined {
  const found = samples.filter((sample) => sample.name === name && carries(sample, wanted))
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}

/** The samples of a name by one of its labels. */
export function byLabel({ samples }: Look, name: string, label: string): Map<string, number> {
  const sums = new Map<string, number>()
  for (const sample of samples) {
    if (sample.name !== name) continue
    const key = sample.labels[label] ?? ""
    sums.set(key, (sums.get(key) ?? 0) + sample.value)
  }
  return sums
}

/** How fast a counter grew between two looks, per second. A server that began anew counts from 0. */
export function rate(before: Look, after: Look, name: string, wanted: Wanted = {}): number {
  const seconds = (after.atMs - before.atMs) / 1000
  return seconds <= 0 ? 0 : grown(total(before, name, wanted) ?? 0, total(after, name, wanted) ?? 0) / seconds
}

/** A quantile of what a histogram took in between two looks, as Prometheus reckons it; null if it took in nothing. */
export function quantile(before: Look, after: Look, name: string, share: number): number | null {
  const old = byLabel(before, `${name}_bucket`, "le")
  const buckets = [...byLabel(after, `${name}_bucket`, "le")]
    .map(([le, count]) => ({ upTo: le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le), count: grown(old.get(le) ?? 0, count) }))
    .sort((a, b) => a.upTo - b.upTo)
  const all = buckets.at(-1)?.count ?? 0
  if (all === 0) return null
  const rank = share * all
  const at = buckets.findIndex(({ count }) => count >= rank)
  const bucket = buckets[at]
  const below = buckets[at - 1] ?? { upTo: 0, count: 0 }
  if (!bucket) return null
  // Beyond the last bound nothing is known but that it is beyond.
  if (bucket.upTo === Number.POSITIVE_INFINITY) return below.upTo
  return below.upTo + ((bucket.upTo - below.upTo) * (rank - below.count)) / Math.max(1, bucket.count - below.count)
}

function grown(before: number, after: number): number {
  return after >= before ? after - before : after
}

function carries({ labels }: Sample, wanted: Wanted): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value)
}

function unquoted(text: string): string {
  return text.replace(/\\(["\\n])/g, (_, char: string) => (char === "n" ? "\n" : char))
}
