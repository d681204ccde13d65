/** The page of the interface: its programs ask this server, each can be copied, and what a link leads to is open. */
import { byId, make } from "./dom.ts"

/** Where the programs ask as they are written. */
const WRITTEN = "localhost:8000"

const said = byId("said", HTMLElement)

for (const pre of document.querySelectorAll<HTMLElement>(".program pre")) {
  pre.textContent = hereIn(pre.textContent ?? "")
  const button = make("button", "copy", "Copy")
  button.type = "button"
  button.setAttribute("aria-label", `Copy ${pre.getAttribute("aria-label") ?? "the program"}`)
  button.addEventListener("click", () => void copy(pre))
  pre.before(button)
}

/** The same program for the address of this page. */
function hereIn(program: string): string {
  const isEncrypted = location.protocol === "https:"
  return program
    .replaceAll(`http://${WRITTEN}`, location.origin)
    .replaceAll(`ws://${WRITTEN}`, `${isEncrypted ? "wss" : "ws"}://${location.host}`)
}

async function copy(pre: HTMLElement) {
  try {
    await navigator.clipboard.writeText(pre.textContent ?? "")
    said.textContent = "Copied."
  } catch {
    // Without TLS a browser lends its clipboard to localhost alone.
    getSelection()?.selectAllChildren(pre)
    said.textContent = "Marked: copy it with the keys of your system."
  }
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  const details = target?.closest("details")
  if (!details) return
  details.open = true
  details.scrollIntoView()
}

addEventListener("hashchange", openTarget)
openTarget()
