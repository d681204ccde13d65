/** Recordings that a person chooses or drops. Knows nothing of what becomes of them. */
import { byId } from "./dom.ts"

export function onFile(open: (file: File) => void) {
  const input = byId("file", HTMLInputElement)
  byId("choose", HTMLButtonElement).onclick = () => input.click()
  input.onchange = () => {
    const [file] = input.files ?? []
    // The same file may be chosen again.
    input.value = ""
    if (file) open(file)
  }
  const { body } = document
  body.addEventListener("dragover", (event) => {
    event.preventDefault()
    body.classList.add("dropping")
  })
  body.addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) body.classList.remove("dropping")
  })
  body.addEventListener("drop", (event) => {
    event.preventDefault()
    body.classList.remove("dropping")
    const [file] = event.dataTransfer?.files ?? []
    if (file) open(file)
  })
}
