/** What becomes of good texts, values and bytes by chance. Knows no protocol. */
import type { Chance } from "./chance.ts"

/** Texts that have broken parsers before. */
export const NASTY_TEXTS: readonly string[] = [
  "",
  " ",
  "\0",
  "\r\n",
  "null",
  "undefined",
  "NaN",
  "-0",
  "-1",
  "1e999",
  "0x10",
  "99999999999999999999999999",
  "1.5",
  "true",
  "__proto__",
  "constructor",
  "toString",
  "%",
  "%00",
  "%ff%fe",
  "%c0%ae%c0%ae/",
  "../../etc/passwd",
  "é",
  "\u202e\u2028\ufeff",
  "😀".repeat(20),
  "\ud800",
  "a".repeat(3_000),
  "'\";--<script>",
  "{{7*7}}",
  "(((((((((((((((((((((((((((((((a+)+)+)+)+)+)+)",
]

export const NASTY_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  1.5,
  1e308,
  -1e308,
  Number.MAX_SAFE_INTEGER + 1,
  [],
  {},
  [[[[[[[[]]]]]]]],
  { type: "commit" },
  { toString: 1, valueOf: 1, constructor: null },
]

export function nastyText(chance: Chance): string {
  const text = chance.pick(NASTY_TEXTS)
  return chance.percent(20) ? text + chance.pick(NASTY_TEXTS) : text
}

export function nastyValue(chance: Chance): unknown {
  return chance.percent(50) ? nastyText(chance) : chance.pick(NASTY_VALUES)
}

/** An object with some of its fields changed, gone, or of another kind; `names` may be added. */
export function mutatedObject(value: Readonly<Record<string, unknown>>, names: readonly string[], chance: Chance): object {
  const copy: Record<string, unknown> = { ...value }
  for (let changes = chance.below(4); changes > 0; changes--) {
    const name = chance.percent(85) ? chance.pick([...Object.keys(copy), ...names, "type"]) : nastyText(chance)
    const inside = copy[name]
    if (chance.percent(15)) delete copy[name]
    else if (isObject(inside) && chance.percent(60)) copy[name] = mutatedObject(inside, names, chance)
    else copy[name] = nastyValue(chance)
  }
  return copy
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Cut off, doubled, with letters changed, nested beyond reason; or left as it is. */
export function mutatedText(text: string, chance: Chance): string {
  const at = chance.below(text.length + 1)
  switch (chance.below(12)) {
    case 0:
      return text.slice(0, at)
    case 1:
      return text.slice(at)
    case 2:
      return text.slice(0, at) + nastyText(chance) + text.slice(at)
    case 3:
      return text.slice(0, at) + String.fromCharCode(chance.below(0x10000)) + text.slice(at + 1)
    case 4:
      return text + text
    case 5:
      return `${"[".repeat(at * 50)}${text}`
    case 6:
      return `{"a":`.repeat(at) + text + "}".repeat(at)
    case 7:
      return text.replace(/[{,]/, (sign) => `${sign}"type":"close","type":"commit",`)
    case 8:
      return text + " ".repeat(chance.below(40_000))
    default:
      return text
  }
}

/** The same for bytes: bits flipped, holes, cuts, pieces twice. */
export function mutatedBytes(bytes: Buffer, chance: Chance): Buffer {
  const copy = Buffer.from(bytes)
  const at = chance.below(copy.length + 1)
  switch (chance.below(7)) {
    case 0:
      return copy.subarray(0, at)
    case 1:
      return Buffer.concat([copy.subarray(0, at), chance.bytes(chance.below(64)), copy.subarray(at)])
    case 2:
      return Buffer.concat([copy, copy.subarray(at)])
    case 3:
      return copy.fill(chance.below(256), at, Math.min(copy.length, at + chance.below(64)))
    default:
      for (let flips = chance.below(6); flips > 0 && copy.length > 0; flips--) {
        const where = chance.below(copy.length)
        copy[where] = (copy[where] ?? 0) ^ (1 << chance.below(8))
      }
      return copy
  }
}
