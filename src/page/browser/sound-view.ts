/** The sound: its waveform with speech marked, and the utterances below it, in time. Knows no socket. */
import { shortTime } from "../flow/saving.ts"
import { type Talk, textOf } from "../flow/talk.ts"
import { PEAK_MS, type Tape } from "../flow/tape.ts"
import { byId, make } from "./dom.ts"

export interface SoundView {
  /** `live`: the last seconds, moving; otherwise all that is kept. */
  show(tape: Tape | undefined, talk: Talk, live: boolean): void
}

const LIVE_MS = 20_000

export function createSoundView(press: (id: string) => void): SoundView {
  const canvas = byId("wave", HTMLCanvasElement)
  const timeline = byId("timeline", HTMLElement)
  const span = byId("span", HTMLElement)
  const buttons = new Map<string, HTMLButtonElement>()

  function draw(tape: Tape, talk: Talk, startMs: number, endMs: number) {
    const pen = canvas.getContext("2d")
    if (!pen) return
    const scale = window.devicePixelRatio
    const { clientWidth: width, clientHeight: height } = canvas
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale)
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale)
    pen.setTransform(scale, 0, 0, scale, 0, 0)
    pen.clearRect(0, 0, width, height)
    const look = getComputedStyle(canvas)
    const placeOf = (ms: number) => ((ms - startMs) / (endMs - startMs)) * width
    pen.fillStyle = colour("--speech")
    for (const one of talk.utterances) {
      const to = one.status === "open" ? Math.max(one.endMs, tape.lengthMs) : one.endMs
      if (to >= startMs) pen.fillRect(placeOf(one.startMs), 0, Math.max(1, placeOf(to) - placeOf(one.startMs)), height)
    }
    pen.fillStyle = look.color
    for (let x = 0; x < width; x += 2) {
      let loud = 0
      const toMs = startMs + ((x + 2) / width) * (endMs - startMs)
      for (let ms = startMs + (x / width) * (endMs - startMs); ms < toMs; ms += PEAK_MS) loud = Math.max(loud, tape.peakAt(ms))
      const bar = Math.max(1, Math.sqrt(loud) * height * 0.95)
      pen.fillRect(x, (height - bar) / 2, 1.4, bar)
    }
  }

  function place(talk: Talk, startMs: number, endMs: number) {
    const inside = new Map(talk.utterances.filter((one) => one.endMs >= startMs && one.status === "done").map((one) => [one.id, one]))
    for (const [id, button] of buttons) {
      if (inside.has(id)) continue
      button.remove()
      buttons.delete(id)
    }
    for (const [id, one] of inside) {
      const button = buttons.get(id) ?? fresh(id)
      const label = textOf(one)
      if (button.textContent !== label) {
        button.textContent = label
        button.setAttribute("aria-label", `${shortTime(one.startMs)}: ${label}`)
      }
      const share = (ms: number) => (100 * (ms - startMs)) / (endMs - startMs)
      const left = Math.max(0, share(one.startMs))
      button.style.left = `${left}%`
      button.style.width = `${Math.max(0, share(one.endMs) - left)}%`
    }
  }

  function fresh(id: string): HTMLButtonElement {
    const button = make("button", "")
    button.type = "button"
    button.onclick = () => press(id)
    timeline.append(button)
    buttons.set(id, button)
    return button
  }

  return {
    show(tape, talk, live) {
      if (!tape) {
        canvas.getContext("2d")?.clearRect(0, 0, canvas.width, canvas.height)
        const lastMs = talk.utterances.at(-1)?.endMs ?? 0
        place(talk, 0, Math.max(1, lastMs))
        span.textContent = ""
        return
      }
      const startMs = live ? Math.max(0, tape.lengthMs - LIVE_MS) : tape.oldestMs
      const endMs = Math.max(live ? startMs + LIVE_MS : startMs + 1, tape.lengthMs)
      draw(tape, talk, startMs, endMs)
      place(talk, startMs, endMs)
      span.textContent = `${shortTime(startMs)} to ${shortTime(endMs)}`
    },
  }
}

/** A colour of the style sheet as the canvas understands it, in the theme of now. */
function colour(name: string): string {
  const probe = document.body.appendChild(make("span", `colour${name}`))
  probe.style.color = `var(${name})`
  const value = getComputedStyle(probe).color
  probe.remove()
  return value
}
