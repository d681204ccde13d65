/** Chance as fuzzing needs it: every case has a seed of its own, so that one of them can be had again. */
import { randomFrom } from "../../support/random.ts"

export interface Chance {
  /** From 0 to 1. */
  readonly random: () => number
  /** A whole number below `end`. */
  below(end: number): number
  /** True in so many of a hundred cases. */
  percent(share: number): boolean
  pick<One>(all: readonly One[]): One
  /** One of those that stand under this name, else "1". */
  pickOf(lists: Readonly<Record<string, readonly string[]>>, name: string): string
  bytes(length: number): Buffer
  /** So many of what `make` makes. */
  some<One>(least: number, most: number, make: () => One): One[]
}

/** Of the case with this number at this edge. */
export function chanceOf(seed: number, edge: string, index: number): Chance {
  const random = randomFrom(Bun.hash.crc32(`${seed} ${edge} ${index}`))
  const below = (end: number) => Math.floor(random() * end)
  const pick = <One>(all: readonly One[]) => all[below(all.length)] as One
  return {
    random,
    below,
    percent: (share) => random() * 100 < share,
    pick,
    pickOf: (lists, name) => (Object.hasOwn(lists, name) ? pick(lists[name] ?? []) : "1"),
    bytes: (length) => Buffer.from(Uint8Array.from({ length }, () => below(256))),
    some: (least, most, make) => Array.from({ length: least + below(most - least + 1) }, make),
  }
}
