/**
 * Where the utterances of one stream begin and end, in one order with what its caller says: a commit never overtakes the audio
 * before it. Two ways: by ear, with voice activity detection, or only as told. Knows no words and no event.
 */
import { SAMPLE_RATE_HZ } from "../audio/pcm.ts"
import type { Endpointing, StreamChanges } from "../engines/engine.ts"
import { type Boundary, createEndpointer, UTTERANCE_SAMPLES_MAX } from "./endpointer.ts"
import type { EndCause } from "./events.ts"
import { lowestPlace } from "./lowest.ts"
import { type VadStream, type VoiceActivityDetector, WINDOW_SAMPLES } from "./vad/vad.ts"

/** What happens in a stream, in order. */
export type Mark =
  | Boundary
  /** A commit while no utterance was open; none to come begins before `atSample`. */
  | { readonly type: "empty"; readonly atSample: number }
  | { readonly type: "clear" }
  | { readonly type: "configure"; readonly changes: StreamChanges }
  /** The open utterance is lost; if none is open, that of a commit. */
  | { readonly type: "lost"; readonly cause: "commit" | null; readonly error: unknown }
  /** Nothing more will be heard: as told (null), or because the ears are gone. */
  | { readonly type: "over"; readonly error: unknown }

export interface Boundaries {
  /** After they were added to the tape. */
  accept(samples: Int16Array): void
  commit(): void
  clear(): void
  configure(changes: StreamChanges): void
  finish(): void
  /** Idempotent. Nothing is told afterwards. */
  close(): void
  /** No audio before it will be asked for, except by an utterance that has ended. */
  readonly keptFromSample: number
  /** Up to where it is known to whom the audio belongs. */
  readonly judgedSamples: number
}

export interface BoundariesOptions {
  readonly tell: (mark: Mark) => void
  /** Called after everything that a piece of audio brought was told. */
  readonly onJudged: () => void
}

/** What the caller said, and after how much audio. */
interface Order {
  readonly atSample: number
  readonly type: "commit" | "clear" | "configure" | "finish"
  readonly changes?: StreamChanges
}

/** By ear. Opens its detector stream with the first audio. */
export function createHeardBoundaries(
  vad: VoiceActivityDetector,
  endpointing: Endpointing,
  { tell, onJudged }: BoundariesOptions,
): Boundaries {
  const endpointer = createEndpointer(endpointing)
  /** Given, but not obeyed yet: windows of the audio before them are still to be judged. */
  const orders: Order[] = []
  let ears: VadStream | null = null
  let acceptedSamples = 0
  /** Place of the last order that was obeyed. */
  let settledSample = 0
  let over = false

  function hear(probabilities: readonly number[]) {
    for (const probability of probabilities) {
      if (over) return
      for (const boundary of endpointer.hear(probability)) tell(withinAudio(boundary))
      obeyDue()
    }
    if (!over) onJudged()
  }

  /** The last window of a finished stream is filled up with zeros: what it decides lies in the audio none the less. */
  function withinAudio(boundary: Boundary): Boundary {
    if (boundary.type === "pause") return { ...boundary, endSample: Math.min(boundary.endSample, acceptedSamples) }
    if (boundary.type !== "end") return boundary
    const { endSample, atSample } = boundary
    return { ...boundary, endSample: Math.min(endSample, acceptedSamples), atSample: Math.min(atSample, acceptedSamples) }
  }

  /** The window in which an order falls is judged with the audio after it; only the end of the stream waits for its last one. */
  function isDue({ type, atSample }: Order): boolean {
    return endpointer.heardSamples > atSample - (type === "finish" ? 1 : WINDOW_SAMPLES)
  }

  function obeyDue() {
    for (let order = orders[0]; order && isDue(order) && !over; order = orders[0]) {
      orders.shift()
      obey(order)
      settledSample = order.atSample
    }
  }

  function obey({ type, atSample, changes = {} }: Order) {
    if (type === "commit") {
      tell(endpointer.end("commit", atSample) ?? { type: "empty", atSample: endpointer.keptFromSample })
    } else if (type === "clear") {
      endpointer.forget(atSample)
      tell({ type })
    } else if (type === "configure") {
      if (changes.endpointing) endpointer.configure(changes.endpointing)
      tell({ type, changes })
    } else {
      const end = endpointer.end("close", atSample)
      if (end) tell(end)
      stop(null)
    }
  }

  function give(type: Order["type"], changes?: StreamChanges) {
    const last = orders.at(-1)
    if (changes && last?.changes && windowOf(last.atSample) === windowOf(acceptedSamples)) {
      // Both are due at once. One is kept, for nothing but the audio that waits limits how many a client may give.
      orders[orders.length - 1] = { type, atSample: acceptedSamples, changes: bothOf(last.changes, changes) }
    } else orders.push({ type, atSample: acceptedSamples, ...(changes && { changes }) })
    obeyDue()
  }

  function stop(error: unknown) {
    over = true
    ears?.close()
    tell({ type: "over", error })
  }

  /** Without ears nobody knows who spoke: what was committed is lost by name, and what is open. */
  function deafen(error: unknown) {
    if (over) return
    for (const { type } of orders.splice(0)) {
      if (type === "commit") tell({ type: "lost", cause: "commit", error })
      else if (type === "clear") tell({ type })
      else continue
      endpointer.forget(acceptedSamples)
    }
    if (endpointer.open) tell({ type: "lost", cause: null, error })
    stop(error)
  }

  return {
    accept(samples) {
      if (over || samples.length === 0) return
      acceptedSamples += samples.length
      ears ??= vad.open(hear, deafen)
      ears.accept(samples)
    },
    commit: () => give("commit"),
    clear: () => give("clear"),
    configure: (changes) => give("configure", changes),
    finish() {
      const rest = acceptedSamples % WINDOW_SAMPLES
      if (rest > 0) ears?.accept(new Int16Array(WINDOW_SAMPLES - rest))
      give("finish")
    },
    close() {
      over = true
      ears?.close()
    },
    get keptFromSample() {
      return endpointer.keptFromSample
    },
    get judgedSamples() {
      return over ? acceptedSamples : Math.min(Math.max(endpointer.heardSamples, settledSample), acceptedSamples)
    },
  }
}

