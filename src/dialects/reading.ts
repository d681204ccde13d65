/**
 * The binary messages of the dialects that hear audio: bytes in any format → `accept` commands. To decode takes up to some ms a
 * second of sound, so a long message is read part by part. Keeps nothing of a stream but what its reader does.
 */
import { type AudioFormat, type AudioReader, bytesPerSecond } from "../audio/input.ts"
import { SAMPLE_RATE_HZ } from "../audio/pcm.ts"
import type { Command } from "./dialect.ts"

/** Sound that takes some ms to read. */
const PART_SECONDS = 2

export function accept(samples: Int16Array): readonly Command[] {
  return samples.length === 0 ? [] : [{ type: "accept", samples }]
}

/** A slice of a stream. */
export function readStream(reader: AudioReader, bytes: Uint8Array, format: AudioFormat): readonly Command[] | Iterator<Command> {
  return readInParts(bytes, format, function* (parts) {
    for (const part of parts) yield* accept(reader.read(part))
  })
}

/** What `read` makes of the parts of a message: at once if that is quick, else command by command. */
export function readInParts(
  bytes: Uint8Array,
  format: AudioFormat,
  read: (parts: Iterable<Uint8Array>) => Generator<Command>,
): readonly Command[] | Iterator<Command> {
  const partBytes = PART_SECONDS * bytesPerSecond(format)
  const quick = isAsHeard(format) || bytes.length <= partBytes
  // Not `slice`, which on a Buffer copies nothing.
  return quick ? [...read([bytes])] : read(slices(new Uint8Array(bytes), partBytes))
}

/** Samples as the whole house passes them are only copied. */
function isAsHeard({ encoding, sampleRateHz, channels }: AudioFormat): boolean {
  return encoding === "pcm_s16le" && sampleRateHz === SAMPLE_RATE_HZ && channels === 1
}

function* slices(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}
