/** The status view: asks `/metrics` every two seconds and draws the last five minutes. Knows no session and no words. */
import { CHARTS, type Line } from "../flow/charts.ts"
import { type Look, parseMetrics } from "../flow/prometheus.ts"
import { byId, make } from "./dom.ts"

const EVERY_MS = 2000
const KEPT = 150
const SVG = "http://www.w3.org/2000/svg"

const status = byId("status", HTMLElement)
const key = byId("key", HTMLInputElement)
const looks: Look[] = []

const cards = CHARTS.map((chart) => {
  const card = make("section", "chart")
  const now = make("p", "now")
  const picture = document.createElementNS(SVG, "svg")
  picture.setAttribute("viewBox", "0 0 100 100")
  picture.setAttribute("preserveAspectRatio", "none")
  picture.setAttribute("role", "img")
  card.append(make("h2", "", chart.title), now, picture)
  byId("charts", HTMLElement).append(card)
  return { chart, now, picture }
})

async function look() {
  const headers: Record<string, string> = key.value === "" ? {} : { authorization: `Bearer ${key.value}` }
  try {
    const [response, ready] = await Promise.all([fetch("/metrics", { headers }), fetch("/readyz")])
    if (!response.ok) {
      byId("key-field", HTMLElement).hidden = response.status !== 401
      tell(response.status === 401 ? "This server needs a key." : `The server answered ${response.status}.`)
      return
    }
    looks.push({ atMs: performance.now(), samples: parseMetrics(await response.text()) })
    if (looks.length > KEPT) looks.shift()
    tell(ready.ok ? "Ready." : sentence(await ready.text()))
    draw()
  } catch {
    tell("The server does not answer; asking again.")
  }
}

/** Only what is new: a screen reader says each change. */
function tell(text: string) {
  if (status.textContent !== text) status.textContent = text
}

function sentence(text: string): string {
  const trimmed = text.trim()
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}.`
}

function draw() {
  for (const { chart, now, picture } of cards) {
    const lines = chart.lines(looks)
    const text = lines.map(({ name, values }) => `${name === "" ? "" : `${name} `}${chart.write(values.at(-1) ?? null)}`).join(" · ")
    now.textContent = text
    picture.setAttribute("aria-label", `${chart.title}, now ${text}`)
    const top = Math.max(chart.least, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)))
    picture.replaceChildren(...lines.map((line, index) => curve(line, top, index)))
  }
}

function curve({ values }: Line, top: number, index: number): SVGElement {
  const line = document.createElementNS(SVG, "polyline")
  if (index > 0) line.setAttribute("class", "second")
  const from = KEPT - values.length
  const points = values.flatMap((value, at) => (value === null ? [] : [`${(100 * (from + at)) / (KEPT - 1)},${98 - (96 * value) / top}`]))
  line.setAttribute("points", points.join(" "))
  return line
}

async function forever(): Promise<never> {
  for (;;) {
    if (!document.hidden) await look()
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
}

void forever()
