/** The live streams of a result as rows of a table, for a terminal and for README. Pure; measures nothing. */
import { FINAL_P95_MAX_MS, streamsHeld } from "./live.ts"
import type { Live, LiveRun } from "./result.ts"

const COLUMNS = ["final, p50", "p95", "with interims: final, p50", "p95", "first interim, p50", "p95"] as const

/** The head first; one row for each number of streams, whichever way it was measured. */
export function liveTable({ runs }: Live): string[][] {
  const counts = [...new Set(runs.map(({ streams }) => streams))].sort((a, b) => a - b)
  const of = (streams: number, interims: boolean) => runs.find((run) => run.streams === streams && run.interims === interims)
  const rows = counts.map((streams) => {
    const [without, with_] = [of(streams, false), of(streams, true)]
    const waits = [without?.finalP50Ms, without?.finalP95Ms, with_?.finalP50Ms, with_?.finalP95Ms]
    return [String(streams), ...[...waits, with_?.firstInterimP50Ms, with_?.firstInterimP95Ms].map(showMs)]
  })
  return [["live streams", ...COLUMNS], ...rows]
}

/** What was found and what the words of the table mean. */
export function liveLegend({ runs, talkSeconds, pausesSeconds, silenceMs, sliceMs }: Live): string[] {
  const held = [false, true].flatMap((interims) => {
    const own = runs.filter((run) => run.interims === interims)
    return own.length === 0 ? [] : [`${streamsHeld(own)} ${interims ? "with" : "without"} interims`]
  })
  return [
    `Live streams kept up with: ${held.join(", ")}; that is, nobody refused, nothing failed, and 95 of 100 finals within ${FINAL_P95_MAX_MS} ms.`,
    `Each talks for ${talkSeconds} s or more in real time, in slices of ${sliceMs} ms, and pauses for ${pausesSeconds.join(" to ")} s between recordings.`,
    `Final: from sending the slice that makes a pause ${silenceMs} ms long to the words. First interim: from the beginning of the first word of a recording to an interim word.`,
    ...runs.flatMap(troubles),
  ]
}

function troubles(run: LiveRun): string[] {
  const { streams, interims, refused, failed, unheard } = run
  const told = [
    ...(refused > 0 ? [`${refused} refused`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(unheard > 0 ? [`${unheard} recordings without words`] : []),
  ]
  return told.length === 0 ? [] : [`${streams} streams${interims ? " with interims" : ""}: ${told.join(", ")}.`]
}

function showMs(value: number | null | undefined): string {
  return value == null ? "–" : `${value} ms`
}
