/** What the proofs judge by: it must see each fault, or they prove nothing. */
import { expect, test } from "bun:test"
import { clipOf, knownClips } from "./clips.ts"
import { balanced, inOrder, type Ledger, openLedger } from "./ledger.ts"
import { slopePerHour } from "./plot.ts"

/** What comes of utterances a, b and c, of which these are answered. */
function afterAnswers(...answers: (string | undefined)[]): Ledger {
  const ledger = openLedger()
  const books = inOrder<string>(ledger, "speaker")
  for (const id of ["a", "b", "c"]) books.asked(id, 0)
  for (const id of answers) books.answered(id, 10)
  books.over("that was all")
  return ledger
}

const faults = (ledger: Ledger) => {
  const { answered, lost, doubled, foreign } = ledger
  return { answered, lost, doubled, foreign, balanced: balanced(ledger) }
}

test("books balance if each utterance was answered once, in order", () => {
  expect(faults(afterAnswers("a", "b", "c"))).toEqual({ answered: 3, lost: 0, doubled: 0, foreign: 0, balanced: true })
})

test("an answer that was skipped, or never came, is lost", () => {
  expect(faults(afterAnswers("a", "c"))).toEqual({ answered: 2, lost: 1, doubled: 0, foreign: 0, balanced: false })
  expect(faults(afterAnswers("a"))).toEqual({ answered: 1, lost: 2, doubled: 0, foreign: 0, balanced: false })
})

test("an answer that comes again is doubled, another's is foreign", () => {
  expect(faults(afterAnswers("a", "a", "b", "c"))).toEqual({ answered: 3, lost: 0, doubled: 1, foreign: 0, balanced: false })
  expect(faults(afterAnswers("a", undefined, "b", "c"))).toEqual({ answered: 3, lost: 0, doubled: 0, foreign: 1, balanced: false })
  expect(faults(afterAnswers("b", "a", "c"))).toEqual({ answered: 2, lost: 1, doubled: 0, foreign: 1, balanced: false })
})

test("books of nothing do not balance", () => {
  expect(balanced(openLedger())).toBe(false)
})

test("a clip is told by its words, also where some are misheard, and no other text is taken for one", async () => {
  const clips = await knownClips()
  expect(clips.length).toBeGreaterThan(8)
  for (const clip of clips) {
    expect(clipOf(clip.said.toUpperCase(), clips)?.name).toBe(clip.name)
    expect(clipOf(clip.said.replace(/\w+/, "something"), clips)?.name).toBe(clip.name)
  }
  for (const text of ["", "Thank you.", "the quick brown fox jumps over the lazy dog"]) expect(clipOf(text, clips)).toBeUndefined()
})

test("the slope is that of the series behind its first tenth", () => {
  const minutes = Array.from({ length: 20 }, (_, minute) => minute)
  const values = minutes.map((minute) => (minute < 2 ? 500 : 100 + minute * 2))
  expect(slopePerHour({ title: "memory", unit: "MB", minutes, values })).toBeCloseTo(120)
  expect(slopePerHour({ title: "memory", unit: "MB", minutes: [1], values: [100] })).toBe(0)
})
