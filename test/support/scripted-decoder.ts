/** A decoding process that does what the file says: `die`, `hang`, `spin`, `eat`, or anything else for one piece of silence. */
import { readSync, writeSync } from "node:fs"
import { FRAME_HEADER_BYTES, FROM_PROCESS, FROM_SERVER, frameHeader, readFrameHeader } from "../../src/audio/decoding/talk.ts"

const read = (length: number) => {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const count = readSync(0, bytes, at, length - at, null)
    if (count === 0) process.exit(0)
    at += count
  }
  return bytes
}
const receive = () => {
  const { kind, bodyBytes } = readFrameHeader(read(FRAME_HEADER_BYTES))
  return { kind, body: read(bodyBytes) }
}
const send = (kind: number, body = new Uint8Array(0)) => {
  writeSync(1, frameHeader(kind, body.length))
  if (body.length > 0) writeSync(1, body)
}

send(FROM_PROCESS.ready)
for (;;) {
  receive()
  send(FROM_PROCESS.want)
  const { kind, body } = receive()
  const word = new TextDecoder().decode(body)
  if (word === "die") process.exit(3)
  if (word === "hang") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  if (word === "spin") for (;;);
  if (word === "eat") {
    const eaten: Uint8Array[] = []
    for (;;) eaten.push(new Uint8Array(16 * 1024 * 1024).fill(1))
  }
  if (kind !== FROM_SERVER.stop) {
    send(FROM_PROCESS.piece, new Uint8Array(64))
    receive()
  }
  send(FROM_PROCESS.done)
}
