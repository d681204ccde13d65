/** The key of a server that needs one, kept until the tab is closed, and the field to enter it. Knows no connection. */
import { byId } from "./dom.ts"

const PLACE = "xrx-stt-key"

const form = byId("key-form", HTMLFormElement)
const field = byId("key", HTMLInputElement)

/** "" for none. */
export function key(): string {
  return sessionStorage.getItem(PLACE) ?? ""
}

export function authorization(key: string): Record<string, string> {
  return key === "" ? {} : { authorization: `Bearer ${key}` }
}

/** Shows the field; what is entered counts from then on. */
export function askForKey() {
  if (!form.hidden) return
  form.hidden = false
  field.value = ""
  field.focus()
}

export function onKey(entered: () => void) {
  form.onsubmit = (event) => {
    event.preventDefault()
    sessionStorage.setItem(PLACE, field.value.trim())
    form.hidden = true
    entered()
  }
}
