/** What the page says of itself: its state in one line, and what is wrong. Knows no connection. */
import { type Reason, wantsKey } from "../flow/reasons.ts"
import { byId } from "./dom.ts"
import { askForKey } from "./key.ts"

export type Mood = "calm" | "live" | "trouble"

const status = byId("status", HTMLElement)
const box = byId("reason", HTMLElement)
const text = byId("reason-text", HTMLElement)
const again = byId("again", HTMLButtonElement)

export function say(words: string, mood: Mood = "calm") {
  status.textContent = words
  status.dataset.mood = mood
}

/** `again`: what the button to try at once does; without it there is none. */
export function complain(words: string, tryAgain?: () => void) {
  text.textContent = words
  again.hidden = tryAgain === undefined
  again.onclick = tryAgain ?? null
  box.hidden = false
}

/** The same of a reason of the flow, with the field for a key where one would help. */
export function explain(reason: Reason, more: string, tryAgain?: () => void) {
  complain(more === "" ? reason.text : `${reason.text} ${more}`, tryAgain)
  if (wantsKey(reason)) askForKey()
}

export function calm() {
  box.hidden = true
}
