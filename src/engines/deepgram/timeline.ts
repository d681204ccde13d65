/**
 * Deepgram's clock counts the audio of one socket; ours counts the audio of the stream. A socket dialled again starts at 0
 * and may skip audio that was let go, so the way back goes through what was sent when. Pure.
 */
import { SAMPLE_RATE_HZ } from "../../audio/pcm.ts"

export interface Timeline {
  /** `length` samples from the place `at` of the stream went out next. */
  sent(at: number, length: number): void
  /** The place in the stream, in samples, of a time on the socket. */
  placeOf(socketSeconds: number): number
}

export function createTimeline(): Timeline {
  /** One entry for each place where what was sent did not follow what was sent before. */
  const jumps: { readonly socketAt: number; readonly at: number }[] = []
  let socketEnd = 0
  let end = -1

  return {
    sent(at, length) {
      if (at !== end) jumps.push({ socketAt: socketEnd, at })
      socketEnd += length
      end = at + length
    },
    placeOf(socketSeconds) {
      const socketAt = Math.round(socketSeconds * SAMPLE_RATE_HZ)
      const jump = jumps.findLast((candidate) => candidate.socketAt <= socketAt) ?? jumps[0]
      return jump === undefined ? 0 : jump.at + socketAt - jump.socketAt
    },
  }
}
