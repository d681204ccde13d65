/** The page at `/`: one talk at a time, from the microphone, the sample or a file. Ties the views to the flow; draws nothing itself. */
import type { Reason } from "../flow/reasons.ts"
import { RATE_HZ } from "../flow/resampling.ts"
import { SAVE_FORMATS, SAVE_TYPES, type SaveFormat, saved } from "../flow/saving.ts"
import { type Change, changed, NEW_TALK, type Talk } from "../flow/talk.ts"
import { createTape, type Tape } from "../flow/tape.ts"
import { byId, make } from "./dom.ts"
import { type Line, openLine } from "./line.ts"
import { fillLanguages, settings } from "./settings.ts"
import { createSoundView } from "./sound-view.ts"
import { openMicrophone, openSample, type Source } from "./sources.ts"
import { tapeOfFile, transcribeFile } from "./upload.ts"
import { createWordsView } from "./words-view.ts"

/** Older sound can be neither seen nor heard again: 19 MB. */
const KEPT_MS = 10 * 60_000

const speak = byId("speak", HTMLButtonElement)
const sample = byId("sample", HTMLButtonElement)
const commit = byId("commit", HTMLButtonElement)
const fileInput = byId("file", HTMLInputElement)
const status = byId("status", HTMLElement)
const reasonBox = byId("reason", HTMLElement)

let talk: Talk = NEW_TALK
let tape: Tape | undefined
let source: Source | undefined
let line: Line | undefined
let upload: AbortController | undefined
let pushedAtMs = 0
let player: AudioContext | undefined
let drawing = false

const words = createWordsView(play)
const sound = createSoundView((id) => {
  const one = talk.utterances.find((utterance) => utterance.id === id)
  if (one) play(one.startMs, one.endMs)
  words.focus(id)
})

function change(next: Change) {
  talk = changed(talk, next)
  draw()
}

/** At most once a frame, however fast events come. */
function draw() {
  if (drawing) return
  drawing = true
  requestAnimationFrame(() => {
    drawing = false
    words.show(talk)
    sound.show(tape, talk, source !== undefined)
    const some = talk.utterances.some(({ status }) => status === "done")
    for (const button of document.querySelectorAll<HTMLButtonElement>(".tools button")) button.disabled = !some
    byId("empty", HTMLElement).hidden = talk.utterances.length > 0
    if (talk.model !== null) byId("model", HTMLElement).textContent = talk.model
    byId("latency", HTMLElement).textContent = latencyText()
  })
}

function latencyText(): string {
  const waits = talk.utterances.flatMap(({ latencyMs }) => (latencyMs === null ? [] : [latencyMs])).sort((a, b) => a - b)
  const middle = waits[Math.floor(waits.length / 2)]
  if (middle === undefined) return ""
  const silence = settings().mode === "hand" ? "" : `, ${settings().silenceMs / 1000} s of them the silence that ends an utterance`
  const behind = talk.lagMs > 1000 ? ` Grey words are ${(talk.lagMs / 1000).toFixed(1)} s behind: the server is busy.` : ""
  return `From the end of the last word to its text: ${(middle / 1000).toFixed(2)} s in the middle of ${waits.length}${silence}.${behind}`
}

function say(text: string) {
  status.textContent = text
}

function complain(text: string, retry: boolean) {
  byId("reason-text", HTMLElement).textContent = text
  byId("again", HTMLButtonElement).hidden = !retry
  reasonBox.hidden = false
}

/** Where the tape would stand if it ran without pieces. */
function nowMs(): number {
  return (tape?.lengthMs ?? 0) + performance.now() - pushedAtMs
}

function begin() {
  upload?.abort()
  reasonBox.hidden = true
  talk = { ...NEW_TALK, model: talk.model }
  const fresh = createTape(KEPT_MS)
  tape = fresh
  pushedAtMs = performance.now()
  const { query, key, mode } = settings()
  commit.hidden = mode !== "hand"
  line = openLine({
    query,
    key,
    tape: fresh,
    answeredMs: () => talk.answeredMs,
    onConnected(baseMs) {
      reasonBox.hidden = true
      say(baseMs > 0 ? "Connected again. What was said meanwhile is heard now." : "Listening.")
      change({ type: "connected", baseMs })
    },
    onEvent(event) {
      change({ type: "event", event, nowMs: nowMs() })
      if (event.type === "error") complain(`The server says: ${event.message}`, false)
    },
    onDisconnected: trouble,
    onFinished() {
      line = undefined
      change({ type: "disconnected" })
      say("Done.")
      showRunning()
    },
  })
}

