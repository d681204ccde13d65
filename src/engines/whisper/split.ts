/** From tokens to the words that they spell. Pure; knows no time and no sound. */

export interface SpelledWord {
  /** Trimmed, with the punctuation around it; never "". */
  readonly text: string
  /** Its tokens: the words of a text have all of them, in order; unless the text is blank, then there is no word. */
  readonly from: number
  readonly to: number
  /** Those of its tokens between which it is spoken: without the ones that are punctuation alone. */
  readonly spokenFrom: number
  readonly spokenTo: number
}

/** Scripts that put no space between words: each of their characters is taken for one. */
const UNSPACED = /^\s*[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u
const MARKS_ALONE = /^[\p{P}\s]*$/u
const OPENING_MARKS_ALONE = /^[\p{Ps}\p{Pi}¿¡"'\s]*$/u
const JOINS_THE_ONE_BEFORE = /^[\p{P}\p{M}\p{Lm}]/u

/** A few tokens that spell whole characters together. */
interface Unit {
  readonly text: string
  readonly from: number
  readonly to: number
}

type TextOf = (tokens: readonly number[]) => string

export function splitWords(tokens: readonly number[], textOf: TextOf): SpelledWord[] {
  const words: Unit[][] = []
  for (const unit of unitsOf(tokens, textOf)) {
    const word = words.at(-1)
    if (word === undefined || beginsWord(unit, word)) words.push([unit])
    else word.push(unit)
  }
  return withMarksJoined(words)
    .map(spelled)
    .filter(({ text }) => text !== "")
}

/** Bytes of one character may be spread over tokens. */
function unitsOf(tokens: readonly number[], textOf: TextOf): Unit[] {
  const units: Unit[] = []
  const whole = textOf(tokens)
  let told = 0
  for (let from = 0, to = 1; to <= tokens.length; to++) {
    const text = textOf(tokens.slice(from, to))
    const broken = text.indexOf("\uFFFD")
    // A character that is no character in the whole text either will not get better.
    if (broken >= 0 && to < tokens.length && whole[told + broken] !== "\uFFFD") continue
    units.push({ text, from, to })
    told += text.length
    from = to
  }
  return units
}

function beginsWord({ text }: Unit, word: readonly Unit[]): boolean {
  if (/^\s/.test(text)) return true
  const before = word.at(-1)?.text ?? ""
  if (OPENING_MARKS_ALONE.test(before) || JOINS_THE_ONE_BEFORE.test(text)) return false
  return /[—–]$/.test(before) || UNSPACED.test(text) || word.some((unit) => UNSPACED.test(unit.text))
}

/** What is punctuation alone belongs to the word before it, or to the one after if it opens something or there is none before. */
function withMarksJoined(words: readonly Unit[][]): Unit[][] {
  const joined: Unit[][] = []
  let opening: Unit[] = []
  for (const word of words) {
    const text = word.map((unit) => unit.text).join("")
    const before = joined.at(-1)
    if (!MARKS_ALONE.test(text)) {
      joined.push([...opening, ...word])
      opening = []
    } else if (before === undefined || OPENING_MARKS_ALONE.test(text)) opening.push(...word)
    else before.push(...word)
  }
  if (opening.length > 0) joined.push([...(joined.pop() ?? []), ...opening])
  return joined
}

function spelled(word: readonly Unit[]): SpelledWord {
  const first = word.findIndex(({ text }) => !MARKS_ALONE.test(text))
  const last = word.findLastIndex(({ text }) => !MARKS_ALONE.test(text))
  const [begin, end] = [word[0], word.at(-1)]
  return {
    text: word
      .map(({ text }) => text)
      .join("")
      .trim(),
    from: begin?.from ?? 0,
    to: end?.to ?? 0,
    spokenFrom: (word[first] ?? begin)?.from ?? 0,
    spokenTo: (word[last] ?? end)?.to ?? 0,
  }
}
