/** The buttons that keep a transcript: copy, and save as a file. Knows no connection. */
import { SAVE_FORMATS, SAVE_TYPES, type SaveFormat, saved } from "../flow/saving.ts"
import type { Talk } from "../flow/talk.ts"
import { byId, make } from "./dom.ts"

export function createKeeping(talk: () => Talk, say: (text: string) => void) {
  byId("copy", HTMLButtonElement).onclick = async () => {
    say((await copied(saved(talk(), "txt"))) ? "Copied." : "This browser lets nobody copy.")
  }
  for (const format of SAVE_FORMATS) {
    const button = document.querySelector<HTMLButtonElement>(`[data-save="${format}"]`)
    if (button) button.onclick = () => save(talk(), format)
  }
}

async function copied(text: string): Promise<boolean> {
  if (window.isSecureContext) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    )
  }
  // On plain http browsers know only the old way.
  const field = document.body.appendChild(make("textarea", ""))
  field.value = text
  field.select()
  const done = document.execCommand("copy")
  field.remove()
  return done
}

function save(talk: Talk, format: SaveFormat) {
  const link = make("a", "")
  link.href = URL.createObjectURL(new Blob([saved(talk, format)], { type: SAVE_TYPES[format] }))
  link.download = `transcript.${format}`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
