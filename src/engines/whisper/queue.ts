/**
 * Which of the waiting pieces an engine that has become idle hears next, and in what company. Pure: knows no process, no clock
 * and no audio.
 *
 * Short utterances come first, then pieces of long ones, then what is still being spoken; each in order of arrival, but those of
 * clients who crowd behind the others', and on half of the engines at most. Pieces of different urgency, or of one who crowds and
 * another, never share a batch: the shorter would wait for the longer.
 */
import { samplesFromMs } from "../../audio/pcm.ts"

/**
 * `short`: somebody waits for it now. `long`: one of several pieces of a long utterance, whose caller waits anyhow.
 * `interim`: what is still being spoken; it will be heard again.
 */
export const URGENCIES = ["short", "long", "interim"] as const
export type Urgency = (typeof URGENCIES)[number]

export interface Waiting {
  readonly urgency: Urgency
  readonly sampleCount: number
  /** It must be heard by itself. Asked each time anew. */
  readonly alone: boolean
  /** Somebody listens: it leaves those behind it their share of the busy engines as well, rather than to be held up by them. */
  readonly live: boolean
  /** As Utterance.crowd. */
  readonly crowd?: string | undefined
}

export interface Queue<Item extends Waiting> {
  /** At the end. False if it is an interim, and too many of them wait: then it does not wait. */
  add(item: Item): boolean
  /** Items that were taken, in front of all of their urgency, in this order. No ceiling: they were counted once. */
  putBack(items: readonly Item[]): void
  /** True if it was waiting. */
  remove(item: Item): boolean
  /**
   * What the next idle engine hears at once: its fair share of what waits, when so many engines are idle and it hears at most
   * `most` pieces together. Empty if nothing waits.
   */
  take(idleEngines: number, most: number): Item[]
  /** How many wait and may be heard by the next idle engine. */
  ready(urgency: Urgency): number
  /** Everything that waited. */
  clear(): Item[]
}

export interface QueueOptions {
  /** Idle and busy ones. */
  readonly engines: number
  /** How many are busy with pieces of this client, who crowds. */
  readonly enginesOf: (crowd: string) => number
  /** How many interims may wait. The others are bounded by the permits that their callers hold. */
  readonly interimsMax: number
  /** Called whenever the number of those waiting changed. */
  readonly onWaiting?: (urgency: Urgency, count: number) => void
}

/**
 * A piece of a long utterance gets a turn after so many of short ones, so that it moves on even if those never end. It takes three
 * to six times as long as a turn of short ones, so this leaves it between a quarter and a half of the engines.
 */
const SHORT_TURNS_PER_LONG = 8

/** How much audio may come along with the first piece: all wait until the encoder has been through the last of it. */
const COMPANY_MAX_SAMPLES = samplesFromMs(30_000)
/** How much all of it may be if each were as long as the longest, as the decoder has it: 2.5 MB a second, twice when a text ends. */
const LENGTHENED_MAX_SAMPLES = samplesFromMs(60_000)

export function createQueue<Item extends Waiting>({ engines, enginesOf, interimsMax, onWaiting = () => {} }: QueueOptions): Queue<Item> {
  const lines: Readonly<Record<Urgency, Item[]>> = { short: [], long: [], interim: [] }
  /** Turns that short utterances had while a piece of a long one waited. */
  let shortTurns = 0

  const enginesOfCrowdMax = Math.max(1, Math.floor(engines / 2))

  const told = (urgency: Urgency) => onWaiting(urgency, lines[urgency].length)

  const mayRun = ({ crowd }: Item) => crowd === undefined || enginesOf(crowd) < enginesOfCrowdMax

  /** Of those that may be heard now, the ones that may be heard together, as far as clients go. */
  function readyOf(urgency: Urgency): Item[] {
    const ready = lines[urgency].filter(mayRun)
    const first = ready.find(({ crowd }) => crowd === undefined) ?? ready[0]
    return ready.filter(({ crowd }) => crowd === first?.crowd)
  }

  function nextUrgency(): Urgency | undefined {
    const isReady = (urgency: Urgency) => lines[urgency].some(mayRun)
    if (isReady("long") && (!isReady("short") || shortTurns >= SHORT_TURNS_PER_LONG)) return "long"
    return URGENCIES.find(isReady)
  }

  function countTurn(urgency: Urgency) {
    if (urgency === "long" || lines.long.length === 0) shortTurns = 0
    else if (urgency === "short") shortTurns++
  }

  return {
    add(item) {
      const line = lines[item.urgency]
      if (item.urgency === "interim" && line.length >= interimsMax) return false
      line.push(item)
      told(item.urgency)
      return true
    },
    putBack(items) {
      for (const urgency of URGENCIES) {
        const those = items.filter((item) => item.urgency === urgency)
        if (those.length === 0) continue
        lines[urgency].unshift(...those)
        told(urgency)
      }
    },
    remove(item) {
      const line = lines[item.urgency]
      const at = line.indexOf(item)
      if (at < 0) return false
      line.splice(at, 1)
      told(item.urgency)
      return true
    },
    take(idleEngines, most) {
      const urgency = nextUrgency()
      if (urgency === undefined) return []
      const line = lines[urgency]
      const ready = readyOf(urgency)
      const sharing = ready[0]?.live === true ? engines : idleEngines
      const share = Math.min(most, Math.ceil(ready.length / sharing))
      const batch = batchFrom(ready, share)
      for (const item of batch) line.splice(line.indexOf(item), 1)
      countTurn(urgency)
      told(urgency)
      return batch
    },
    ready: (urgency) => lines[urgency].filter(mayRun).length,
    clear() {
      const all = URGENCIES.flatMap((urgency) => lines[urgency].splice(0))
      for (const urgency of URGENCIES) told(urgency)
      return all
    },
  }
}

/** The first of the line and those behind it that may keep it company. */
function batchFrom<Item extends Waiting>(line: readonly Item[], most: number): Item[] {
  const [first, ...rest] = line
  if (first === undefined) return []
  const batch = [first]
  let companySamples = 0
  let longest = first.sampleCount
  for (const item of first.alone ? [] : rest) {
    if (batch.length >= most) break
    const company = companySamples + item.sampleCount
    const lengthened = (batch.length + 1) * Math.max(longest, item.sampleCount)
    if (item.alone || company > COMPANY_MAX_SAMPLES || lengthened > LENGTHENED_MAX_SAMPLES) continue
    companySamples = company
    longest = Math.max(longest, item.sampleCount)
    batch.push(item)
  }
  return batch
}
