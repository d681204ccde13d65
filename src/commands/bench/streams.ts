/**
 * How many talkers at once a server keeps up with: runs with so many streams in real time, or the search for the most.
 * Knows a socket only by `talker.ts`.
 */
import { SAMPLE_RATE_HZ } from "../../audio/pcm.ts"
import type { ClientOptions } from "./client.ts"
import type { Clip } from "./clips.ts"
import { keepsUp, liveRunOf, nextCount } from "./live.ts"
import type { Live, LiveRun } from "./result.ts"
import { PACE_OF_PEOPLE, type Pace, type Script, scriptOf } from "./script.ts"
import { SILENCE_MS, SLICE_MS, type Talk, talk } from "./talker.ts"

export interface StreamsOptions extends ClientOptions {
  readonly clips: readonly Clip[]
  /** Numbers of talkers, or the search for the most. */
  readonly counts: readonly number[] | "search"
  readonly interims: readonly boolean[]
  /** How long each talks in a run. */
  readonly talkSeconds: number
  readonly pace?: Pace
  /** Told of each run: what it is, and how much of all its audio is spoken. */
  readonly onRun: (label: string, totalSeconds: number) => { spoken(seconds: number): void; end(): void }
}

/** Rejects if the server lets nobody in. */
export async function measureStreams(options: StreamsOptions): Promise<Live> {
  const { counts, interims, talkSeconds, pace: { pausesSeconds } = PACE_OF_PEOPLE } = options
  const runs: LiveRun[] = []
  for (const withInterims of interims) {
    const own: LiveRun[] = []
    const queue = counts === "search" ? undefined : counts.values()
    for (;;) {
      const streams = queue ? queue.next().value : nextCount(own.map((run) => ({ streams: run.streams, kept: keepsUp(run) })))
      if (streams === undefined) break
      own.push(await runStreams(options, streams, withInterims))
    }
    runs.push(...own.sort((a, b) => a.streams - b.streams))
  }
  return {
    talkSeconds,
    pausesSeconds: [Math.min(...pausesSeconds), Math.max(...pausesSeconds)],
    silenceMs: SILENCE_MS,
    sliceMs: SLICE_MS,
    runs,
  }
}

async function runStreams(options: StreamsOptions, streams: number, interims: boolean): Promise<LiveRun> {
  const { clips, talkSeconds, pace, signal, onRun } = options
  const scripts = Array.from({ length: streams }, (_, talker) => scriptOf(clips, talker, talkSeconds, pace))
  const bar = onRun(`${streams} streams${interims ? " with interims" : ""}`, secondsOf(scripts))
  try {
    const talks = await Promise.allSettled(scripts.map((script) => talk({ ...options, script, interims, onSpoken: bar.spoken })))
    signal.throwIfAborted()
    const refusals = talks.filter((result) => result.status === "rejected")
    if (refusals.length === streams) throw refusals[0]?.reason
    const heard = talks.filter((result): result is PromiseFulfilledResult<Talk> => result.status === "fulfilled")
    return liveRunOf(
      { streams, interims, refused: refusals.length },
      heard.map(({ value }) => value),
    )
  } finally {
    bar.end()
  }
}

function secondsOf(scripts: readonly Script[]): number {
  return scripts.reduce((total, { samples }) => total + samples.length, 0) / SAMPLE_RATE_HZ
}
