/** What every reader of recordings hands on, whatever it reads. Types only. */

export interface Sound {
  /** One array a channel, of the same length, nominally -1 to 1. Good until the next sound is asked for. */
  readonly channels: readonly Float32Array[]
  readonly rateHz: number
  /** An honest file holds at least so many bytes for each second of it. */
  readonly leastBytesPerSecond?: number
}

/** The next bytes of a file or of a part of one; null at the end. */
export type Take = () => Uint8Array | null
