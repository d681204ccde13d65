/**
 * The whole talk between the server and a decoding process, over the process's stdin and stdout: frames of a length (4 bytes,
 * little-endian), a kind (1 byte) and a body. They speak in turn, so neither ever holds more than one frame of the other: who
 * reads slowly slows the other down.
 *
 *   process → server   ready, once
 *   server → process   job
 *   process → server   want: answered by bytes or end · piece: answered by next · done or failed: it waits for the next job
 *   server → process   stop, in the place of any answer: the process gives the job up and says done
 *
 * Pipes and not Bun's IPC, since the decoder asks for bytes in the middle of its work and waits for them there. The process
 * ends when its stdin does.
 */

export const FROM_SERVER = { job: 1, bytes: 2, end: 3, next: 4, stop: 5 } as const
export const FROM_PROCESS = { ready: 1, want: 2, piece: 3, done: 4, failed: 5 } as const

/** The body of `job`, as JSON. The bodies of the others: a part of the file, s16le samples, one line of text, or nothing. */
export interface Job {
  readonly channel: "mix" | number
  readonly maxSeconds: number
  readonly maxBytes: number
}

export interface Frame {
  readonly kind: number
  readonly body: Uint8Array
}

export const FRAME_HEADER_BYTES = 5

export function frameHeader(kind: number, bodyBytes: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  new DataView(header.buffer).setUint32(0, bodyBytes, true)
  header[4] = kind
  return header
}

export function readFrameHeader(header: Uint8Array): { readonly kind: number; readonly bodyBytes: number } {
  const view = new DataView(header.buffer, header.byteOffset)
  return { kind: view.getUint8(4), bodyBytes: view.getUint32(0, true) }
}