function trouble(reason: Reason, retryInMs: number | null) {
  change({ type: "disconnected" })
  if (retryInMs === null) {
    if (reason.trouble === "key") byId("settings", HTMLDetailsElement).open = true
    complain(reason.text, false)
    stop()
    line?.finish()
    say("Stopped.")
    return
  }
  complain(`${reason.text} What you say is kept; trying again in ${Math.max(1, Math.round(retryInMs / 1000))} s.`, true)
}

function hear(samples: Int16Array) {
  tape?.push(samples)
  pushedAtMs = performance.now()
  line?.pump()
  draw()
}

async function start(open: () => Promise<Source>, text: string) {
  if (line) return
  try {
    begin()
    showRunning()
    say(text)
    const opened = await open()
    // It was stopped meanwhile.
    if (!line) return opened.stop()
    source = opened
  } catch (thrown) {
    giveUp()
    const denied = thrown instanceof DOMException && thrown.name === "NotAllowedError"
    complain(denied ? "This page may not use the microphone. Allow it in the address bar." : "No microphone can be used here.", false)
    say("Stopped.")
  }
  showRunning()
}

/** Without waiting for what is owed. */
function giveUp() {
  line?.finish()
  line?.finish()
}

function stop() {
  source?.stop()
  source = undefined
  line?.finish()
  if (line) say("Waiting for the last words.")
  showRunning()
}

function showRunning() {
  const running = line !== undefined
  speak.setAttribute("aria-pressed", String(running))
  speak.textContent = running ? "Stop" : "Speak"
  sample.disabled = running
  if (!running) commit.hidden = true
  draw()
}

async function openFile(file: File) {
  if (line) return complain("Stop speaking first.", false)
  upload?.abort()
  const mine = new AbortController()
  upload = mine
  reasonBox.hidden = true
  talk = { ...NEW_TALK, model: talk.model }
  tape = undefined
  draw()
  say(`Hearing ${file.name} (${(file.size / 1e6).toFixed(1)} MB)…`)
  const { language, key } = settings()
  const startedMs = performance.now()
  const [answer, shown] = await Promise.all([transcribeFile(file, language, key, mine.signal), tapeOfFile(file)])
  if (upload !== mine) return
  tape = shown
  if (answer.ok) {
    talk = answer.talk
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    say(`${file.name}: heard in ${seconds} s.${shown ? "" : " This browser cannot play it, so there is no waveform."}`)
  } else {
    complain(answer.text, false)
    if (answer.reason?.trouble === "key") byId("settings", HTMLDetailsElement).open = true
    say("No words.")
  }
  draw()
}

function play(startMs: number, endMs: number): number {
  const samples = tape?.between(Math.max(0, startMs), endMs)
  if (!samples || samples.length === 0) {
    say("This sound is no longer kept.")
    return 0
  }
  player ??= new AudioContext()
  const buffer = player.createBuffer(1, samples.length, RATE_HZ)
  buffer.copyToChannel(
    Float32Array.from(samples, (value) => value / 32_768),
    0,
  )
  const voice = player.createBufferSource()
  voice.buffer = buffer
  voice.connect(player.destination)
  void player.resume()
  voice.start()
  return buffer.duration * 1000
}

function save(format: SaveFormat) {
  const link = make("a", "")
  link.href = URL.createObjectURL(new Blob([saved(talk, format)], { type: SAVE_TYPES[format] }))
  link.download = `transcript.${format}`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

fillLanguages()
speak.onclick = () => (line ? stop() : void start(() => openMicrophone(hear), "Connecting…"))
sample.onclick = () => void start(() => openSample(hear, stop), "Playing the sample.")
commit.onclick = () => line?.commit()
byId("again", HTMLButtonElement).onclick = () => line?.retry()
byId("choose", HTMLButtonElement).onclick = () => fileInput.click()
fileInput.onchange = () => {
  const [file] = fileInput.files ?? []
  fileInput.value = ""
  if (file) void openFile(file)
}
byId("copy", HTMLButtonElement).onclick = async () => {
  await navigator.clipboard.writeText(saved(talk, "txt"))
  say("Copied.")
}
byId("clear", HTMLButtonElement).onclick = () => {
  talk = { ...talk, utterances: talk.utterances.filter(({ status }) => status === "open") }
  draw()
}
for (const format of SAVE_FORMATS) {
  const button = document.querySelector<HTMLButtonElement>(`[data-save="${format}"]`)
  if (button) button.onclick = () => save(format)
}
document.addEventListener("dragover", (event) => {
  event.preventDefault()
  document.body.classList.add("dropping")
})
document.addEventListener("dragleave", () => document.body.classList.remove("dropping"))
document.addEventListener("drop", (event) => {
  event.preventDefault()
  document.body.classList.remove("dropping")
  const [file] = event.dataTransfer?.files ?? []
  if (file) void openFile(file)
})
addEventListener("resize", draw)
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw)
for (const place of document.querySelectorAll(".origin")) place.textContent = location.origin
draw()
