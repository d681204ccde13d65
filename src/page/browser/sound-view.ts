/** The sound: its waveform with speech marked, and the utterances below it, in time. Knows no socket. */
import { shortTime } from "../flow/saving.ts"
import { type Talk, textOf, type Utterance } from "../flow/talk.ts"
import { PEAK_MS, type Tape } from "../flow/tape.ts"
import { byId, make } from "./dom.ts"

export interface SoundViewOptions {
  /** An utterance was pressed. */
  readonly onUtterance: (utterance: Utterance) => void
  /** A place of the waveform was pressed; `endMs`: of what is seen. */
  readonly onPlace: (startMs: number, endMs: number) => void
}

export interface Sound {
  readonly tape: Tape | undefined
  readonly talk: Talk
  /** Its end moves, and is followed. */
  readonly live: boolean
  /** What is heard again now; null if nothing is. */
  readonly playheadMs: number | null
}

export interface SoundView {
  show(sound: Sound): void
}

/** More is not shown at once. */
const WINDOW_MS = 20_000
const BAR_PX = 3

interface Span {
  readonly startMs: number
  readonly endMs: number
}

export function createSoundView({ onUtterance, onPlace }: SoundViewOptions): SoundView {
  const canvas = byId("wave", HTMLCanvasElement)
  const timeline = byId("timeline", HTMLElement)
  const span = byId("span", HTMLElement)
  const place = byId("place", HTMLInputElement)
  const buttons = new Map<string, { readonly button: HTMLButtonElement; shown: Utterance | undefined }>()
  let colours = coloursNow()
  let seen: Span = { startMs: 0, endMs: WINDOW_MS }
  let last: Sound | undefined

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours = coloursNow()
    if (last) show(last)
  })
  addEventListener("resize", () => last && show(last))
  place.oninput = () => last && show(last)
  canvas.onclick = ({ offsetX }) => {
    const startMs = seen.startMs + (offsetX / canvas.clientWidth) * (seen.endMs - seen.startMs)
    if (last?.tape && startMs < last.tape.lengthMs) onPlace(startMs, Math.min(seen.endMs, last.tape.lengthMs))
  }

  function show(sound: Sound) {
    last = sound
    const { tape, talk } = sound
    const whole = { startMs: tape?.oldestMs ?? 0, endMs: tape?.lengthMs ?? talk.utterances.at(-1)?.endMs ?? 0 }
    seen = spanSeen(whole, sound)
    draw(sound)
    fill(talk.utterances)
    canvas.classList.toggle("heard", tape !== undefined && tape.lengthMs > 0)
    span.textContent = whole.endMs === 0 ? "" : `${shortTime(seen.startMs)} to ${shortTime(Math.min(seen.endMs, whole.endMs))}`
  }

  /** The end while it is live, what is played while it plays, and otherwise what the slider says. */
  function spanSeen(whole: Span, { live, playheadMs }: Sound): Span {
    const more = whole.endMs - whole.startMs - WINDOW_MS
    place.hidden = live || more <= 0
    if (more <= 0) return { startMs: whole.startMs, endMs: live ? whole.startMs + WINDOW_MS : Math.max(whole.endMs, whole.startMs + 1) }
    const wasAtEnd = place.max === "" || place.valueAsNumber >= Number(place.max)
    place.max = String(Math.round(more))
    if (live || wasAtEnd) place.valueAsNumber = Math.round(more)
    const startMs = whole.startMs + place.valueAsNumber
    if (playheadMs === null || live || (playheadMs >= startMs && playheadMs < startMs + WINDOW_MS))
      return { startMs, endMs: startMs + WINDOW_MS }
    place.valueAsNumber = Math.max(0, Math.min(more, playheadMs - whole.startMs - WINDOW_MS / 4))
    return { startMs: whole.startMs + place.valueAsNumber, endMs: whole.startMs + place.valueAsNumber + WINDOW_MS }
  }

  function draw({ tape, talk, playheadMs }: Sound) {
    const pen = canvas.getContext("2d")
    if (!pen) return
    const scale = window.devicePixelRatio
    const { clientWidth: width, clientHeight: height } = canvas
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale)
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale)
    pen.setTransform(scale, 0, 0, scale, 0, 0)
    pen.clearRect(0, 0, width, height)
    const { startMs, endMs } = seen
    const pxOf = (ms: number) => ((ms - startMs) / (endMs - startMs)) * width
    const spoken = talk.utterances
      .map((one) => ({ startMs: one.startMs, endMs: one.status === "open" ? Math.max(one.endMs, tape?.lengthMs ?? 0) : one.endMs }))
      .filter((one) => one.endMs >= startMs && one.startMs <= endMs)
    pen.fillStyle = colours.speech
    for (const one of spoken) pen.fillRect(pxOf(one.startMs), 0, Math.max(1, pxOf(one.endMs) - pxOf(one.startMs)), height)
    if (!tape) return
    const barMs = (BAR_PX / width) * (endMs - startMs)
    // Bars belong to the sound, not to the window: they do not flicker while it moves.
    for (let ms = Math.floor(startMs / barMs) * barMs; ms < Math.min(endMs, tape.lengthMs); ms += barMs) {
      const loud = loudest(tape, ms, ms + barMs)
      const bar = Math.max(1.5, Math.sqrt(loud) * height * 0.92)
      const isSpeech = spoken.some((one) => ms >= one.startMs && ms < one.endMs)
      pen.fillStyle = isSpeech ? colours.accent : colours.soft
      pen.fillRect(pxOf(ms), (height - bar) / 2, BAR_PX - 1, bar)
    }
    if (playheadMs === null) return
    pen.fillStyle = colours.text
    pen.fillRect(pxOf(playheadMs) - 1, 0, 2, height)
  }

  function fill(utterances: readonly Utterance[]) {
    const { startMs, endMs } = seen
    const inside = new Map(
      utterances.filter((one) => one.status === "done" && one.endMs >= startMs && one.startMs <= endMs).map((one) => [one.id, one]),
    )
    for (const [id, { button }] of buttons) {
      if (inside.has(id)) continue
      button.remove()
      buttons.delete(id)
    }
    const share = (ms: number) => (100 * (ms - startMs)) / (endMs - startMs)
    for (const [id, one] of inside) {
      const known = buttons.get(id) ?? fresh(id)
      const { button } = known
      if (known.shown !== one) {
        known.shown = one
        button.textContent = textOf(one)
        button.setAttribute("aria-label", `${shortTime(one.startMs)}: ${textOf(one)}`)
        button.onclick = () => onUtterance(one)
      }
      const left = Math.max(0, share(one.startMs))
      button.style.left = `${left}%`
      button.style.width = `${Math.max(0, share(one.endMs) - left)}%`
    }
  }

  function fresh(id: string) {
    const button = make("button", "")
    button.type = "button"
    timeline.append(button)
    const entry = { button, shown: undefined }
    buttons.set(id, entry)
    return entry
  }

  return { show }
}

function loudest(tape: Tape, startMs: number, endMs: number): number {
  let loud = 0
  for (let ms = startMs; ms < endMs; ms += PEAK_MS) loud = Math.max(loud, tape.peakAt(ms))
  return loud
}

/** Those of the style sheet as a canvas understands them, in the theme of now. */
function coloursNow() {
  const probe = document.body.appendChild(make("span", ""))
  const colour = (name: string) => {
    probe.style.color = `var(--${name})`
    return getComputedStyle(probe).color
  }
  const found = { speech: colour("speech"), accent: colour("accent"), soft: colour("soft"), text: colour("text") }
  probe.remove()
  return found
}
