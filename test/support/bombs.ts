/** Files of a few kB that hold hours of silence, written by hand: each of their frames is as small as its format allows. */

const RATE_CODES: Readonly<Record<number, number>> = { 8000: 4, 16000: 5, 48000: 10 }

/** FLAC, mono; as a rule 10 bytes a second. The header tells no length, as that of a live encoder. */
export function silentFlac(seconds: number, rateHz = 48_000, blockSamples = 65_535): Buffer {
  const info = Buffer.alloc(34)
  info.writeUInt16BE(blockSamples, 0)
  info.writeUInt16BE(blockSamples, 2)
  // 20 bits of rate, 3 of channels less one, 5 of bits less one, 36 of length.
  info.writeBigUInt64BE((BigInt(rateHz) << 44n) | (15n << 36n), 10)
  const frames = Math.ceil((seconds * rateHz) / blockSamples)
  return Buffer.concat([
    Buffer.from("fLaC"),
    Buffer.of(0x80, 0, 0, info.length),
    info,
    ...Array.from({ length: frames }, (_, at) => silentFrame(at, rateHz, blockSamples)),
  ])
}

function silentFrame(number: number, rateHz: number, blockSamples: number): Buffer {
  // Fixed block size, of 4096 (12) or in 16 bits (7); mono, 16 bits.
  const usual = blockSamples === 4096
  const sizes = Buffer.of(0xff, 0xf8, ((usual ? 12 : 7) << 4) | (RATE_CODES[rateHz] ?? 0), 0x08)
  const header = Buffer.concat([sizes, Buffer.from(String.fromCodePoint(number)), usual ? Buffer.alloc(0) : uint16(blockSamples - 1)])
  const frame = Buffer.concat([header, Buffer.of(crc(header, 0x07, 8)), Buffer.of(0, 0, 0)])
  return Buffer.concat([frame, uint16(crc(frame, 0x8005, 16))])
}

const OPUS_PACKET_SECONDS = 0.06
const PACKETS_IN_A_PAGE = 255
/** For 60 ms. */
const SAYS_NOTHING = Buffer.of(3 << 3)

/** Ogg with Opus: packets of one byte, which say that nothing is said for 60 ms. */
export function silentOpus(seconds: number): Buffer {
  return opusOf(
    seconds,
    Array.from({ length: PACKETS_IN_A_PAGE }, () => SAYS_NOTHING),
  )
}

/** As encoders write it with DTX: a page a second, in which some packets tell how the silence sounds. */
export function quietOpus(seconds: number): Buffer {
  const told = Buffer.concat([SAYS_NOTHING, Buffer.alloc(8)])
  return opusOf(
    seconds,
    Array.from({ length: 17 }, (_, at) => (at % 7 === 0 ? told : SAYS_NOTHING)),
  )
}

function opusOf(seconds: number, packets: readonly Buffer[]): Buffer {
  const head = Buffer.concat([Buffer.from("OpusHead"), Buffer.of(1, 1, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0)])
  const tags = Buffer.concat([Buffer.from("OpusTags"), Buffer.alloc(8)])
  const pageSeconds = packets.length * OPUS_PACKET_SECONDS
  const pages = Math.ceil(seconds / pageSeconds)
  return Buffer.concat([
    oggPage([head], 0, 0),
    oggPage([tags], 1, 0),
    ...Array.from({ length: pages }, (_, at) => oggPage(packets, at + 2, (at + 1) * pageSeconds * 48_000)),
  ])
}

function oggPage(packets: readonly Buffer[], number: number, position: number): Buffer {
  const header = Buffer.alloc(27)
  header.write("OggS")
  header[5] = number === 0 ? 2 : 0
  header.writeBigUInt64LE(BigInt(Math.round(position)), 6)
  header.writeUInt32LE(7, 14)
  header.writeUInt32LE(number, 18)
  header[26] = packets.length
  const page = Buffer.concat([header, Buffer.from(packets.map(({ length }) => length)), ...packets])
  page.writeUInt32LE(crc(page, 0x04c1_1db7, 32), 22)
  return page
}

/** Of `bits` bits, the highest first, from 0. */
function crc(bytes: Uint8Array, polynomial: number, bits: number): number {
  const top = 2 ** (bits - 1)
  let value = 0
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const flips = (value >= top ? 1 : 0) !== ((byte >> bit) & 1)
      value = (value * 2) % 2 ** bits
      if (flips) value = (value ^ polynomial) >>> 0
    }
  }
  return value
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
