/**
 * One socket from the dial to its end, with what the stream must remember of it: which audio went out on it, which
 * Finalizes are open, how far Deepgram has got. Decides nothing.
 */
import { samplesFromMs } from "../../audio/pcm.ts"
import { createTimeline } from "./timeline.ts"
import type { Upstream, UpstreamListener } from "./upstream.ts"
import type { Asked } from "./wanted.ts"

/** Times on the wire are rounded: a result that ends so close before what was sent covers all of it. */
const TOLERANCE_SAMPLES = samplesFromMs(10)

/** Places are samples since the stream began. */
export interface Link {
  readonly state: "connecting" | "open" | "draining"
  /** What it was dialled with. */
  readonly asked: Asked
  /** The next sample to send. */
  readonly sent: number
  /** Where the last Finalize was sent; -1 before the first. */
  readonly finalizedAt: number
  /** How far Deepgram has heard. */
  readonly heardTo: number
  /** Nothing before it is wanted. */
  readonly wantedFrom: number
  /** What Deepgram says is of audio that nobody wants any more. */
  readonly isDeaf: boolean
  /** Samples sent since Deepgram last gave a result. */
  readonly unheardSamples: number
  readonly unsentBytes: number
  opened(): void
  /** `samples` stand at `at`, which is `sent` unless audio in between was let go. */
  send(at: number, samples: Int16Array): void
  /** Nothing is left to send before `at`. */
  skip(at: number): void
  /** Nobody wants what was sent so far, nor what stands before `at`. Deaf until Deepgram has said all it has to say of it. */
  forget(at: number): void
  finalize(): void
  drain(): void
  terminate(): void
  /** The place of a time on the socket, never beyond what was sent, whatever Deepgram's clock says. */
  placeOf(socketSeconds: number): number
  /** A result that ends at `to` came; true if Deepgram had not got so far before. */
  heard(to: number, isFinal: boolean): boolean
  /** An answer to a Finalize came, ending at `to`; true if it is the answer to the last one. */
  finalized(to: number): boolean
  /** A final result came that nobody wants. */
  heardDeaf(to: number, fromFinalize: boolean): void
}

export interface LinkOptions {
  readonly dial: (asked: Asked, listener: UpstreamListener) => Upstream
  readonly asked: Asked
  readonly listener: UpstreamListener
  /** The first sample to send. */
  readonly from: number
}

export function createLink({ dial, asked, listener, from }: LinkOptions): Link {
  const upstream = dial(asked, listener)
  const timeline = createTimeline()
  let state: Link["state"] = "connecting"
  let sent = from
  let heardTo = from
  /** What stands up to here is final. */
  let finalTo = from
  let wantedFrom = from
  /** Deaf up to here. */
  let deafTo: number | null = null
  let unheardSamples = 0
  let finalizedAt = -1
  /** Finalizes without an answer so far, some of which may never get one. */
  let finalizesOpen = 0

  function isLastAnswer(to: number): boolean {
    const only = finalizesOpen <= 1
    finalizesOpen = Math.max(0, finalizesOpen - 1)
    // A Finalize may stay unanswered or be answered late: of several, only the place says whose answer this is.
    return only || to >= finalizedAt
  }

  function finalize() {
    upstream.finalize()
    finalizedAt = sent
    finalizesOpen++
  }

  return {
    asked,
    get state() {
      return state
    },
    get sent() {
      return sent
    },
    get finalizedAt() {
      return finalizedAt
    },
    get heardTo() {
      return heardTo
    },
    get wantedFrom() {
      return wantedFrom
    },
    get isDeaf() {
      return deafTo !== null
    },
    get unheardSamples() {
      return unheardSamples
    },
    get unsentBytes() {
      return upstream.unsentBytes
    },
    opened() {
      state = "open"
    },
    send(at, samples) {
      timeline.sent(at, samples.length)
      upstream.sendAudio(samples)
      sent = at + samples.length
      unheardSamples += samples.length
    },
    skip(at) {
      sent = at
    },
    forget(at) {
      if (sent > finalTo) {
        if (state === "open" && finalizedAt < sent) finalize()
        deafTo = sent
      }
      wantedFrom = at
      sent = Math.max(sent, at)
      unheardSamples = 0
    },
    finalize,
    drain() {
      state = "draining"
      upstream.closeStream()
    },
    terminate: upstream.terminate,
    placeOf(socketSeconds) {
      const place = timeline.placeOf(socketSeconds)
      return place >= sent - TOLERANCE_SAMPLES ? sent : place
    },
    heard(to, isFinal) {
      const further = to > heardTo
      heardTo = Math.max(heardTo, to)
      if (isFinal) finalTo = Math.max(finalTo, to)
      unheardSamples = 0
      return further
    },
    finalized: isLastAnswer,
    heardDeaf(to, fromFinalize) {
      const answered = fromFinalize && isLastAnswer(to)
      if (deafTo !== null && (answered || to >= deafTo)) deafTo = null
    },
  }
}
