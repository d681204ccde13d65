/** What talkers saw → figures of live streams, and which number of them to try next. Pure arithmetic; knows no server. */
import { quantile } from "./figures.ts"
import type { LiveRun } from "./result.ts"
import type { Talk } from "./talker.ts"

/** A final that takes longer is no answer in a talk. */
export const FINAL_P95_MAX_MS = 1000

/** More talkers than this would measure the bench. */
export const STREAMS_MAX = 256

export function liveRunOf(run: Pick<LiveRun, "streams" | "interims" | "refused">, talks: readonly Talk[]): LiveRun {
  const finalsMs = talks.flatMap((talk) => talk.finalsMs)
  const firstInterimsMs = talks.flatMap((talk) => talk.firstInterimsMs)
  const total = (of: (talk: Talk) => number) => talks.reduce((sum, talk) => sum + of(talk), 0)
  return {
    ...run,
    finals: finalsMs.length,
    finalP50Ms: whole(quantile(finalsMs, 0.5)),
    finalP95Ms: whole(quantile(finalsMs, 0.95)),
    firstInterimP50Ms: whole(quantile(firstInterimsMs, 0.5)),
    firstInterimP95Ms: whole(quantile(firstInterimsMs, 0.95)),
    unheard: total(({ unheard }) => unheard),
    failed: total(({ failed }) => failed),
  }
}

/** Everybody got in, nothing failed, and 95 of 100 finals came within a second. */
export function keepsUp({ refused, failed, finalP95Ms }: LiveRun): boolean {
  return refused === 0 && failed === 0 && finalP95Ms !== null && finalP95Ms <= FINAL_P95_MAX_MS
}

/** The most streams that were kept up with, below any number that was not; 0 if none. */
export function streamsHeld(runs: readonly LiveRun[]): number {
  const tooMany = Math.min(...runs.filter((run) => !keepsUp(run)).map(({ streams }) => streams))
  return Math.max(0, ...runs.map(({ streams }) => streams).filter((streams) => streams < tooMany))
}

/** A machine that keeps up with one talker is not asked for two, three and four. */
const FIRST_CROWD = 8

/** One, eight, then doubles until it is too many, then halves the gap until it is an eighth; undefined once the answer is known. */
export function nextCount(seen: readonly { readonly streams: number; readonly kept: boolean }[]): number | undefined {
  const tooMany = Math.min(...seen.filter(({ kept }) => !kept).map(({ streams }) => streams))
  const held = Math.max(0, ...seen.filter(({ kept, streams }) => kept && streams < tooMany).map(({ streams }) => streams))
  if (tooMany === Number.POSITIVE_INFINITY) return held < STREAMS_MAX ? (held === 0 ? 1 : Math.max(FIRST_CROWD, held * 2)) : undefined
  const gap = tooMany - held
  return gap <= Math.max(1, held / 8) ? undefined : held + Math.floor(gap / 2)
}

function whole(value: number | null): number | null {
  return value === null ? null : Math.round(value)
}
