/** What the bytes of a telephone line mean: the two laws of ITU-T G.711, as tables. Knows no stream. */
import decode from "@audio/decode-wav"
import { wavHeader } from "./wav.ts"

const BYTE_VALUES = 256

/** As a WAV file names the laws. */
const ALAW = 6
const MULAW = 7

/** The sample, in [-1, 1), of each of the 256 bytes. */
export const alawSamples = decodeEveryByte(ALAW)
export const mulawSamples = decodeEveryByte(MULAW)

/** The library that reads WAV files knows both laws: it is given a file of all the bytes there are. */
function decodeEveryByte(formatTag: number): Float32Array {
  const header = wavHeader(BYTE_VALUES / 2)
  const view = new DataView(header.buffer)
  view.setUint16(20, formatTag, true)
  view.setUint16(32, 1, true) // a frame is one byte
  view.setUint16(34, 8, true) // of eight bits
  const everyByte = Uint8Array.from({ length: BYTE_VALUES }, (_, byte) => byte)
  const [samples] = decode(Buffer.concat([header, everyByte])).channelData
  if (samples?.length !== BYTE_VALUES) throw new Error("the WAV library does not know G.711 any more")
  return samples
}
