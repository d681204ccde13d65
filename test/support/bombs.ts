/** Files of a few kB that hold hours of silence, written by hand: each of their frames is as small as its format allows. */

const FLAC_RATE_HZ = 48_000
const FLAC_BLOCK_SAMPLES = 65_535

/** FLAC, 48 kHz mono, 10 bytes a second. The header tells no length, as that of a live encoder. */
export function silentFlac(seconds: number): Buffer {
  const info = Buffer.alloc(34)
  info.writeUInt16BE(FLAC_BLOCK_SAMPLES, 0)
  info.writeUInt16BE(FLAC_BLOCK_SAMPLES, 2)
  // 20 bits of rate, 3 of channels less one, 5 of bits less one, 36 of length.
  info.writeBigUInt64BE((BigInt(FLAC_RATE_HZ) << 44n) | (15n << 36n), 10)
  const frames = Math.ceil((seconds * FLAC_RATE_HZ) / FLAC_BLOCK_SAMPLES)
  return Buffer.concat([
    Buffer.from("fLaC"),
    Buffer.of(0x80, 0, 0, info.length),
    info,
    ...Array.from({ length: frames }, (_, at) => silentFrame(at)),
  ])
}

function silentFrame(number: number): Buffer {
  // Fixed block size in 16 bits (7), 48 kHz (10); mono, 16 bits.
  const header = Buffer.concat([Buffer.of(0xff, 0xf8, 0x7a, 0x08), Buffer.from(String.fromCodePoint(number)), Buffer.of(0xff, 0xfe)])
  const frame = Buffer.concat([header, Buffer.of(crc(header, 0x07, 8)), Buffer.of(0, 0, 0)])
  return Buffer.concat([frame, uint16(crc(frame, 0x8005, 16))])
}

const OPUS_PACKET_SECONDS = 0.06
const PACKETS_IN_A_PAGE = 255

/** Ogg with Opus: packets of one byte, which say that nothing is said for 60 ms. */
export function silentOpus(seconds: number): Buffer {
  const head = Buffer.concat([Buffer.from("OpusHead"), Buffer.of(1, 1, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0)])
  const tags = Buffer.concat([Buffer.from("OpusTags"), Buffer.alloc(8)])
  const pages = Math.ceil(seconds / OPUS_PACKET_SECONDS / PACKETS_IN_A_PAGE)
  const samples = OPUS_PACKET_SECONDS * 48_000 * PACKETS_IN_A_PAGE
  const silence = Array.from({ length: PACKETS_IN_A_PAGE }, () => Buffer.of(3 << 3))
  return Buffer.concat([
    oggPage([head], 0, 0),
    oggPage([tags], 1, 0),
    ...Array.from({ length: pages }, (_, at) => oggPage(silence, at + 2, (at + 1) * samples)),
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
