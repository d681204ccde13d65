/**
 * A client of mode `events` that speaks in real time and lives through servers that go, as README tells: it keeps what has no
 * final yet, and says it again to the next server. Its words are the proof: what it was told, by when in its own time.
 */
import { SAMPLE_RATE_HZ } from "../../src/audio/pcm.ts"

export interface Told {
  readonly text: string
  /** In the time of the speaker, over all connections. */
  readonly startMs: number
  readonly endMs: number
  /** From the end of the audio of these words to the words. */
  readonly waitedMs: number
}

export interface Spoken {
  readonly finals: readonly Told[]
  /** How each connection ended. */
  readonly closes: readonly number[]
  /** Connections that were refused. */
  readonly refused: number
  /** Utterances that had begun and neither had a final nor were said again. */
  readonly unanswered: number
  readonly failed: number
}

interface Event {
  readonly type: string
  readonly text: string
  readonly start_ms: number
  readonly end_ms: number
  readonly audio_ms: number
  readonly cause: string
  readonly utt: number
  readonly end: boolean
}

const SLICE_MS = 100
const RETRY_MS = 200
const samplesOf = (ms: number) => Math.round((ms * SAMPLE_RATE_HZ) / 1000)

/** Speaks all of `audio` to `url`, from `startAtMs` (performance.now) on. */
export async function speak(url: URL, audio: Int16Array, startAtMs: number): Promise<Spoken> {
  const finals: Told[] = []
  const closes: number[] = []
  const durationMs = (audio.length * 1000) / SAMPLE_RATE_HZ
  let refused = 0
  let unanswered = 0
  let failed = 0
  /** Up to where all is answered, in the time of the speaker. */
  let answeredMs = 0

  while (answeredMs < durationMs) {
    const code = await oneConnection()
    if (code !== null) closes.push(code)
    else {
      refused++
      await Bun.sleep(RETRY_MS)
    }
  }
  return { finals, closes, refused, unanswered, failed }

  /** Resolves with the close code; null if there was no connection. */
  function oneConnection(): Promise<number | null> {
    const fromMs = answeredMs
    const socket = new WebSocket(url)
    const open = new Set<number>()
    let sentMs = fromMs
    let closing = false
    let ready = false
    const timer = setInterval(send, SLICE_MS)

    function send() {
      if (!ready || closing) return
      // What was said before the connection was there goes at once; the rest as it is spoken.
      const dueMs = Math.min(performance.now() - startAtMs, durationMs)
      while (sentMs + SLICE_MS <= dueMs || (dueMs === durationMs && sentMs < durationMs)) {
        const untilMs = Math.min(sentMs + SLICE_MS, durationMs)
        socket.send(audio.subarray(samplesOf(sentMs), samplesOf(untilMs)))
        sentMs = untilMs
      }
      if (sentMs < durationMs) return
      closing = true
      socket.send(JSON.stringify({ type: "close" }))
    }

    function take(event: Event) {
      if (event.type === "ready") ready = true
      if (event.type === "speech_start") open.add(event.utt)
      if (event.type === "failed") {
        failed++
        open.delete(event.utt)
      }
      if (event.type === "done") {
        // What is behind the last words was heard, and nobody spoke in it; unless it was the words themselves that were cut.
        if (cutAtMs === null) answeredMs = fromMs + event.audio_ms
        if (closing && cutAtMs === null) answeredMs = durationMs
      }
      if (event.type !== "final") return
      if (event.end) open.delete(event.utt)
      // Cut by the server that goes, not by us: to be said again.
      if (event.cause === "close" && !closing) {
        cutAtMs ??= fromMs + event.start_ms
        return
      }
      answeredMs = fromMs + event.end_ms
      const waitedMs = performance.now() - startAtMs - answeredMs
      if (event.text !== "") finals.push({ text: event.text, startMs: fromMs + event.start_ms, endMs: answeredMs, waitedMs })
    }

    let cutAtMs: number | null = null
    return new Promise((resolve) => {
      socket.onmessage = ({ data }) => take(JSON.parse(String(data)))
      socket.onclose = ({ code }) => {
        clearInterval(timer)
        if (cutAtMs !== null) answeredMs = cutAtMs
        else unanswered += open.size
        resolve(ready ? code : null)
      }
    })
  }
}
