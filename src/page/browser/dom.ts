/** What the views share: finding and making elements. Knows nothing of speech. */

/** @throws Error if the page and its script are not of one make */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`no #${id} here`)
  return found
}

export function make<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, className: string, text = ""): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  if (className !== "") element.className = className
  element.textContent = text
  return element
}