function windowOf(atSample: number): number {
  return Math.floor(atSample / WINDOW_SAMPLES)
}

/** What the later one leaves out stands as the earlier one says. */
function bothOf(earlier: StreamChanges, later: StreamChanges): StreamChanges {
  return {
    language: later.language ?? earlier.language,
    prompt: later.prompt ?? earlier.prompt,
    endpointing: { ...earlier.endpointing, ...later.endpointing },
  }
}

/** Nobody spoke up for so long a talk: it is searched for a pause as far back as this. */
const SEARCH_SAMPLES = 10 * SAMPLE_RATE_HZ

/** 20 ms: energies of a pitch period are no guide. */
const FRAME_SAMPLES = SAMPLE_RATE_HZ / 50

/** A pause between words is at least as long: 200 ms. */
const STRETCH_FRAMES = 10

/** Only as told, and the audio belongs to an utterance from its first sample on; but none grows beyond `UTTERANCE_SAMPLES_MAX`. */
export function createToldBoundaries(read: (start: number, end: number) => Int16Array, { tell, onJudged }: BoundariesOptions): Boundaries {
  let acceptedSamples = 0
  let startSample: number | null = null

  const latest = () => startSample ?? acceptedSamples

  function end(cause: EndCause, atSample: number) {
    startSample = cause === "max" ? atSample : null
    tell({ type: "end", cause, endSample: atSample, atSample })
  }

  function begin(atSample: number) {
    startSample = atSample
    tell({ type: "start", startSample: atSample, speechSample: atSample, uncutSample: atSample + UTTERANCE_SAMPLES_MAX - SEARCH_SAMPLES })
  }

  return {
    accept(samples) {
      if (samples.length === 0) return
      if (startSample === null) begin(acceptedSamples)
      acceptedSamples += samples.length
      while (acceptedSamples - latest() > UTTERANCE_SAMPLES_MAX) {
        const limit = latest() + UTTERANCE_SAMPLES_MAX
        const cut = quietestPlace(read(limit - SEARCH_SAMPLES, limit)) + limit - SEARCH_SAMPLES
        end("max", cut)
        begin(cut)
      }
      onJudged()
    },
    commit() {
      if (startSample === null) tell({ type: "empty", atSample: acceptedSamples })
      else end("commit", acceptedSamples)
    },
    clear() {
      startSample = null
      tell({ type: "clear" })
    },
    configure: (changes) => tell({ type: "configure", changes }),
    finish() {
      if (startSample !== null) end("close", acceptedSamples)
      tell({ type: "over", error: null })
    },
    close() {},
    get keptFromSample() {
      return latest()
    },
    get judgedSamples() {
      return acceptedSamples
    },
  }
}

function quietestPlace(samples: Int16Array): number {
  const energies = Array.from({ length: Math.floor(samples.length / FRAME_SAMPLES) }, (_, frame) =>
    samples.subarray(frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES).reduce((sum, sample) => sum + sample ** 2, 0),
  )
  return Math.round(lowestPlace(energies, STRETCH_FRAMES) * FRAME_SAMPLES)
}
