/** Raw bytes behind a handshake: frames with all their fields by chance, whole or in pieces, masked or not, with lengths that lie. */
import { closePayload, frameBytes } from "../../support/frames.ts"
import type { Chance } from "./chance.ts"
import { checkStatus, type Edge, Wrong } from "./edge.ts"
import { mutatedBytes, mutatedText, nastyText } from "./mutate.ts"
import { inPieces, sayOverTcp, statusOf } from "./wire.ts"

const PATHS = [
  "/api/v1/ws",
  "/api/v1/ws?mode=frames",
  "/api/v1/ws?mode=events&interim=1",
  "/api/v1/ws?mode=events&vad=none",
  "/api/v1/ws?mode=events&encoding=mulaw&sample_rate=8000&channels=2",
  "/v1/realtime?intent=transcription",
  "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true",
  "/v1/listen",
  "/vosk",
]

const TEXTS = [
  '{"type":"commit","ref":"a"}',
  '{"type":"config","interim":true}',
  '{"type":"keepalive"}',
  '{"type":"input_audio_buffer.append","audio":"AAAA"}',
  '{"type":"session.update","session":{"type":"transcription"}}',
  '{"type":"Finalize"}',
  '{"config":{"sample_rate":16000}}',
  '{"reset":1}',
  "é\u{1f600}",
]

const OPCODES = [0, 1, 1, 1, 2, 2, 2, 3, 7, 8, 9, 10, 11, 15]

const ANSWER_LIMIT_MS = 10_000

export const webSocketEdge: Edge = {
  name: "websocket",
  atOnce: 8,
  async run({ url }, chance) {
    const shake = Buffer.from(handshake(chance.pick(PATHS), url.host))
    const bent = chance.percent(5)
    const opening = bent ? mutatedBytes(shake, chance) : shake
    // The first bad frame ends a socket, so that many cases hold none.
    const goodPercent = chance.pick([100, 100, 95, 80, 50])
    const frames = chance.some(1, 8, () => frame(chance, goodPercent))
    const bytes = Buffer.concat(goodPercent < 100 && chance.percent(10) ? [...frames, chance.bytes(chance.below(200))] : frames)
    const manners = chance.percent(15) ? "leaves" : "ends"
    const { answer, closed } = await sayOverTcp(Number(url.port), [opening, ...inPieces(bytes, chance)], ANSWER_LIMIT_MS, manners)
    if (!closed && !bent) throw new Wrong("a socket that had been half closed stayed open")
    if (manners === "leaves") return "left"
    const status = statusOf(answer)
    if (status !== null) checkStatus(status, "a handshake")
    if (status !== 101) return status === null ? "no answer" : `refused with ${status}`
    return `closed with ${closeCode(answer)}`
  },
}

export function handshake(path: string, host: string, headers = ""): string {
  const key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
  return `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n${key}${headers}\r\n`
}

function frame(chance: Chance, goodPercent: number): Buffer {
  const good = chance.percent(goodPercent)
  const opcode = good ? chance.pick([1, 2, 9, 10]) : chance.pick(OPCODES)
  const payload = payloadOf(opcode, chance)
  const final = good || chance.percent(70)
  const reserved = good || chance.percent(80) ? 0 : chance.below(8)
  const masked = good || chance.percent(90)
  const claimed = good || chance.percent(85) ? undefined : chance.pick([0, 1, 125, 126, 65_535, 2 ** 31, 2 ** 53])
  const longer = chance.percent(5) ? chance.pick([2, 8] as const) : undefined
  return frameBytes({
    opcode,
    payload,
    final,
    reserved,
    mask: masked ? chance.bytes(4) : null,
    ...(claimed !== undefined && { claimedLength: claimed }),
    ...(longer && { lengthBytes: longer }),
  })
}

function payloadOf(opcode: number, chance: Chance): Buffer {
  if (opcode === 8)
    return chance.percent(60) ? closePayload(chance.pick(CODES), chance.bytes(chance.below(130))) : chance.bytes(chance.below(126))
  if (opcode > 8) return chance.bytes(chance.percent(90) ? chance.below(126) : 126 + chance.below(1000))
  if (opcode === 2) return chance.percent(95) ? chance.bytes(chance.below(600)) : Buffer.alloc(chance.below(100_000), chance.below(256))
  const text = chance.percent(80) ? mutatedText(chance.pick(TEXTS), chance) : nastyText(chance)
  return chance.percent(20) ? mutatedBytes(Buffer.from(text), chance) : Buffer.from(text)
}

const CODES = [0, 999, 1000, 1001, 1004, 1005, 1006, 1011, 1015, 1100, 2999, 3000, 4999, 5000, 65_535]

/** Of the close frame that the answer ends with; "nothing" if it ends otherwise. */
function closeCode(answer: Buffer): string {
  let at = answer.indexOf("\r\n\r\n") + 4
  while (at + 2 <= answer.length) {
    const opcode = (answer[at] ?? 0) & 0x0f
    const short = (answer[at + 1] ?? 0) & 0x7f
    const start = at + (short === 126 ? 4 : short === 127 ? 10 : 2)
    if (start > answer.length) break
    const length = short === 126 ? answer.readUInt16BE(at + 2) : short === 127 ? Number(answer.readBigUInt64BE(at + 2)) : short
    if (opcode === 8) return length >= 2 && start + 2 <= answer.length ? String(answer.readUInt16BE(start)) : "no code"
    at = start + length
  }
  return "nothing"
}
