/** Parameters of every address: good and bad values, names twice, other names, broken escapes. */
import type { Chance } from "./chance.ts"
import { checkStatus, type Edge, Wrong } from "./edge.ts"
import { nastyText } from "./mutate.ts"
import { handshake } from "./web-socket.ts"
import { sayOverTcp, statusOf } from "./wire.ts"

const OWN: Readonly<Record<string, readonly string[]>> = {
  mode: ["utterance", "frames", "events", "Events"],
  language: ["en", "auto", "pt-BR", "english", "xx"],
  encoding: ["pcm_s16le", "pcm_f32le", "mulaw", "alaw", "opus"],
  sample_rate: ["8000", "16000", "44100", "48000", "16001", "16e3"],
  channels: ["1", "2", "3"],
  channel: ["mix", "0", "1", "2"],
  prompt: ["Xanten", "x".repeat(2_001)],
  vad: ["server", "none", "off"],
  threshold: ["0.5", ".5", "1", "1.1", "-0.1"],
  prefix_ms: ["0", "300", "2001"],
  silence_ms: ["100", "500", "99"],
  max_ms: ["1000", "120000", "120001"],
  interim: ["0", "1", "true", "2"],
  words: ["0", "1", "yes"],
}

const DEEPGRAM: Readonly<Record<string, readonly string[]>> = {
  model: ["nova-3", "nova-99"],
  encoding: ["linear16", "linear32", "mulaw", "opus"],
  sample_rate: ["8000", "16000", "1"],
  channels: ["1", "2", "9"],
  multichannel: ["true", "false", "maybe"],
  interim_results: ["true", "1", "x"],
  endpointing: ["10", "false", "true", "99999999999"],
  utterance_end_ms: ["1000", "999"],
  vad_events: ["true"],
  detect_language: ["true"],
  keyterm: ["Xanten", "y".repeat(3_000)],
  keywords: ["snuffleupagus:2", "a:b:c"],
  callback: ["http://127.0.0.1/"],
  utt_split: ["0.8", "0", "-1"],
  language: ["en-US", "multi", "zz-zz-zz"],
}

const REALTIME: Readonly<Record<string, readonly string[]>> = {
  intent: ["transcription", "conversation"],
  model: ["whisper-1", "gpt-realtime"],
}

interface Place {
  readonly path: string
  readonly known: Readonly<Record<string, readonly string[]>>
  readonly post?: true
}

const PLACES: readonly Place[] = [
  { path: "/api/v1/ws", known: OWN },
  { path: "/api/v1/ws", known: OWN },
  { path: "/v1/listen", known: DEEPGRAM },
  { path: "/v1/listen", known: DEEPGRAM, post: true },
  { path: "/v1/realtime", known: REALTIME },
  { path: "/vosk", known: { language: OWN.language ?? [], sample_rate: OWN.sample_rate ?? [] } },
]

const ANSWER_LIMIT_MS = 15_000

export const queryEdge: Edge = {
  name: "query",
  atOnce: 8,
  async run({ url }, chance) {
    const { path, known, post } = chance.pick(PLACES)
    const target = `${path}?${parameters(known, chance)}`
    const request = post ? posted(target, url.host) : handshake(target, url.host)
    const { answer, closed } = await sayOverTcp(
      Number(url.port),
      [Buffer.from(request, "latin1")],
      ANSWER_LIMIT_MS,
      post ? "waits" : "ends",
    )
    const status = statusOf(answer)
    if (status === null) throw new Wrong(`${path} got no answer`)
    if (!closed) throw new Wrong(`${path} stayed open after ${status}`)
    checkStatus(status, path)
    return `${post ? "POST" : "GET"} ${path} ${status}`
  },
}

/** What comes out must be a request line still: spaces and line ends are escaped, everything else may stand as it is. */
function parameters(known: Place["known"], chance: Chance): string {
  return chance
    .some(0, 6, () => {
      const name = chance.percent(88) ? chance.pick(Object.keys(known)) : nastyText(chance)
      const value = chance.percent(70) ? chance.pickOf(known, name) : nastyText(chance)
      const signs = chance.percent(95) ? "=" : chance.pick(["", "==", "[]=", "%3d"])
      return chance.percent(80)
        ? `${encodeURIComponent(well(name))}${signs}${encodeURIComponent(well(value))}`
        : `${line(name)}${signs}${line(value)}`
    })
    .join(chance.percent(95) ? "&" : chance.pick([";", "&&", "?"]))
}

const well = (text: string) => text.toWellFormed()

const line = (text: string) =>
  Buffer.from(text)
    .toString("latin1")
    .replace(/[\0-\x20\x7f#]/g, "+")

/** 0.1 s of silence. */
function posted(target: string, host: string): string {
  const body = "\0".repeat(3_200)
  return `POST ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}
