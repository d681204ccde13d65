/** The words of a text as they stand in it, in any script. Pure. Knows no language: where nothing separates words, each sign is one. */

export interface Unit {
  /** With the punctuation that stands by it. */
  readonly text: string
  /** In UTF-16 units of the text. */
  readonly start: number
  readonly end: number
}

/** Scripts without spaces between words; a mark that follows a sign belongs to it. */
const SPACELESS =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}"
const UNIT = new RegExp(`[${SPACELESS}][\\p{M}\\p{P}ー]*|[^\\s${SPACELESS}]+`, "gu")

export function unitsOf(text: string): Unit[] {
  return Array.from(text.matchAll(UNIT), (match) => ({ text: match[0], start: match.index, end: match.index + match[0].length }))
}

/** How many values both rows begin with. */
export function commonCount<Value>(one: readonly Value[], other: readonly Value[]): number {
  const most = Math.min(one.length, other.length)
  for (let index = 0; index < most; index++) if (one[index] !== other[index]) return index
  return most
}

/** So many words at the end of a beginning are looked for in the text that should begin with it. */
const OVERLAP_UNITS = 3

/**
 * `text` made to begin with `prefix`, which was heard in the same speech: what `text` has behind the same words, or behind as many
 * words where it has other ones.
 */
export function withPrefix(prefix: string, text: string): string {
  if (text.startsWith(prefix)) return text
  const units = unitsOf(text)
  const said = unitsOf(prefix).map((unit) => bare(unit.text))
  const last =
    units[
      placeAfter(
        said,
        units.map((unit) => bare(unit.text)),
      ) - 1
    ]
  return last ? `${prefix}${text.slice(last.end)}` : prefix
}

/** How many of the units belong to the beginning that was said. */
function placeAfter(said: readonly string[], units: readonly string[]): number {
  for (let length = Math.min(OVERLAP_UNITS, said.length); length > 0; length--) {
    const tail = said.slice(-length)
    const ends = units
      .map((_, index) => index + 1)
      .filter((end) => end >= length && commonCount(tail, units.slice(end - length, end)) === length)
    if (ends.length > 0) return ends.reduce((best, end) => (Math.abs(end - said.length) < Math.abs(best - said.length) ? end : best))
  }
  return Math.min(said.length, units.length)
}

function bare(unit: string): string {
  return unit.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "")
}
