/** The words of a text as they stand in it, in any script. Pure. Knows no language: where nothing separates words, each sign is one. */

export interface Unit {
  /** With the punctuation that stands by it. */
  readonly text: string
  /** In UTF-16 units of the text. */
  readonly start: number
  readonly end: number
  /** Without the punctuation behind it. */
  readonly wordEnd: number
}

/** Scripts without spaces between words; a mark that follows a sign belongs to it. */
const SPACELESS =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}"
const UNIT = new RegExp(`[${SPACELESS}][\\p{M}\\p{P}ー]*|[^\\s${SPACELESS}]+`, "gu")

export function unitsOf(text: string): Unit[] {
  return Array.from(text.matchAll(UNIT), ({ 0: unit, index: start }) => {
    const word = unit.replace(/[^\p{L}\p{N}]+$/u, "")
    return { text: unit, start, end: start + unit.length, wordEnd: start + (word.length || unit.length) }
  })
}

/** What is left of a text when it is spoken: lower case, no punctuation, no spaces. */
export function lettersOf(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "")
}

/** How many values both rows begin with. */
export function commonCount<Value>(one: readonly Value[], other: readonly Value[]): number {
  const most = Math.min(one.length, other.length)
  for (let index = 0; index < most; index++) if (one[index] !== other[index]) return index
  return most
}

/** `text` with its beginning written as `prefix`, if these are the same letters; else null. */
export function respelled(prefix: string, text: string): string | null {
  if (text.startsWith(prefix)) return text
  const letters = lettersOf(prefix)
  if (!lettersOf(text).startsWith(letters)) return null
  let end = 0
  for (let count = 0; count < letters.length; ) {
    const sign = String.fromCodePoint(text.codePointAt(end) as number)
    count += lettersOf(sign).length
    end += sign.length
  }
  return prefix + text.slice(end)
}

/** So many words at the end of a beginning are looked for in the text that should begin with it. */
const OVERLAP_UNITS = 3

/** So many of them the same are no accident… */
const SURE_UNITS = 2

/** …if they stand so near to their place. */
const NEAR_UNITS = 3

/**
 * `text` made to begin with `prefix`, which was heard in the same speech: what `text` has behind the last words of it. Null if these are not
 * to be found about where they should be.
 */
export function continued(prefix: string, text: string): string | null {
  const units = unitsOf(text)
  const said = wordsOf(unitsOf(prefix))
  const place = overlapEnd(said, wordsOf(units), SURE_UNITS)
  const last = place !== null && Math.abs(place - said.length) <= NEAR_UNITS ? units[place - 1] : undefined
  return last ? `${prefix}${text.slice(last.wordEnd)}` : null
}

/**
 * `text` made to begin with `prefix`, which was heard in the same speech: what `text` has behind the same words, or behind as many
 * words where it has other ones.
 */
export function withPrefix(prefix: string, text: string): string {
  const same = respelled(prefix, text)
  if (same !== null) return same
  const units = unitsOf(text)
  const said = wordsOf(unitsOf(prefix))
  const place = overlapEnd(said, wordsOf(units), 1) ?? Math.min(said.length, units.length)
  const last = units[place - 1]
  return last ? `${prefix}${text.slice(last.wordEnd)}` : prefix
}

const wordsOf = (units: readonly Unit[]) => units.map(({ text }) => lettersOf(text))

/** How many of the heard words reach up to the last ones that were said, `atLeast` so many of them; null if these were not heard. */
function overlapEnd(said: readonly string[], heard: readonly string[], atLeast: number): number | null {
  for (let length = Math.min(OVERLAP_UNITS, said.length); length >= atLeast; length--) {
    const tail = said.slice(-length)
    const ends = heard
      .map((_, index) => index + 1)
      .filter((end) => end >= length && commonCount(tail, heard.slice(end - length, end)) === length)
    if (ends.length > 0) return ends.reduce((best, end) => (Math.abs(end - said.length) < Math.abs(best - said.length) ? end : best))
  }
  return null
}
