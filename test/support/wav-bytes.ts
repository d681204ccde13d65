/** WAV files of every kind, written by hand so that what reads them is not tested against itself. */

export interface WavOptions {
  readonly rateHz: number
  /** One array a channel, of the same length, values from -1 to 1. */
  readonly channels: readonly Float32Array[]
  readonly width: "u8" | "s16" | "s24" | "s32" | "f32" | "f64"
  /** As WAVE_FORMAT_EXTENSIBLE. */
  readonly extensible?: boolean
  /** Bytes of a LIST chunk between format and sound. */
  readonly listBytes?: number
  /** What the header says instead of the true number of bytes. */
  readonly claimedDataBytes?: number
}

const BITS = { u8: 8, s16: 16, s24: 24, s32: 32, f32: 32, f64: 64 } as const

export function wavBytes({ rateHz, channels, width, extensible = false, listBytes, claimedDataBytes }: WavOptions): Buffer {
  const sampleBytes = BITS[width] / 8
  const tag = width.startsWith("f") ? 3 : 1
  const format = Buffer.alloc(extensible ? 40 : 16)
  format.writeUInt16LE(extensible ? 0xfffe : tag, 0)
  format.writeUInt16LE(channels.length, 2)
  format.writeUInt32LE(rateHz, 4)
  format.writeUInt32LE(rateHz * channels.length * sampleBytes, 8)
  format.writeUInt16LE(channels.length * sampleBytes, 12)
  format.writeUInt16LE(BITS[width], 14)
  if (extensible) {
    format.writeUInt16LE(22, 16)
    format.writeUInt16LE(BITS[width], 18)
    format.writeUInt16LE(tag, 24)
    format.write("000000001000800000aa00389b71", 26, "hex")
  }
  const data = soundBytes(channels, width)
  const chunks = [
    chunk("fmt ", format),
    ...(listBytes === undefined ? [] : [chunk("LIST", Buffer.alloc(listBytes, 1))]),
    chunk("data", data),
  ]
  const body = Buffer.concat([Buffer.from("WAVE"), ...chunks])
  const file = Buffer.concat([Buffer.from("RIFF"), uint32(body.length), body])
  if (claimedDataBytes !== undefined) file.writeUInt32LE(claimedDataBytes, file.length - data.length - (data.length % 2) - 4)
  return file
}

function soundBytes(channels: readonly Float32Array[], width: WavOptions["width"]): Buffer {
  const sampleBytes = BITS[width] / 8
  const frames = channels[0]!.length
  const data = Buffer.alloc(frames * channels.length * sampleBytes)
  const write: Record<WavOptions["width"], (value: number, at: number) => void> = {
    u8: (value, at) => data.writeUInt8(Math.min(255, Math.round(value * 128) + 128), at),
    s16: (value, at) => data.writeInt16LE(Math.min(32_767, Math.round(value * 32_768)), at),
    s24: (value, at) => data.writeIntLE(Math.min(8_388_607, Math.round(value * 8_388_608)), at, 3),
    s32: (value, at) => data.writeInt32LE(Math.min(2_147_483_647, Math.round(value * 2_147_483_648)), at),
    f32: (value, at) => data.writeFloatLE(value, at),
    f64: (value, at) => data.writeDoubleLE(value, at),
  }
  for (let frame = 0; frame < frames; frame++) {
    for (const [index, channel] of channels.entries()) write[width](channel[frame]!, (frame * channels.length + index) * sampleBytes)
  }
  return data
}

function chunk(name: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(name), uint32(body.length), body, Buffer.alloc(body.length % 2)])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** A tone of this amplitude. */
export function tone(hz: number, rateHz: number, seconds: number, amplitude = 0.5): Float32Array {
  return Float32Array.from({ length: Math.round(rateHz * seconds) }, (_, i) => amplitude * Math.sin((2 * Math.PI * hz * i) / rateHz))
}
