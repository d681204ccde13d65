/** The page at `/`: one talk at a time, from the microphone, the sample or a file. Ties the views to the flow; draws nothing itself. */
import { type Reason, wantsKey } from "../flow/reasons.ts"
import { msOf } from "../flow/resampling.ts"
import { type Change, changed, latencies, NEW_TALK, type Talk } from "../flow/talk.ts"
import { createTape, type Tape } from "../flow/tape.ts"
import { decodeSound } from "./decoding.ts"
import { byId } from "./dom.ts"
import { onFile } from "./files-in.ts"
import { createKeeping } from "./keep.ts"
import { key, onKey } from "./key.ts"
import { type Line, openLine } from "./line.ts"
import { calm, complain, explain, say } from "./notices.ts"
import { createPlayer } from "./player.ts"
import { fillLanguages, settings, showDefaultLanguage, showEngine } from "./settings.ts"
import { createSoundView } from "./sound-view.ts"
import { mayHaveMicrophone, openMicrophone, openSample, type Source, whyNoSound } from "./sources.ts"
import { ownModel, tapeOfFile, transcribeFile } from "./upload.ts"
import { createWordsView } from "./words-view.ts"

/** Older sound can be neither seen nor heard again: 19 MB. */
const KEPT_MS = 10 * 60_000

const speak = byId("speak", HTMLButtonElement)
const sample = byId("sample", HTMLButtonElement)
const commit = byId("commit", HTMLButtonElement)
const progress = byId("progress", HTMLProgressElement)

let talk: Talk = NEW_TALK
let tape: Tape | undefined
let source: Source | undefined
let line: Line | undefined
let upload: AbortController | undefined
/** What the key field is for. */
let whenKey = () => {}
let pushedAtMs = 0
let playheadMs: number | null = null
let drawing = false

const player = createPlayer()
const words = createWordsView(play)
const sound = createSoundView({
  onUtterance({ id, startMs, endMs }) {
    words.focus(id)
    play(startMs, endMs, 0)
  },
  onPlace: (startMs, endMs) => play(startMs, endMs, 0),
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
    words.mark(playheadMs)
    sound.show({ tape, talk, live: source !== undefined, playheadMs })
    const some = talk.utterances.some(({ status }) => status === "done")
    for (const button of document.querySelectorAll<HTMLButtonElement>(".tools button")) button.disabled = !some
    byId("empty", HTMLElement).hidden = talk.utterances.length > 0
    byId("latency", HTMLElement).textContent = latencyText()
  })
}

function latencyText(): string {
  const waits = latencies(talk)
  if (!waits) return ""
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`
  const few = waits.count === 1 ? "" : ` (middle of ${waits.count}, slowest ${seconds(waits.slowestMs)})`
  const silence = settings().mode === "hand" ? "" : `; ${settings().silenceMs / 1000} s of it is the silence that ends an utterance`
  const behind = talk.lagMs > 1000 ? ` Grey words are ${(talk.lagMs / 1000).toFixed(1)} s behind: the server is busy.` : ""
  return `Words stood ${seconds(waits.middleMs)} after the last one was spoken${few}${silence}.${behind}`
}

/** Where the tape would stand if it ran without pieces. */
function nowMs(): number {
  return (tape?.lengthMs ?? 0) + performance.now() - pushedAtMs
}

function reset() {
  upload?.abort()
  upload = undefined
  progress.hidden = true
  player.stop()
  calm()
  talk = { ...NEW_TALK, model: talk.model }
  tape = undefined
}

function begin() {
  reset()
  const fresh = createTape(KEPT_MS)
  tape = fresh
  pushedAtMs = performance.now()
  const { query, mode } = settings()
  commit.hidden = mode !== "hand"
  whenKey = () => line?.retry()
  line = openLine({
    query,
    key,
    tape: fresh,
    answeredMs: () => talk.answeredMs,
    onConnected(baseMs) {
      calm()
      say(baseMs > 0 ? "Connected again. What was said meanwhile is heard now." : "Listening.", "live")
      change({ type: "connected", baseMs })
    },
    onEvent(event) {
      change({ type: "event", event, nowMs: nowMs() })
      if (event.type === "ready") {
        showEngine({ id: event.model })
        if (query.language === undefined) showDefaultLanguage(event.config.language)
      }
      if (event.type === "error") complain(`The server says: ${event.message}`)
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
  const retry = () => line?.retry()
  if (retryInMs !== null) {
    say("Not connected.", "trouble")
    return explain(reason, `What you say is kept; trying again in ${Math.max(1, Math.round(retryInMs / 1000))} s.`, retry)
  }
  if (wantsKey(reason)) {
    say("Not connected.", "trouble")
    return explain(reason, "What you say is kept meanwhile.")
  }
  stop()
  giveUp()
  explain(reason, "")
  say("Stopped.", "trouble")
}

function hear(samples: Int16Array) {
  tape?.push(samples)
  pushedAtMs = performance.now()
  line?.pump()
  draw()
}

async function start(open: () => Promise<Source>, text: string) {
  if (line) return
  begin()
  say(text)
  showRunning()
  const mine = line
  try {
    const opened = await open()
    // It was stopped meanwhile.
    if (line !== mine || !line) return opened.stop()
    source = opened
  } catch (thrown) {
    giveUp()
    complain(whyNoSound(thrown))
    say("Stopped.", "trouble")
  }
  showRunning()
}

function speakOrExplain() {
  if (mayHaveMicrophone) return void start(() => openMicrophone(hear), "Connecting…")
  complain(
    `Browsers lend the microphone only to https:// addresses and to localhost, and this is ${location.origin}. The sample and files work here; see TLS_CERT for https.`,
  )
}

