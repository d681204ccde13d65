/** Recordings with damaged headers, sent up in forms and raw: mostly WAV, but every other kind too; and forms that are damaged themselves. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { damage } from "../../support/damage.ts"
import { RECORDINGS } from "../../support/decoding.ts"
import { tone, wavBytes } from "../../support/wav-bytes.ts"
import type { Chance } from "./chance.ts"
import { checkStatus, type Edge, Wrong } from "./edge.ts"
import { mutatedBytes, nastyText } from "./mutate.ts"

const WIDTHS = ["u8", "s16", "s24", "s32", "f32", "f64"] as const
const RATES_HZ = [8_000, 11_025, 16_000, 44_100, 48_000]

/** Numbers that a header may claim. */
const CLAIMS = [0, 1, 2, 3, 7, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

/** Of `fmt `, `data` and the chunk before them: where a WAV's numbers are. */
const WAV_FIELDS: readonly (readonly [at: number, bytes: 2 | 4])[] = [
  [4, 4],
  [16, 4],
  [20, 2],
  [22, 2],
  [24, 4],
  [28, 4],
  [32, 2],
  [34, 2],
  [36, 2],
  [40, 4],
]

/** Hearing a file may take a while on a busy machine; a bomb has two seconds of a core. */
const ANSWER_LIMIT_MS = 60_000

const files: readonly (readonly [string, Uint8Array])[] = await Promise.all(
  readdirSync(RECORDINGS)
    .filter((name) => !/\.(md|sh|py)$/.test(name))
    .map(async (name) => [name, await Bun.file(join(RECORDINGS, name)).bytes()] as const),
)

export const filesEdge: Edge = {
  name: "files",
  atOnce: 4,
  async run({ url }, chance) {
    const bytes = fileOf(chance)
    const { path, body, type } = chance.percent(70) ? formOf(bytes, chance) : rawOf(bytes, chance)
    const over = new AbortController()
    const late = setTimeout(() => over.abort(new Wrong(`${path} took over ${ANSWER_LIMIT_MS} ms`)), ANSWER_LIMIT_MS)
    try {
      const response = await fetch(new URL(path, url), {
        method: "POST",
        body: new Uint8Array(body),
        headers: { "content-type": type },
        signal: over.signal,
      })
      const answer = await response.text()
      checkStatus(response.status, path)
      // Subtitles of silence are an empty file.
      if (answer === "" && !response.ok) throw new Wrong(`${path} was answered ${response.status} with nothing`)
      return `${path.replace(/\?.*/, "")} ${response.status}`
    } finally {
      clearTimeout(late)
    }
  },
}

/** Others than WAV cost a hundred times the work, so they are fewer. */
function fileOf(chance: Chance): Buffer {
  if (chance.percent(12)) return Buffer.from(damage(files, chance.random).bytes)
  const rateHz = chance.pick(RATES_HZ)
  const channel = chance.percent(70) ? new Float32Array(Math.round(rateHz * 0.05)) : tone(300, rateHz, 0.05)
  const wav = wavBytes({
    rateHz,
    channels: Array.from({ length: chance.pick([1, 1, 2, 6]) }, () => channel),
    width: chance.pick(WIDTHS),
    extensible: chance.percent(20),
    ...(chance.percent(20) && { listBytes: chance.below(50) }),
    ...(chance.percent(20) && { claimedDataBytes: chance.pick(CLAIMS) }),
  })
  for (let changes = chance.below(4); changes > 0; changes--) {
    const [at, width] = chance.pick(WAV_FIELDS)
    if (width === 2) wav.writeUInt16LE(chance.pick(CLAIMS) & 0xffff, at)
    else wav.writeUInt32LE(chance.pick(CLAIMS), at)
  }
  return chance.percent(35) ? mutatedBytes(wav.subarray(0, chance.percent(50) ? 60 : wav.length), chance) : wav
}

interface Sent {
  readonly path: string
  readonly body: Buffer
  readonly type: string
}

const FORM_PATHS = ["/v1/audio/transcriptions", "/openai/v1/audio/transcriptions", "/v1/audio/translations"]

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  model: ["whisper-1", ""],
  language: ["en", "", "de-DE", "zz"],
  prompt: ["Xanten"],
  response_format: ["json", "text", "srt", "verbose_json", "vtt", "diarized_json"],
  temperature: ["0", "0.5", "2"],
  "timestamp_granularities[]": ["word", "segment", "letter"],
  stream: ["true", "false", "2"],
  url: ["http://127.0.0.1/"],
}

function formOf(bytes: Buffer, chance: Chance): Sent {
  const boundary = chance.percent(95) ? `x${chance.below(1e9)}` : chance.pick(["", '"', "-", "a".repeat(300), "é"])
  const part = (head: string, body: Buffer) =>
    Buffer.concat([Buffer.from(`--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n\r\n`), body, Buffer.from("\r\n")])
  const field = () => {
    const name = chance.percent(90) ? chance.pick(Object.keys(FIELDS)) : nastyText(chance)
    const value = chance.percent(75) ? chance.pickOf(FIELDS, name) : nastyText(chance)
    return part(`name="${name}"`, Buffer.from(value))
  }
  const fileName = chance.percent(85) ? chance.pick(["a.wav", "a.mp3", "unknown_file"]) : nastyText(chance)
  const parts = [
    part('name="model"', Buffer.from("whisper-1")),
    ...chance.some(0, 3, field),
    ...(chance.percent(97) ? [part(`name="file"; filename="${fileName}"`, bytes)] : []),
    ...chance.some(0, 1, field),
    Buffer.from(`--${boundary}--\r\n`),
  ]
  const whole = Buffer.concat(parts)
  const body = chance.percent(10) ? mutatedBytes(whole, chance) : whole
  return { path: chance.pick(FORM_PATHS), body, type: `multipart/form-data; boundary=${Buffer.from(boundary).toString("latin1")}` }
}

function rawOf(bytes: Buffer, chance: Chance): Sent {
  const query = chance.pick([
    "",
    "?model=nova-3",
    "?utterances=true&paragraphs=true",
    "?multichannel=true",
    "?encoding=linear16&sample_rate=8000",
  ])
  return { path: `/v1/listen${query}`, body: bytes, type: chance.pick(["audio/wav", "application/octet-stream", "audio/mpeg", "x"]) }
}
