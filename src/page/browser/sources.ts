/** Where live sound comes from: the microphone, or the built-in sample in real time. Knows no socket and no words. */
import { reasonOf } from "../flow/reasons.ts"
import { samplesIn } from "../flow/resampling.ts"

export interface Source {
  /** Idempotent. */
  stop(): void
}

export type Hear = (samples: Int16Array) => void

const PIECE_MS = 40
/** Behind the sample, so that its last utterance ends. */
const SILENCE_MS = 1000

/** False where a browser lends nobody its microphone: on plain http, of another machine. */
export const mayHaveMicrophone = window.isSecureContext

/** @throws DOMException as getUserMedia does, if there is no microphone or it may not be used */
export async function openMicrophone(hear: Hear): Promise<Source> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  })
  const context = new AudioContext()
  await context.audioWorklet.addModule("/page/microphone.js")
  const node = new AudioWorkletNode(context, "microphone", { numberOfInputs: 1, numberOfOutputs: 0 })
  node.port.onmessage = ({ data }: MessageEvent<Int16Array>) => hear(data)
  context.createMediaStreamSource(stream).connect(node)
  await context.resume()
  const awake = stayAwake()
  return {
    stop() {
      // Pieces that are under way come too late.
      node.port.onmessage = null
      for (const track of stream.getTracks()) track.stop()
      if (context.state !== "closed") void context.close()
      void awake.then((lock) => lock?.release())
    },
  }
}

/** Hands out `samples` as if they were spoken now; `ended` when all of it was heard, with a second of silence behind. */
export function openSample(samples: Int16Array, hear: Hear, ended: () => void): Source {
  const sound = new Int16Array(samples.length + samplesIn(SILENCE_MS))
  sound.set(samples)
  const beganAtMs = performance.now()
  let heard = 0
  // By the clock, not by the count of ticks: a tab in the background gets fewer of them.
  const timer = setInterval(() => {
    const to = Math.min(sound.length, samplesIn(performance.now() - beganAtMs))
    hear(sound.subarray(heard, to))
    heard = to
    if (heard < sound.length) return
    clearInterval(timer)
    ended()
  }, PIECE_MS)
  return { stop: () => clearInterval(timer) }
}

/** In words for a person. `thrown` by `openMicrophone`. */
export function whyNoSound(thrown: unknown): string {
  const name = thrown instanceof DOMException ? thrown.name : ""
  if (name === "NotAllowedError") return "This page may not use the microphone. Allow it in the address bar."
  if (name === "NotFoundError") return "There is no microphone on this machine."
  // What plays the sample and what hears the microphone are files of the server.
  if (name === "AbortError" || thrown instanceof TypeError) return reasonOf("unreachable").text
  return "No sound can be had here."
}

/** Where the browser can: a phone that falls asleep stops its microphone. */
async function stayAwake(): Promise<WakeLockSentinel | undefined> {
  try {
    return await navigator.wakeLock.request("screen")
  } catch {
    return undefined
  }
}
