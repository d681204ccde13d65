/** What an edge is: a place where strangers' bytes come in, and what is said there by chance. */
import type { Subject } from "../subject.ts"
import type { Chance } from "./chance.ts"

export interface Edge {
  readonly name: string
  /** How many cases may be under way at once. */
  readonly atOnce: number
  /**
   * One case, to its end. Resolves with a word for what came of it, by which outcomes are counted; throws a Wrong for what must not be,
   * whatever was sent.
   */
  run(subject: Subject, chance: Chance): Promise<string>
}

/** The server did what it must never do. */
export class Wrong extends Error {
  override name = "Wrong"
}

/** A status that no request may have whatever it is: a mistake of ours, not of the client. */
export function checkStatus(status: number, what: string): void {
  if (status === 500 || status === 502 || status === 504) throw new Wrong(`${what} was answered ${status}`)
}
