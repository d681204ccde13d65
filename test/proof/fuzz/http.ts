/** Requests as bytes: lines, headers and bodies that are wrong, too long, cut off, twice there, or contradict each other. */
import type { Chance } from "./chance.ts"
import { checkStatus, type Edge, Wrong } from "./edge.ts"
import { mutatedBytes, nastyText } from "./mutate.ts"
import { inPieces, sayOverTcp, statusOf } from "./wire.ts"

const METHODS = ["GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "", "G\tET", "PRI"]

const PATHS = [
  "/",
  "/healthz",
  "/readyz",
  "/metrics",
  "/v1/models",
  "/v1/models/whisper-1",
  "/openai/v1/models/%2e%2e",
  "/v1/audio/transcriptions",
  "/v1/audio/translations",
  "/v1/listen?model=nova-3",
  "/v1/listen?encoding=linear16&sample_rate=16000",
  "/v1/realtime",
  "/api/v1/ws",
  "/vosk",
  "//",
  "/%",
  "/v1/../metrics",
  "*",
  "http://elsewhere/healthz",
]

const VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "", "http/1.1", "HTTP/1.1 x"]

const HEADERS = [
  "content-type: application/json",
  "content-type: multipart/form-data; boundary=x",
  "content-type: multipart/form-data",
  "content-type: audio/wav",
  "content-length: -1",
  "content-length: 99999999999999999999",
  "content-length: 5, 6",
  "content-length: 0x5",
  "transfer-encoding: chunked, identity",
  "transfer-encoding: gzip",
  "content-encoding: gzip",
  "expect: 100-continue",
  "expect: nonsense",
  "connection: close",
  "connection: keep-alive, Upgrade",
  "upgrade: websocket",
  "upgrade: h2c",
  "sec-websocket-version: 99",
  "sec-websocket-key: short",
  "sec-websocket-extensions: permessage-deflate; server_max_window_bits=99",
  "sec-websocket-protocol: token, x, , ,",
  "origin: null",
  "origin: https://strange.example",
  "authorization: Bearer ",
  "authorization: Basic AAAA",
  "x-api-key: ",
  "accept-encoding: *;q=-1",
  "range: bytes=0-99999999999",
  "cookie: a=b; ; ;",
  ": no name",
  "no colon",
  " folded: yes",
  "name with space: x",
]

const ANSWER_LIMIT_MS = 15_000

/** Of those who leave their half open, and may have sent half a request. */
const WAIT_MS = 300

export const httpEdge: Edge = {
  name: "http",
  atOnce: 8,
  async run({ url }, chance) {
    const requests = chance.some(1, chance.percent(20) ? 3 : 1, () => request(url.host, chance))
    const bytes = Buffer.concat(requests)
    const bent = chance.percent(25) ? mutatedBytes(bytes, chance) : bytes
    const manners = chance.percent(15) ? "leaves" : chance.percent(30) ? "waits" : "ends"
    const limitMs = manners === "waits" ? WAIT_MS : ANSWER_LIMIT_MS
    const { answer, closed } = await sayOverTcp(Number(url.port), inPieces(bent, chance), limitMs, manners)
    if (manners === "leaves") return "left"
    const status = statusOf(answer)
    if (status !== null) checkStatus(status, "a request")
    if (status === null && answer.length > 0) throw new Wrong("an answer that is no HTTP")
    if (manners === "ends" && !closed) throw new Wrong("a connection that had been half closed stayed open")
    return `${status ?? "no answer"}${closed ? "" : ", still open"}`
  },
}

function request(host: string, chance: Chance): Buffer {
  const tame = chance.percent(60)
  const line = tame
    ? `${chance.pick(METHODS.slice(0, 6))} ${chance.pick(PATHS)} HTTP/1.1`
    : `${chance.pick(METHODS)} ${chance.pick(PATHS)}${chance.percent(30) ? nastyText(chance) : ""} ${chance.pick(VERSIONS)}`
  const headers = [
    ...(chance.percent(90) ? [`host: ${chance.percent(90) ? host : nastyText(chance)}`] : []),
    ...chance.some(0, tame && chance.percent(60) ? 0 : 4, () => chance.pick(HEADERS)),
    ...(chance.percent(20) ? [`x-fuzz: ${nastyText(chance)}`] : []),
    ...(chance.percent(4) ? [`x-long: ${"a".repeat(chance.below(40_000))}`] : []),
    ...(chance.percent(3) ? chance.some(50, 300, () => "x-many: 1") : []),
  ]
  const body = bodyOf(chance)
  const framing = chance.pick([
    `content-length: ${body.length}`,
    `content-length: ${body.length}`,
    `content-length: ${body.length + chance.below(5)}`,
    "transfer-encoding: chunked",
    `content-length: ${body.length}\r\ntransfer-encoding: chunked`,
    "x-none: 1",
  ])
  const end = chance.percent(95) ? "\r\n" : "\n"
  const head = Buffer.from(`${[line, ...headers, framing].join(end)}${end}${end}`, "latin1")
  return Buffer.concat([head, framing.includes("chunked") ? chunked(body, chance) : body])
}

function bodyOf(chance: Chance): Buffer {
  switch (chance.below(6)) {
    case 0:
      return Buffer.from('{"url":"http://127.0.0.1/a.wav"}')
    case 1:
      return Buffer.from(`--x\r\ncontent-disposition: form-data; name="${nastyText(chance)}"\r\n\r\n${nastyText(chance)}\r\n--x--\r\n`)
    case 2:
      return Buffer.from('--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF')
    case 3:
      return chance.bytes(chance.below(2_000))
    default:
      return Buffer.alloc(0)
  }
}

function chunked(body: Buffer, chance: Chance): Buffer {
  const size = chance.percent(80) ? body.length.toString(16) : chance.pick(["-1", "g", "ffffffffffffffffff", "0x5", "5;ext=1", " 5", ""])
  return Buffer.concat([Buffer.from(`${size}\r\n`), body, Buffer.from(chance.percent(80) ? "\r\n0\r\n\r\n" : "\r\n")])
}
