/**
 * The words: settled ones in a list that a screen reader reads out as it grows, those of open utterances below it, grey. Each
 * word plays its sound. Knows no socket.
 */
import { shortTime } from "../flow/saving.ts"
import type { Segment, Talk, Utterance, Word } from "../flow/talk.ts"
import { byId, make } from "./dom.ts"

export type Play = (startMs: number, endMs: number) => number

export interface WordsView {
  show(talk: Talk): void
  focus(id: string): void
}

/** A word alone is hard to make out: a little of what is around it is played too. */
const AROUND_MS = 80

/** `play` returns how long it will sound, in ms; 0 if that stretch is no longer kept. */
export function createWordsView(play: Play): WordsView {
  const settled = byId("settled", HTMLOListElement)
  const open = byId("open", HTMLOListElement)
  const shown = new Map<string, { readonly utterance: Utterance; readonly item: HTMLLIElement }>()

  for (const list of [settled, open]) list.addEventListener("keydown", walk)

  function itemOf(utterance: Utterance): HTMLLIElement {
    const item = make("li", "")
    const at = make("button", "at", shortTime(utterance.startMs))
    at.type = "button"
    at.setAttribute("aria-label", `Play the utterance at ${shortTime(utterance.startMs)}`)
    at.onclick = () => void play(utterance.startMs, utterance.endMs)
    const text = make("div", "text")
    if (utterance.failure === null) text.append(...utterance.segments.flatMap((segment) => [...partsOf(segment), " "]))
    else text.append(make("span", "failed", `No words: ${utterance.failure}`))
    const first = text.querySelector<HTMLElement>(".word")
    if (first) first.tabIndex = 0
    item.append(at, text)
    const facts = factsOf(utterance)
    if (facts !== "") item.append(make("div", "facts", facts))
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
    button.onclick = () => {
      const ms = play(word.startMs - AROUND_MS, word.endMs + AROUND_MS)
      button.classList.add("playing")
      setTimeout(() => button.classList.remove("playing"), Math.max(ms, 150))
    }
    return button
  }

  return {
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
    ...(latencyMs === null ? [] : [`${(latencyMs / 1000).toFixed(2)} s after the last word`]),
    ...(language === null ? [] : [language]),
  ]
  return facts.join(" · ")
}
