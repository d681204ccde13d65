/**
 * Which item of the conversation an event belongs to. On this wire each utterance is an item with an id, told of before its words
 * are known; each that was committed ends exactly once. Knows no JSON.
 */
import type { SpeechEvent } from "../../speech/events.ts"

export interface Item {
  readonly id: string
  /** All deltas so far, joined. */
  said: string
  /** The texts of its segments that are final. */
  readonly texts: string[]
  /** Where its audio begins, ms; null until that is known. */
  startMs: number | null
  committed: boolean
  /** It was completed, or failed. */
  ended: boolean
}

export interface Items {
  /** The client ends an utterance. The item that this commits at once; undefined where the words of the utterance come with it. */
  commit(): Item | undefined
  /** The client gives an utterance up. */
  clear(): void
  /** To be asked once of each event, in order; undefined where nothing is to be told. */
  of(event: SpeechEvent): Item | undefined
}

/** Where the engine hears the ends: the utterance says it, for a commit may come when one has just ended by itself. */
export function createHeardItems(create: () => Item): Items {
  const open = new Map<number, Item>()
  return {
    commit: () => undefined,
    clear() {},
    of(event) {
      if (event.utterance === null) return undefined
      const item = open.get(event.utterance) ?? create()
      if (isTerminator(event)) open.delete(event.utterance)
      else open.set(event.utterance, item)
      return item
    },
  }
}

/** Where only commits end utterances: each commits its item at once, and the terminators answer them in order. */
export function createCommittedItems(create: () => Item): Items {
  /** What the client did and the engine has not answered yet. */
  const owed: (Item | "clear")[] = []
  /** Has deltas, and no commit yet. */
  let open: Item | undefined
  /** For words that the engine ended by itself, because they grew too long, when the item was given up or has ended already. */
  let extra: Item | undefined
  /** The utterance whose terminator comes next. Of later ones nothing is told yet: whose they are shows when it is their turn. */
  let next = 0

  function current(): Item {
    const [first] = owed
    if (first === undefined) {
      open ??= create()
      return open
    }
    if (first !== "clear" && !first.ended) return first
    extra ??= create()
    return extra
  }

  /** Whose end this is; undefined if it only says that nothing was left for the commit. */
  function ended(event: SpeechEvent & { type: "final" | "failed" }): Item | undefined {
    if (event.cause !== "commit") return current()
    const item = owed.shift()
    if (item !== undefined && item !== "clear" && !item.ended) return item
    return extra ?? (event.type === "final" && event.text === "" ? undefined : create())
  }

  return {
    commit() {
      const item = open ?? create()
      open = undefined
      owed.push(item)
      return item
    },
    clear() {
      open = undefined
      owed.push("clear")
    },
    of(event) {
      if (!isTerminator(event)) {
        const untold = event.utterance !== next || (event.type === "partial" && owed[0] === "clear")
        return untold ? undefined : current()
      }
      if (event.utterance !== null) next = event.utterance + 1
      const item = event.type === "cleared" ? void owed.shift() : ended(event)
      if (item === open) open = undefined
      extra = undefined
      return item
    },
  }
}

type Terminator = SpeechEvent & { type: "final" | "failed" | "cleared" }

/** A final with more to come of its utterance is none. */
function isTerminator(event: SpeechEvent): event is Terminator {
  return event.type === "failed" || event.type === "cleared" || (event.type === "final" && event.end)
}
