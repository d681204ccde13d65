/**
 * Which item of the conversation an event belongs to. On this wire each utterance is an item with an id, told of before its words
 * are known; each that was committed ends exactly once, and in the order of the commits. Knows no JSON.
 */
import type { FailedEvent, SpeechEvent } from "../../speech/events.ts"

export interface Item {
  readonly id: string
  /** All deltas so far, joined. */
  said: string
  /** The texts of its segments that are final. */
  readonly texts: string[]
  /** That were heard in it, ISO 639-1. */
  readonly languages: Set<string>
  /** Where its audio begins, ms; null until that is known. */
  startMs: number | null
  committed: boolean
  /** Why a part of its words is lost, and so all of them. */
  failure: FailedEvent | undefined
}

/** What an event means to its item. */
export interface Place {
  readonly item: Item
  /** Its audio is complete, at the latest with this. */
  readonly committed: boolean
  /** So are its words. */
  readonly ended: boolean
}

export interface Items {
  /** The client ends an utterance. The item that this commits at once; undefined where the words of the utterance come with it. */
  commit(): Item | undefined
  /** The client gives an utterance up. */
  clear(): void
  /** To be asked once of each event, in order; undefined where nothing is to be told. */
  of(event: SpeechEvent): Place | undefined
}

/** Where the engine hears the ends: the utterance says it, for a commit may come when one has just ended by itself. */
export function createHeardItems(create: () => Item): Items {
  const open = new Map<number, Item>()
  /** The utterance whose terminator comes next. */
  let next = 0

  /** Else those before it would be committed after it. */
  function areSettled(before: number): boolean {
    for (let utterance = next; utterance < before; utterance++) if (!open.get(utterance)?.committed) return false
    return true
  }

  return {
    commit: () => undefined,
    clear() {},
    of(event) {
      const { utterance } = event
      if (utterance === null) return undefined
      const item = open.get(utterance) ?? create()
      const ended = isTerminator(event)
      if (ended) next = utterance + 1
      if (ended) open.delete(utterance)
      else open.set(utterance, item)
      if (event.type === "cleared") return undefined
      return { item, committed: ended || (event.type === "speech_end" && areSettled(utterance)), ended }
    },
  }
}

/**
 * Where only commits end utterances: each commits its item at once, and the terminators answer them in order. What the engine
 * cuts for its length is one item all the same.
 */
export function createCommittedItems(create: () => Item): Items {
  /** What the client did and the engine has not answered yet. */
  const owed: (Item | "clear")[] = []
  /** Has words, and no commit yet. */
  let open: Item | undefined
  /** The utterance whose terminator comes next. Of later ones nothing is told yet: whose they are shows when it is their turn. */
  let next = 0

  /** Undefined: given up, whatever is heard of it still. */
  function current(): Item | undefined {
    const [first] = owed
    if (first) return first === "clear" ? undefined : first
    open ??= create()
    return open
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
      if (event.utterance !== null && event.utterance > next && !isTerminator(event)) return undefined
      const item = current()
      if (isTerminator(event) && event.utterance !== null) next = event.utterance + 1
      const answer = event.type === "cleared" || (isTerminator(event) && event.cause === "commit")
      if (answer) owed.shift()
      if (!item || event.type === "cleared") return undefined
      const ended = isTerminator(event) && event.cause !== "max" && event.cause !== null
      if (ended && item === open) open = undefined
      return { item, committed: ended, ended }
    },
  }
}

type Terminator = SpeechEvent & { type: "final" | "failed" | "cleared" }

/** A final with more to come of its utterance is none. */
function isTerminator(event: SpeechEvent): event is Terminator {
  return event.type === "failed" || event.type === "cleared" || (event.type === "final" && event.end)
}
