/** Files damaged by chance, from a seed. */
import { silentFlac, silentOpus } from "./bombs.ts"

export interface Damaged {
  /** What was done to which file. */
  readonly how: string
  readonly bytes: Uint8Array
}

type Random = () => number

const upTo = (random: Random, end: number) => Math.floor(random() * end)

/** Any of the ways in which files go wrong. */
export function damage(files: readonly (readonly [name: string, bytes: Uint8Array])[], random: Random): Damaged {
  const [name, bytes] = files[upTo(random, files.length)]!
  const [way, make] = WAYS[upTo(random, WAYS.length)]!
  return { how: `${name}, ${way}`, bytes: make(bytes, random, files) }
}

type Way = (bytes: Uint8Array, random: Random, files: readonly (readonly [string, Uint8Array])[]) => Uint8Array

const WAYS: readonly (readonly [string, Way])[] = [
  ["cut off", (bytes, random) => bytes.slice(0, upTo(random, bytes.length))],
  ["cut off in its header", (bytes, random) => bytes.slice(0, upTo(random, 200))],
  ["without its beginning", (bytes, random) => bytes.slice(upTo(random, bytes.length))],
  ["with flipped bits", (bytes, random) => flipped(bytes, random, 1 + upTo(random, 200), bytes.length)],
  ["with flipped bits in its header", (bytes, random) => flipped(bytes, random, 1 + upTo(random, 8), 400)],
  ["with a hole of zeros", (bytes, random) => withHole(bytes, random, () => 0)],
  ["with a hole of noise", (bytes, random) => withHole(bytes, random, () => upTo(random, 256))],
  ["with endless lengths in its header", endless],
  ["in the middle of another", (bytes, random, files) => spliced(bytes, files[upTo(random, files.length)]![1], random)],
  ["as noise", (bytes, random) => Uint8Array.from(bytes, () => upTo(random, 256))],
  ["behind a tag of noise", (bytes, random) => Buffer.concat([Buffer.from("ID3\x04\0\0\0\0\x07\x76"), noise(1014, random), bytes])],
  ["as a bomb", (_, random) => (random() < 0.5 ? silentFlac : silentOpus)(3_600 + upTo(random, 36_000))],
  ["of nothing", () => new Uint8Array(0)],
]

function flipped(bytes: Uint8Array, random: Random, count: number, within: number): Uint8Array {
  const copy = bytes.slice()
  for (let i = 0; i < count; i++) copy[upTo(random, Math.min(within, copy.length))]! ^= 1 << upTo(random, 8)
  return copy
}

function withHole(bytes: Uint8Array, random: Random, fill: () => number): Uint8Array {
  const copy = bytes.slice()
  const from = upTo(random, copy.length)
  const end = Math.min(copy.length, from + 1 + upTo(random, 2000))
  for (let at = from; at < end; at++) copy[at] = fill()
  return copy
}

/** As a header that claims ten hours, a chunk without an end, a table of more than there is. */
function endless(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice()
  const at = upTo(random, Math.min(600, copy.length))
  copy.set([0x7f, 0xff, 0xff, 0xff].slice(0, copy.length - at), at)
  return copy
}

function spliced(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const at = upTo(random, other.length)
  return Buffer.concat([other.subarray(0, at), bytes.subarray(upTo(random, bytes.length)), other.subarray(at)])
}

function noise(length: number, random: Random): Uint8Array {
  return Uint8Array.from({ length }, () => upTo(random, 256))
}
