/**
 * One talker: speaks a script into the `events` mode of the socket as fast as a person does, and notes how long its words
 * took. Looks at a text only to see that it holds words. Knows no other talker.
 */
import { z } from "zod"
import { SAMPLE_RATE_HZ } from "../../audio/pcm.ts"
import { aborted } from "./aborted.ts"
import { type ClientOptions, holdsWords, openSocket } from "./client.ts"
import type { Script } from "./script.ts"

export interface TalkOptions extends ClientOptions {
  readonly script: Script
  readonly interims: boolean
  /** Called after each slice. */
  readonly onSpoken?: (seconds: number) => void
}

export interface Talk {
  /** For each utterance that ended in a pause: from the slice that made the pause long enough leaving to its words, in ms. */
  readonly finalsMs: readonly number[]
  /** For each recording that got an interim word: from the first sound of its first word to that one, in ms. */
  readonly firstInterimsMs: readonly number[]
  /** Recordings that got no words at all. */
  readonly unheard: number
  /** Utterances that failed, and a stream that broke or was not finished in time. */
  readonly failed: number
}

/** What a microphone's driver typically hands over. */
export const SLICE_MS = 100

/** Shorter than the default: it leaves a server less time to prepare the words. */
export const SILENCE_MS = 300

const SLICE_SAMPLES = (SLICE_MS * SAMPLE_RATE_HZ) / 1000
const SAMPLES_PER_MS = SAMPLE_RATE_HZ / 1000

const SpeechEvent = z.object({
  type: z.string(),
  utt: z.number().nullish(),
  at_ms: z.number().optional(),
  start_ms: z.number().optional(),
  end_ms: z.number().optional(),
  end: z.boolean().optional(),
  cause: z.string().nullish(),
  text: z.string().optional(),
  words: z.array(z.object({ start_ms: z.number() })).nullish(),
})

interface Heard extends z.infer<typeof SpeechEvent> {
  readonly receivedAtMs: number
}

/** Rejects if the server does not let us in; whatever goes wrong later is a figure. */
export async function talk(options: TalkOptions): Promise<Talk> {
  const url = new URL(options.url)
  const wishes = {
    mode: "events",
    interim: options.interims ? "1" : "0",
    words: options.interims ? "1" : "0",
    silence_ms: String(SILENCE_MS),
  }
  for (const [name, value] of Object.entries(wishes)) url.searchParams.set(name, value)
  const socket = await openSocket({ ...options, url: url.href })

  const heard: Heard[] = []
  let done = false
  let broken = 0
  const over = new Promise<void>((resolve) => {
    socket.onclose = () => resolve()
  })
  socket.onmessage = ({ data }) => {
    const event = readEvent(data)
    if (event === undefined) broken++
    else if (event.type === "done") done = true
    else heard.push({ ...event, receivedAtMs: performance.now() })
  }
  try {
    const spoken = await speak(socket, options)
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "close" }))
    const late = AbortSignal.timeout(options.timeoutMs)
    await Promise.race([over, aborted(AbortSignal.any([options.signal, late]))]).catch(() => {})
    options.signal.throwIfAborted()
    const { failed, ...talk } = judge(heard, options.script, spoken)
    return { ...talk, failed: failed + broken + (done ? 0 : 1) }
  } finally {
    socket.terminate()
  }
}

interface Spoken {
  readonly beganAtMs: number
  /** When each slice left. */
  readonly leftAtMs: readonly number[]
}

/** A slice leaves when its last sample was spoken, or as soon after as this process gets to it. */
async function speak(socket: WebSocket, { script: { samples }, signal, onSpoken }: TalkOptions): Promise<Spoken> {
  const beganAtMs = performance.now()
  const leftAtMs: number[] = []
  for (let at = 0; at < samples.length && socket.readyState === WebSocket.OPEN && !signal.aborted; at += SLICE_SAMPLES) {
    const slice = samples.slice(at, at + SLICE_SAMPLES)
    const waitMs = beganAtMs + (at + slice.length) / SAMPLES_PER_MS - performance.now()
    if (waitMs > 0) await Bun.sleep(waitMs)
    socket.send(new Uint8Array(slice.buffer))
    leftAtMs.push(performance.now())
    onSpoken?.(slice.length / SAMPLE_RATE_HZ)
  }
  return { beganAtMs, leftAtMs }
}

function judge(heard: readonly Heard[], { turns }: Script, { beganAtMs, leftAtMs }: Spoken): Talk {
  const decidedAtMs = new Map(heard.flatMap(({ type, utt, at_ms }) => (type === "speech_end" && at_ms !== undefined ? [[utt, at_ms]] : [])))
  const finalsMs = heard.flatMap(({ type, utt, end, cause, receivedAtMs }) => {
    const atMs = decidedAtMs.get(utt)
    const left = atMs === undefined ? undefined : leftAtMs[Math.ceil(atMs / SLICE_MS) - 1]
    return type === "final" && end && cause === "endpoint" && left !== undefined ? [receivedAtMs - left] : []
  })
  const wordsOf = (type: string, from: number, to: number) =>
    heard.find(
      (one) =>
        one.type === type && holdsWords(one.text) && (one.end_ms ?? 0) * SAMPLES_PER_MS > from && (one.start_ms ?? 0) * SAMPLES_PER_MS < to,
    )
  const firstInterimsMs = turns.flatMap(({ firstSoundSample, endSample }) => {
    const first = wordsOf("partial", firstSoundSample, endSample)
    // A recording may begin with a breath, or with noise: what counts is its first word, as the server's own final has it.
    const wordAtMs = wordsOf("final", firstSoundSample, endSample)?.words?.[0]?.start_ms ?? 0
    return first ? [first.receivedAtMs - beganAtMs - Math.max(wordAtMs, firstSoundSample / SAMPLES_PER_MS)] : []
  })
  const unheard = turns.filter(({ startSample, endSample }) => wordsOf("final", startSample, endSample) === undefined).length
  return { finalsMs, firstInterimsMs, unheard, failed: heard.filter(({ type }) => type === "failed" || type === "error").length }
}

function readEvent(data: unknown): z.infer<typeof SpeechEvent> | undefined {
  try {
    return SpeechEvent.parse(JSON.parse(String(data)))
  } catch {
    return undefined
  }
}
