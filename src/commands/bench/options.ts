/** Words behind `bench` → what to measure, or every fault at once. Pure; knows no server. */
import { z } from "zod"

/** What every Whisper server can hear in one piece. */
export const LONGEST_UTTERANCE_SECONDS = 28

const SOCKET_PATH = "/api/v1/ws"

const wholeNumber = (min: number, max: number) => z.coerce.number<string>().int().min(min).max(max)
/** An address without a path means the one path of the contract. */
const socketUrl = z.url({ protocol: /^wss?$/ }).transform((address) => {
  const url = new URL(address)
  if (url.pathname === "/") url.pathname = SOCKET_PATH
  return url.href
})
const counts = z
  .string()
  .transform((list) => list.split(",").map((item) => item.trim()))
  .pipe(z.array(wholeNumber(1, 1000)).min(1))

const schemas = {
  url: socketUrl.optional(),
  against: socketUrl.optional(),
  againstName: z.string().min(1).optional(),
  clips: z.string().min(1).optional(),
  limit: wholeNumber(1, 100_000).optional(),
  rounds: wholeNumber(1, 1000).optional(),
  clients: counts.optional(),
  streams: z.union([z.literal("search"), counts]).optional(),
  interims: z.enum(["off", "on", "both"]).default("both"),
  talkSeconds: wholeNumber(1, 3600).default(30),
  passes: wholeNumber(1, 100).optional(),
  timeoutMs: wholeNumber(1, 3_600_000).default(30_000),
  json: z.boolean().default(false),
}

type Schemas = typeof schemas
type Name = keyof Schemas
export type BenchOptions = { readonly [K in Name]: z.output<Schemas[K]> }

/** What each option is called there, what it takes and means; `bench --help` prints it. */
export const BENCH_OPTIONS: { readonly [K in Name]: { readonly flags: string; readonly meaning: string; readonly expects?: string } } = {
  url: {
    flags: "--url <address>",
    meaning: "measure a server that runs already instead of starting one",
    expects: "a ws:// or wss:// address",
  },
  against: {
    flags: "--against <address>",
    meaning: "the same load, in turns, on another server that speaks as ours does; prints the ratios",
    expects: "a ws:// or wss:// address",
  },
  againstName: { flags: "--against-name <text>", meaning: "what to call the other server (default: its host)", expects: "a name" },
  clips: {
    flags: "--clips <folder>",
    meaning: `speak these WAV files, of at most ${LONGEST_UTTERANCE_SECONDS} s, instead of the recordings inside`,
    expects: "a folder",
  },
  limit: { flags: "--limit <count>", meaning: "so many of the folder's files, evenly spread", expects: "a whole number from 1 to 100000" },
  rounds: {
    flags: "--rounds <count>",
    meaning: "how often each recording is spoken in a run (default: 20, with --clips 1)",
    expects: "a whole number from 1 to 1000",
  },
  clients: {
    flags: "--clients <counts>",
    meaning: "clients at once, one run for each number (default: 1,4,8, and twice the engines if that is more)",
    expects: "whole numbers from 1 to 1000, separated by commas",
  },
  streams: {
    flags: "--streams <counts>",
    meaning: "also so many live streams in real time, one run for each number; `search` finds the most that are kept up with",
    expects: "search, or whole numbers from 1 to 1000, separated by commas",
  },
  interims: {
    flags: "--interims <which>",
    meaning: "streams with interim words: off, on or both (default: both)",
    expects: "off, on or both",
  },
  talkSeconds: {
    flags: "--talk-seconds <seconds>",
    meaning: "how long each stream talks in a run (default: 30)",
    expects: "a whole number from 1 to 3600",
  },
  passes: {
    flags: "--passes <count>",
    meaning: "turns of each server (default: 1, with --against 2)",
    expects: "a whole number from 1 to 100",
  },
  timeoutMs: {
    flags: "--timeout-ms <ms>",
    meaning: "how long a reply may take (default: 30000)",
    expects: "a whole number from 1 to 3600000",
  },
  json: { flags: "--json", meaning: "one JSON object with all figures" },
}

const names = Object.keys(schemas) as Name[]

export type BenchOptionsResult =
  | { readonly ok: true; readonly options: BenchOptions }
  | { readonly ok: false; readonly faults: readonly string[] }

export function parseBenchOptions(raw: Readonly<Record<string, unknown>>): BenchOptionsResult {
  const parsed: Record<string, unknown> = {}
  const faults: string[] = []
  for (const name of names) {
    const { flags, expects } = BENCH_OPTIONS[name]
    const result = schemas[name].safeParse(raw[name])
    if (result.success) parsed[name] = result.data
    else faults.push(`${flags.replace(/ .*/, "")}: expected ${expects}, got ${JSON.stringify(raw[name])}`)
  }
  if (raw.limit !== undefined && raw.clips === undefined) faults.push("--limit: chooses among the files of --clips, which is missing")
  if (raw.againstName !== undefined && raw.against === undefined)
    faults.push("--against-name: names the server of --against, which is missing")
  for (const [flag, value] of [
    ["--interims", raw.interims],
    ["--talk-seconds", raw.talkSeconds],
  ]) {
    if (value !== undefined && raw.streams === undefined) faults.push(`${flag}: is about --streams, which is missing`)
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, options: parsed as BenchOptions }
}
