/**
 * The other end of a decoding process: takes one file after the other from its stdin and says on stdout what can be heard. It
 * waits inside its reads and writes, since nothing else has to go on here. Knows no source and no clock: the server watches its
 * time and its memory.
 */
import { readSync, writeSync } from "node:fs"
import { liveAsChild } from "../../binary/child-life.ts"
import { bytesFromSamples, SAMPLE_RATE_HZ } from "../pcm.ts"
import { openSource } from "./byte-source.ts"
import { createPieces } from "./pieces.ts"
import { readSounds } from "./recordings.ts"
import type { Sound, Take } from "./sound.ts"
import { FRAME_HEADER_BYTES, FROM_PROCESS, FROM_SERVER, type Frame, frameHeader, type Job, readFrameHeader } from "./talk.ts"
import { UnreadableRecording } from "./unreadable.ts"

const STDIN = 0
const STDOUT = 1

/**
 * A file that holds less than it must for its sound is a bomb: silence by the hour in some kB. Honest speech comes to 700 bytes a second
 * and more. Digital silence comes to least in FLAC: 10 bytes for a block of 4096 samples, or of 4608 at the very most, which are 19 a second
 * at 8 kHz and 39 at 16 kHz. Less than a minute of it costs nobody anything.
 */
const SAMPLES_PER_BYTE_MAX = 460
const LEAST_BYTES_PER_SECOND_MAX = 34
const BOMB_SECONDS_MIN = 60

/** What was worked on lies about until somebody looks: 6 MB a minute of sound. */
const CLEAN_EVERY_SECONDS = 60

/** The server has given the job up. */
class Stopped extends Error {
  override readonly name = "Stopped"
}

/** Never settles: the process ends when its stdin does. */
export async function runDecoder(): Promise<void> {
  liveAsChild("pipes")
  send(FROM_PROCESS.ready)
  for (;;) {
    const { body } = receive()
    const job: Job = JSON.parse(new TextDecoder().decode(body))
    try {
      await decode(job)
      send(FROM_PROCESS.done)
    } catch (error) {
      if (error instanceof UnreadableRecording) send(FROM_PROCESS.failed, new TextEncoder().encode(error.message))
      else if (error instanceof Stopped) send(FROM_PROCESS.done)
      else throw error
    }
    // The memory of the file's modules.
    Bun.gc(true)
  }
}

async function decode({ channel, maxSeconds, maxBytes }: Job): Promise<void> {
  const source = openSource(takeBytes(), maxBytes)
  const pieces = createPieces(channel, givePiece)
  let seconds = 0
  let leastBytes = 0
  let cleanAtSeconds = CLEAN_EVERY_SECONDS
  try {
    if (source.takenBytes === 0) throw new UnreadableRecording("this file is empty")
    for await (const sound of readSounds(source, channel === "mix")) {
      const soundSeconds = (sound.channels[0]?.length ?? 0) / sound.rateHz
      seconds += soundSeconds
      if (seconds > maxSeconds) throw new UnreadableRecording(`longer than ${maxSeconds} seconds`)
      leastBytes += soundSeconds * leastBytesPerSecond(sound)
      if (seconds > BOMB_SECONDS_MIN && source.takenBytes < leastBytes) throw new UnreadableRecording("hardly any data for its length")
      await pieces.push(sound)
      if (seconds < cleanAtSeconds) continue
      Bun.gc(true)
      cleanAtSeconds = seconds + CLEAN_EVERY_SECONDS
    }
    if (seconds === 0) throw new UnreadableRecording("no sound in this file")
    pieces.end()
  } finally {
    pieces.close()
  }
}

function leastBytesPerSecond({ rateHz, leastBytesPerSecond }: Sound): number {
  return leastBytesPerSecond ?? Math.min(LEAST_BYTES_PER_SECOND_MAX, rateHz / SAMPLES_PER_BYTE_MAX)
}

/** Asks for the next bytes, as long as there are any. */
function takeBytes(): Take {
  let over = false
  return () => {
    if (over) return null
    send(FROM_PROCESS.want)
    const { kind, body } = receive()
    over = kind === FROM_SERVER.end
    if (kind === FROM_SERVER.stop) throw new Stopped()
    return over ? null : body
  }
}

function givePiece(samples: Int16Array) {
  for (let at = 0; at < samples.length; at += PIECE_MAX_SAMPLES) {
    send(FROM_PROCESS.piece, bytesFromSamples(samples.subarray(at, at + PIECE_MAX_SAMPLES)))
    if (receive().kind === FROM_SERVER.stop) throw new Stopped()
  }
}

/** What a filter holds back makes one piece longer than others, not by much. */
const PIECE_MAX_SAMPLES = 10 * SAMPLE_RATE_HZ

function receive(): Frame {
  const { kind, bodyBytes } = readFrameHeader(readExactly(FRAME_HEADER_BYTES))
  return { kind, body: readExactly(bodyBytes) }
}

function readExactly(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const count = readSync(STDIN, bytes, at, length - at, null)
    if (count === 0) process.exit(0)
    at += count
  }
  return bytes
}

function send(kind: number, body: Uint8Array = new Uint8Array(0)) {
  for (const bytes of [frameHeader(kind, body.length), body])
    for (let at = 0; at < bytes.length; ) at += writeSync(STDOUT, bytes, at, bytes.length - at)
}
