/** A result as text: for a person at a terminal, and as the Markdown of README. Pure; measures nothing. */
import { measuresOf } from "./figures.ts"
import { liveLegend, liveTable } from "./live-report.ts"
import type { Result, ServerResult } from "./result.ts"
import { markdownTable, textTable } from "./tables.ts"

/** Aligned tables between lines on what was measured and what the words mean. */
export function textReport(result: Result): string {
  const parts = [circumstances(result), textTable(tableOf(result), [RATIO_COLUMN]), legend(result)]
  if (result.live) parts.push(textTable(liveTable(result.live)), liveLegend(result.live))
  return parts.map((lines) => lines.join("\n")).join("\n\n")
}

/** The part of README between `<!-- bench -->` and `<!-- /bench -->`. */
export function markdownReport(result: Result): string {
  const parts = [["```", ...chart(result), "```"], markdownTable(tableOf(result)), [legend(result).join(" ")]]
  if (result.live) parts.push(markdownTable(liveTable(result.live)), [liveLegend(result.live).join(" ")])
  parts.push([circumstances(result).join("; ")])
  return parts.map((lines) => lines.join("\n")).join("\n\n")
}

const RATIO_COLUMN = 3

/** The head first; the other server and the ratios only if there is one. */
function tableOf({ ours, theirs, ratios }: Result): string[][] {
  const others = new Map(theirs ? measuresOf(theirs.figures).map((measure) => [measure.label, measure]) : [])
  const rows = measuresOf(ours.figures).map(({ label, unit, value }) => {
    const other = others.get(label)
    const compared = ratios.find((ratio) => ratio.label === label)
    return [label, show(value, unit), other ? show(other.value, unit) : "", compared ? showRatio(compared) : ""]
  })
  const memory = (label: string, key: "readyBytes" | "loadedBytes"): string[][] => {
    const of = (server: ServerResult | null) => (server?.started?.memory ? `${Math.round(server.started.memory[key] / 1e6)} MB` : "")
    return of(ours) ? [[label, of(ours), of(theirs) || "–", ""]] : []
  }
  const all = [
    ["", ours.name, theirs?.name ?? "", "times better"],
    ...rows,
    ...memory("memory, ready", "readyBytes"),
    ...memory("memory, after the load", "loadedBytes"),
  ]
  return theirs ? all : all.map((row) => row.slice(0, 2))
}

function show(value: number | null, unit: string): string {
  if (value === null) return "–"
  if (unit === "ms") return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
  if (unit === "× real time") return `${value.toFixed(1)} × real time`
  return unit === "factor" ? value.toFixed(3) : String(value)
}

function showRatio({ ratio, lowest, highest }: Result["ratios"][number]): string {
  const range = lowest === highest ? "" : ` (${lowest.toFixed(1)}–${highest.toFixed(1)})`
  return `${ratio.toFixed(1)}${range}`
}

function circumstances({ program, ours, machine, load, measuredAt }: Result): string[] {
  const { started } = ours
  const processes = started?.engines == null ? "" : `, ${count(started.engines, "engine process", "engine processes")}`
  const commit = program.commit === null ? "" : ` (${program.commit})`
  const sizes = load.shortestSeconds === load.longestSeconds ? "" : ` to ${load.longestSeconds.toFixed(1)}`
  return [
    `xrx-stt ${program.version}${commit}${started ? `, ${started.engine} ${started.model}${processes}` : ""}`,
    `${machine.processor}, ${count(machine.cores, "core", "cores")}, ${(machine.memoryBytes / 1e9).toFixed(1)} GB, ${machine.platform}, ${measuredAt.slice(0, 10)}`,
    `${count(load.clips, "recording", "recordings")} of ${load.shortestSeconds.toFixed(1)}${sizes} s, ${count(load.rounds, "round", "rounds")} a run, ${count(load.passes, "turn", "turns")} of each server`,
  ]
}

function legend({ ours, theirs, load }: Result): string[] {
  const unanswered = [ours, ...(theirs ? [theirs] : [])].flatMap(({ name, figures }) => {
    const missing = figures.load.reduce((total, run) => total + run.unanswered, 0)
    return missing > 0 ? [`${name} left ${count(missing, "utterance", "utterances")} without words.`] : []
  })
  const lengths = ours.figures.latency.map(({ lengthSeconds, meanSeconds }) => `${lengthSeconds} s: ${meanSeconds.toFixed(1)} s`)
  return [
    `Lengths on average: ${lengths.join(", ")}.`,
    "Utterance and reply: from sending the whole utterance to its words; the first with one client.",
    "Speed: seconds of speech in a second.",
    ...(theirs
      ? [`Times better: ${ours.name} against ${theirs.name}, 2 is half the time or twice the speed; in parentheses over the turns.`]
      : []),
    ...(load.leftOut.length > 0 ? [`Left out, because a server had no words for it: ${load.leftOut.join(", ")}.`] : []),
    ...unanswered,
  ]
}

const BAR_LENGTH = 32

interface Bars {
  readonly title: string
  readonly unit: string
  readonly groups: readonly { readonly label: string; readonly values: readonly (number | null)[] }[]
}

/** Latency and speed as bars of block characters, which every reader of Markdown shows. */
function chart({ ours, theirs }: Result): string[] {
  const servers = theirs ? [ours, theirs] : [ours]
  const latency: Bars = {
    title: "Time to the words, one client (short is good)",
    unit: "ms",
    groups: ours.figures.latency.map(({ lengthSeconds }) => ({
      label: `${lengthSeconds} s`,
      values: servers.map(({ figures }) => figures.latency.find((row) => row.lengthSeconds === lengthSeconds)?.p50Ms ?? null),
    })),
  }
  const speed: Bars = {
    title: "Seconds of speech in a second (long is good)",
    unit: "× real time",
    groups: ours.figures.load.map(({ clients }) => ({
      label: count(clients, "client", "clients"),
      values: servers.map(({ figures }) => figures.load.find((row) => row.clients === clients)?.xRealTime ?? null),
    })),
  }
  const names = servers.map(({ name }) => name)
  return [...drawBars(latency, names), "", ...drawBars(speed, names)]
}

function drawBars({ title, unit, groups }: Bars, names: readonly string[]): string[] {
  const longest = Math.max(1e-9, ...groups.flatMap(({ values }) => values.map((value) => value ?? 0)))
  const labelWidth = Math.max(...groups.map(({ label }) => label.length))
  const nameWidth = Math.max(...names.map((name) => name.length))
  const lines = groups.flatMap(({ label, values }) =>
    values.map((value, index) => {
      const bar = "█".repeat(Math.max(1, Math.round(((value ?? 0) / longest) * BAR_LENGTH)))
      return `${(index === 0 ? label : "").padStart(labelWidth)}  ${(names[index] ?? "").padEnd(nameWidth)}  ${bar} ${show(value, unit)}`
    }),
  )
  return [title, ...lines]
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}
