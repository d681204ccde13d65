/** What a bench leaves behind, as `--json` prints it and `--markdown` reads it. */
import { z } from "zod"

const Latencies = { p50Ms: z.number(), p95Ms: z.number() }

const Figures = z.object({
  /** Time ÷ audio, with the fewest clients. */
  realTimeFactor: z.number().nullable(),
  /** With the fewest clients, by length of the utterance. */
  latency: z.array(z.object({ lengthSeconds: z.number(), replies: z.number(), meanSeconds: z.number(), ...Latencies })),
  /** By number of clients, fewest first; latencies of all lengths together. */
  load: z.array(
    z.object({
      clients: z.number(),
      replies: z.number(),
      unanswered: z.number(),
      /** Audio ÷ time. */
      xRealTime: z.number(),
      ...Latencies,
      pingP99Ms: z.number().nullable(),
    }),
  ),
})

const Memory = z.object({
  /** Of the server and its engine processes; shared pages in shares (PSS). Ready, and after the load. */
  readyBytes: z.number(),
  loadedBytes: z.number(),
})

const Server = z.object({
  name: z.string(),
  /** What is known of a server that the bench started itself. */
  started: z.object({ engine: z.string(), model: z.string(), engines: z.number().nullable(), memory: Memory.nullable() }).nullable(),
  figures: Figures,
})

const LiveRun = z.object({
  streams: z.number(),
  interims: z.boolean(),
  /** Utterances that ended in a pause and got their words. */
  finals: z.number(),
  /** From the endpoint to the words. */
  finalP50Ms: z.number().nullable(),
  finalP95Ms: z.number().nullable(),
  /** From the first sound of the first word to an interim word; null without interims. */
  firstInterimP50Ms: z.number().nullable(),
  firstInterimP95Ms: z.number().nullable(),
  /** Streams that were not let in. */
  refused: z.number(),
  /** Utterances that failed, and streams that broke. */
  failed: z.number(),
  /** Recordings that got no words. */
  unheard: z.number(),
})

const Live = z.object({
  talkSeconds: z.number(),
  /** Shortest and longest. */
  pausesSeconds: z.tuple([z.number(), z.number()]),
  silenceMs: z.number(),
  sliceMs: z.number(),
  /** Without interims first, fewest streams first. */
  runs: z.array(LiveRun),
})

const Ratio = z.object({
  label: z.string(),
  /** How many times better ours is; 1 is the same. */
  ratio: z.number(),
  /** Over the passes. */
  lowest: z.number(),
  highest: z.number(),
})

export const Result = z.object({
  measuredAt: z.string(),
  program: z.object({ version: z.string(), commit: z.string().nullable() }),
  machine: z.object({ platform: z.string(), processor: z.string(), cores: z.number(), memoryBytes: z.number() }),
  load: z.object({
    clips: z.number(),
    shortestSeconds: z.number(),
    longestSeconds: z.number(),
    audioSeconds: z.number(),
    rounds: z.number(),
    passes: z.number(),
    /** Names of clips that a server had no words for; not part of the figures. */
    leftOut: z.array(z.string()),
  }),
  ours: Server,
  theirs: Server.nullable(),
  ratios: z.array(Ratio),
  /** Of ours alone; null if no streams were asked for. */
  live: Live.nullable().default(null),
})

export type Figures = z.infer<typeof Figures>
export type Live = z.infer<typeof Live>
export type LiveRun = z.infer<typeof LiveRun>
export type Memory = z.infer<typeof Memory>
export type Ratio = z.infer<typeof Ratio>
export type ServerResult = z.infer<typeof Server>
export type Result = z.infer<typeof Result>
