/** Frames of RFC 6455 as a client writes them, the wrong ones too. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameFields {
  readonly opcode: number
  readonly payload?: Uint8Array
  /** Whether the message ends here. Default: true. */
  readonly final?: boolean
  /** RSV1 to RSV3 as a number below 8. Default: 0. */
  readonly reserved?: number
  /** Four bytes; null for none, which only a server may. Default: zeros, which leave the payload readable. */
  readonly mask?: Uint8Array | null
  /** What the header says instead of the true length. */
  readonly claimedLength?: number
  /** The bytes that the length takes, if it fits. Default: as few as can be. */
  readonly lengthBytes?: 2 | 8
}

export function frameBytes({
  opcode,
  payload = new Uint8Array(),
  final = true,
  reserved = 0,
  mask = ZEROS,
  ...length
}: FrameFields): Buffer {
  const first = (final ? 0x80 : 0) | (reserved << 4) | opcode
  const size = sizeBytes(length.claimedLength ?? payload.length, mask ? 0x80 : 0, length.lengthBytes)
  const masked = mask ? payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)) : payload
  return Buffer.concat([Buffer.of(first), size, mask ?? Buffer.alloc(0), masked])
}

const ZEROS = new Uint8Array(4)

function sizeBytes(length: number, maskBit: number, least: 2 | 8 | undefined): Buffer {
  if (length < 126 && !least) return Buffer.of(maskBit | length)
  const long = length > 0xffff || least === 8
  const bytes = Buffer.alloc(long ? 9 : 3)
  bytes[0] = maskBit | (long ? 127 : 126)
  if (long) bytes.writeBigUInt64BE(BigInt(length), 1)
  else bytes.writeUInt16BE(length, 1)
  return bytes
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: string | Uint8Array = ""): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(code)
  return Buffer.concat([bytes, Buffer.from(reason)])
}
