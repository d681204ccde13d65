/**
 * The words: settled ones in a list that a screen reader reads out as it grows, those of open utterances below it, grey. Each
 * word plays its sound. Knows no socket.
 */
import { shortTime } from "../flow/saving.ts"
import type { Segment, Talk, Utterance, Word } from "../flow/talk.ts"
import { byId, make } from "./dom.ts"

/** `aroundMs`: so much of what is before and behind is played too. */
export type Play = (startMs: number, endMs: number, aroundMs: number) => void

export interface WordsView {
  show(talk: Talk): void
  /** The word that sounds now; null for none. */
  mark(ms: number | null): void
  focus(id: string): void
}

/** A word alone is hard to make out. */
const AROUND_MS = 80

export function createWordsView(play: Play): WordsView {
  const settled = byId("settled", HTMLOListElement)
  const open = byId("open", HTMLOListElement)
  const shown = new Map<string, { readonly utterance: Utterance; readonly item: HTMLLIElement }>()
  let marked: HTMLElement | undefined

  for (const list of [settled, open]) list.addEventListener("keydown", walk)

  function itemOf(utterance: Utterance): HTMLLIElement {
    const item = make("li", "")
    const at = make("button", "at", shortTime(utterance.startMs))
    at.type = "button"
    at.setAttribute("aria-label", `Play the utterance at ${shortTime(utterance.startMs)}`)
    at.onclick = () => void play(utterance.startMs, utterance.endMs, 0)
    const text = make("div", "text")
    if (utterance.failure === null) text.append(...utterance.segments.flatMap((segment) => [...partsOf(segment), " "]))
    else text.append(make("span", "failed", `No words: ${utterance.failure}`))
    const first = text.querySelector<HTMLElement>(".word")
    if (first) first.tabIndex = 0
    item.append(at, text, make("div", "facts", factsOf(utterance)))
    return item
  }

  function partsOf(segment: Segment): (Node | string)[] {
    const { text, stable, words } = segment
    if (!segment.settled) return [make("span", "", text.slice(0, stable)), make("span", "interim", text.slice(stable))]
    if (words.length === 0) return [make("span", "", text)]
    return words.flatMap((word) => [wordButton(word), " "])
  }

  function wordButton(word: Word): HTMLButtonElement {
    const button = make("button", "word", word.text)
    button.type = "button"
    button.tabIndex = -1
    button.title = `${shortTime(word.startMs)}${word.confidence === null ? "" : `, ${Math.round(word.confidence * 100)} % sure`}`
    button.onclick = () => play(word.startMs, word.endMs, AROUND_MS)
    return button
  }

  function buttonAt(ms: number): HTMLElement | undefined {
    for (const { utterance, item } of shown.values()) {
      if (utterance.status === "open" || ms < utterance.startMs || ms > utterance.endMs) continue
      const words = utterance.segments.flatMap((segment) => (segment.settled ? segment.words : []))
      const at = words.findLastIndex((word) => word.startMs <= ms)
      return item.querySelectorAll<HTMLElement>(".word")[at]
    }
    return undefined
  }

  return {
    mark(ms) {
      const button = ms === null ? undefined : buttonAt(ms)
      if (button === marked) return
      marked?.classList.remove("playing")
      button?.classList.add("playing")
      marked = button
    },
    show({ utterances }) {
      const ids = new Set(utterances.map(({ id }) => id))
      for (const [id, { item }] of shown) {
        if (ids.has(id)) continue
        item.remove()
        shown.delete(id)
      }
      for (const utterance of utterances) {
        const known = shown.get(utterance.id)
        if (known?.utterance === utterance) continue
        known?.item.remove()
        const item = itemOf(utterance)
        const list = utterance.status === "open" ? open : settled
        list.append(item)
        shown.set(utterance.id, { utterance, item })
      }
    },
    focus: (id) => shown.get(id)?.item.querySelector<HTMLElement>(".at")?.focus(),
  }
}

/** One stop of the tab key an utterance; the arrows go from word to word. */
function walk(event: KeyboardEvent) {
  const { target, key } = event
  if (!(target instanceof HTMLElement) || !target.classList.contains("word")) return
  const words = [...(target.closest("li")?.querySelectorAll<HTMLElement>(".word") ?? [])]
  const at = words.indexOf(target)
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: words.length - 1 }[key]
  const next = to === undefined ? undefined : words[to]
  if (!next) return
  event.preventDefault()
  target.tabIndex = -1
  next.tabIndex = 0
  next.focus()
}

function factsOf({ status, latencyMs, language }: Utterance): string {
  if (status !== "done") return ""
  const facts = [
    ...(language === null ? [] : [language]),
    ...(latencyMs === null ? [] : [`${(latencyMs / 1000).toFixed(2)} s after the last word`]),
  ]
  return facts.join(" · ")
}
