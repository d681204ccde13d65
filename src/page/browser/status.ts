/** The status view: asks `/metrics` every two seconds and draws the last five minutes. Knows no session and no words. */
import { CHARTS, type Line } from "../flow/charts.ts"
import { type Look, parseMetrics } from "../flow/prometheus.ts"
import { reasonOf, reasonOfRefusal, wantsKey } from "../flow/reasons.ts"
import { byId, make } from "./dom.ts"
import { askForKey, authorization, key, onKey } from "./key.ts"

const EVERY_MS = 2000
const KEPT = 150
/** The time that is drawn at first. */
const LEAST = 30
const INKS = 5
const SVG = "http://www.w3.org/2000/svg"

const status = byId("status", HTMLElement)
const looks: Look[] = []

const cards = CHARTS.map((chart) => {
  const card = make("section", "card chart")
  const now = make("p", "now")
  const picture = document.createElementNS(SVG, "svg")
  picture.setAttribute("class", "curves")
  picture.setAttribute("viewBox", "0 0 100 100")
  picture.setAttribute("preserveAspectRatio", "none")
  picture.setAttribute("role", "img")
  const [since, top] = [make("span", ""), make("span", "")]
  const scale = make("p", "scale")
  scale.append(since, top)
  card.append(make("h2", "", chart.title), now, picture, scale)
  byId("charts", HTMLElement).append(card)
  return { chart, card, now, picture, since, top }
})

async function look() {
  try {
    const [response, ready] = await Promise.all([fetch("/metrics", { headers: authorization(key()) }), fetch("/readyz")])
    const text = await response.text()
    if (!response.ok) return refused(response.status, text)
    looks.push({ atMs: performance.now(), samples: parseMetrics(text) })
    if (looks.length > KEPT) looks.shift()
    if (ready.ok) tell("Ready.", "live")
    else tell(sentence(await ready.text()), "trouble")
    draw()
  } catch {
    tell(`${reasonOf("unreachable").text} Asking again.`, "trouble")
  }
}

function refused(httpStatus: number, body: string) {
  const reason = reasonOfRefusal({ status: httpStatus, body })
  tell(reason?.text ?? `The server answered ${httpStatus}.`, "trouble")
  if (reason && wantsKey(reason)) askForKey()
}

/** Only what is new: a screen reader says each change. */
function tell(text: string, mood: "live" | "trouble") {
  if (status.textContent !== text) status.textContent = text
  status.dataset.mood = mood
}

function sentence(text: string): string {
  const trimmed = text.trim()
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}.`
}

function draw() {
  const drawn = Math.max(LEAST, looks.length)
  for (const { chart, card, now, picture, since, top } of cards) {
    const lines = chart.lines(looks)
    card.hidden = lines.length === 0
    const texts = lines.map(({ name, values }) => `${name === "" ? "" : `${name} `}${chart.write(values.at(-1) ?? null)}`)
    now.replaceChildren(...texts.map((text, index) => make("span", ink(index), text)))
    now.className = `now ${lines.length === 1 ? "single" : "many"}`
    picture.setAttribute("aria-label", `${chart.title}, now ${texts.join(", ")}`)
    const most = Math.max(chart.least, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)))
    since.textContent = ago(drawn * EVERY_MS)
    top.textContent = `scale to ${chart.write(most)}`
    picture.replaceChildren(...lines.flatMap((line, index) => curve(line, { most, drawn, ink: ink(index), filled: lines.length === 1 })))
  }
}

function ink(index: number): string {
  return `ink-${Math.min(index, INKS - 1)}`
}

function ago(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`
}

interface Drawing {
  /** The value at the top. */
  readonly most: number
  /** So many looks fit. */
  readonly drawn: number
  readonly ink: string
  /** The area below it too. */
  readonly filled: boolean
}

/** A gap where nothing happened. */
function curve({ values }: Line, { most, drawn, ink, filled }: Drawing): SVGElement[] {
  const from = drawn - values.length
  const placeOf = (at: number) => (100 * (from + at)) / (drawn - 1)
  const pieces: string[][] = [[]]
  for (const [at, value] of values.entries()) {
    if (value === null) pieces.push([])
    else pieces.at(-1)?.push(`${placeOf(at)},${98 - (94 * value) / most}`)
  }
  return pieces.flatMap((points) => {
    const [first, last] = [points[0], points.at(-1)]
    if (first === undefined || last === undefined) return []
    const line = shape("polyline", `${ink} line`, points.length === 1 ? [first, first] : points)
    const xOf = (point: string) => point.split(",")[0]
    const area = filled ? [shape("polygon", ink, [`${xOf(first)},100`, ...points, `${xOf(last)},100`])] : []
    return [...area, line]
  })
}

function shape(kind: "polyline" | "polygon", name: string, points: readonly string[]): SVGElement {
  const made = document.createElementNS(SVG, kind)
  made.setAttribute("class", name)
  made.setAttribute("points", points.join(" "))
  return made
}

onKey(() => void look())

async function forever(): Promise<never> {
  for (;;) {
    if (!document.hidden) await look()
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
}

void forever()
