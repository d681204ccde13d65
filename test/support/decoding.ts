/** Decoders with real processes, and what they make of bytes. */
import { join } from "node:path"
import type { DecodeOptions, Decoder } from "../../src/audio/decoding/decoder.ts"
import { createDecoder, type DecoderOptions } from "../../src/audio/decoding/decoders.ts"
import { joinSamples } from "../../src/audio/pcm.ts"
import { type LogTap, tapLog } from "./log.ts"

const ROOT = join(import.meta.dir, "../..")

export const DECODE_COMMAND = [process.execPath, join(ROOT, "src/main.ts"), "__decode"]

export const RECORDINGS = join(ROOT, "test/fixtures/recordings")

export function openDecoder(options: Partial<DecoderOptions> = {}): LogTap & { readonly decoder: Decoder } {
  const tap = tapLog()
  const decoder = createDecoder({ command: DECODE_COMMAND, env: { PATH: process.env.PATH }, processes: 1, log: tap.log, ...options })
  return { ...tap, decoder }
}

export function decodeOptions(options: Partial<DecodeOptions> = {}): DecodeOptions {
  return { signal: new AbortController().signal, maxSeconds: 36_000, maxBytes: 100_000_000, ...options }
}

export async function decodeAll(
  decoder: Decoder,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  options: Partial<DecodeOptions> = {},
): Promise<Int16Array> {
  return joinSamples(await Array.fromAsync(decoder.decodeRecording(source, decodeOptions(options))))
}

export async function recording(name: string): Promise<Uint8Array> {
  return Bun.file(join(RECORDINGS, name)).bytes()
}

export async function* inSlices(bytes: Uint8Array, sliceBytes: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes)
}
