/** What was said and what came back for it: the books of a proof. Pure; knows no socket. */

export interface Ledger {
  /** Utterances whose audio was handed over. */
  accepted: number
  /** With their own words, once. */
  answered: number
  /** Said to have failed, or without words of their own though others came behind them, or none in time. */
  lost: number
  /** Answers to what was answered before. */
  doubled: number
  /** Answers whose words are of nothing that was said. */
  foreign: number
  /** Answers out of their order, numbers of events with a gap, lines that are none. */
  broken: number
  /** Why, for the first of them. */
  readonly notes: string[]
  /** Of each answer, from the end of its utterance. */
  readonly latenciesMs: number[]
}

const NOTES_MAX = 40

export function openLedger(): Ledger {
  return { accepted: 0, answered: 0, lost: 0, doubled: 0, foreign: 0, broken: 0, notes: [], latenciesMs: [] }
}

/** Counts what must not be. */
export function blame(ledger: Ledger, kind: "lost" | "doubled" | "foreign" | "broken", note: string): void {
  ledger[kind]++
  if (ledger.notes.length < NOTES_MAX) ledger.notes.push(`${new Date().toISOString()} ${kind}: ${note}`)
}

/** Every accepted utterance was answered once and nothing else came. */
export function balanced({ accepted, answered, lost, doubled, foreign, broken }: Ledger): boolean {
  return accepted > 0 && accepted === answered && lost + doubled + foreign + broken === 0
}

export function summary({ accepted, answered, lost, doubled, foreign, broken }: Ledger): string {
  return `${accepted} accepted, ${answered} answered, ${lost} lost, ${doubled} doubled, ${foreign} foreign, ${broken} broken`
}

export interface Due<Id> {
  readonly id: Id
  readonly saidAtMs: number
}

/**
 * Books for answers that keep the order of the questions and say nothing but their words: each names the first question that it can
 * belong to, so those before that one are lost.
 */
export function inOrder<Id>(ledger: Ledger, name: string) {
  const due: Due<Id>[] = []
  let last: Id | undefined
  return {
    due: due as readonly Due<Id>[],
    asked(id: Id, nowMs: number) {
      ledger.accepted++
      due.push({ id, saidAtMs: nowMs })
    },
    answered(id: Id | undefined, nowMs: number) {
      const at = due.findIndex((one) => one.id === id)
      if (id === undefined || (at < 0 && id !== last)) return blame(ledger, "foreign", `${name} got words that it did not say`)
      if (at < 0) return blame(ledger, "doubled", `${name} got ${id} again`)
      for (const { id } of due.splice(0, at)) blame(ledger, "lost", `${name} got nothing for ${id}`)
      const [one] = due.splice(0, 1)
      last = id
      ledger.answered++
      if (one) ledger.latenciesMs.push(nowMs - one.saidAtMs)
    },
    /** Nothing more will come. */
    over(why: string) {
      for (const { id } of due.splice(0)) blame(ledger, "lost", `${name} got nothing for ${id}: ${why}`)
    },
  }
}