async function playSample(): Promise<Source> {
  const response = await fetch("/page/sample.wav")
  const samples = await decodeSound(await response.arrayBuffer())
  const opened = openSample(samples, hear, stop)
  player.play(samples, () => {})
  return {
    stop() {
      opened.stop()
      player.stop()
    },
  }
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
  if (line) say("Waiting for the last words.", "live")
  showRunning()
}

function showRunning() {
  const running = line !== undefined
  speak.setAttribute("aria-pressed", String(running))
  byId("speak-text", HTMLElement).textContent = running ? "Stop" : "Speak"
  sample.disabled = running
  if (!running) commit.hidden = true
  draw()
}

async function openFile(file: File) {
  if (line) return complain("Stop speaking first.")
  reset()
  draw()
  const mine = new AbortController()
  upload = mine
  progress.hidden = false
  say(`Hearing ${file.name} (${(file.size / 1e6).toFixed(1)} MB)…`, "live")
  const startedMs = performance.now()
  const [answer, shown] = await Promise.all([transcribeFile(file, settings(), mine.signal), tapeOfFile(file)])
  if (upload !== mine) return
  progress.hidden = true
  tape = shown
  if (answer.ok) {
    talk = answer.talk
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    say(`${file.name}: heard in ${seconds} s.${shown ? "" : " This browser cannot play it, so there is no waveform."}`)
  } else {
    whenKey = () => void openFile(file)
    if (answer.reason) explain(answer.reason, "")
    else complain(answer.text)
    say("No words.", "trouble")
  }
  draw()
}

function play(startMs: number, endMs: number, aroundMs: number) {
  const kept = tape
  const fromMs = Math.max(kept?.oldestMs ?? 0, startMs - aroundMs)
  const samples = kept?.between(fromMs, endMs + aroundMs)
  if (!samples || samples.length === 0) return say("This sound is no longer kept.")
  player.play(samples, (at) => {
    playheadMs = at === null ? null : Math.max(startMs, Math.min(endMs - 1, fromMs + msOf(at)))
    draw()
  })
}

fillLanguages()
createKeeping(() => talk, say)
onKey(() => {
  calm()
  whenKey()
})
speak.onclick = () => (line ? stop() : speakOrExplain())
sample.onclick = () => void start(playSample, "Playing the sample.")
commit.onclick = () => line?.commit()
byId("clear", HTMLButtonElement).onclick = () => {
  talk = { ...talk, utterances: talk.utterances.filter(({ status }) => status === "open") }
  draw()
}
onFile((file) => void openFile(file))
addEventListener("online", () => line?.retry())
for (const place of document.querySelectorAll(".origin")) place.textContent = location.origin
void ownModel().then(
  (model) => model && showEngine(model),
  // It is told when the first connection is made.
  () => {},
)
draw()
