/** JSON controls of every socket: good ones with fields changed, gone or of another kind, cut off, doubled or nested beyond reason. */
import { connect, type Ending, socketUrl } from "../../support/client.ts"
import { readEventLine } from "../../support/event-lines.ts"
import type { Chance } from "./chance.ts"
import { type Edge, Wrong } from "./edge.ts"
import { mutatedObject, mutatedText, nastyText } from "./mutate.ts"

interface Wire {
  readonly name: string
  readonly path: string
  readonly query: string
  readonly controls: readonly Readonly<Record<string, unknown>>[]
  /** Names of fields that may come in anywhere. */
  readonly fields: readonly string[]
  /** What ends the session, after which the server closes by itself; without it the client closes. */
  readonly farewell?: object
  /** Throws at a line that is none of this wire. */
  check(text: string): void
}

const CONFIG_FIELDS = ["language", "sample_rate", "encoding", "channels", "channel", "prompt", "vad", "threshold"]
const LIMIT_FIELDS = ["prefix_ms", "silence_ms", "max_ms", "interim", "words", "mode", "ref"]

const WIRES: readonly Wire[] = [
  {
    name: "events",
    path: "/api/v1/ws",
    query: "mode=events",
    controls: [
      { type: "config", language: "en", prompt: "Xanten", interim: 1, ref: "c" },
      { type: "config", sample_rate: 8000, encoding: "mulaw", channels: 2, channel: 1 },
      { type: "config", silence_ms: 300, prefix_ms: 100, max_ms: 5000, threshold: 0.4, vad: "none" },
      { type: "commit", ref: "r" },
      { type: "clear" },
      { type: "keepalive" },
    ],
    fields: [...CONFIG_FIELDS, ...LIMIT_FIELDS],
    farewell: { type: "close" },
    check: (text) => void readEventLine(text),
  },
  {
    name: "realtime",
    path: "/v1/realtime",
    query: "intent=transcription",
    controls: [
      { type: "session.update", session: { type: "transcription", audio: { input: { format: { type: "audio/pcm", rate: 24_000 } } } } },
      { type: "session.update", session: { type: "transcription", audio: { input: { turn_detection: null, transcription: {} } } } },
      { type: "session.update", event_id: "e", session: { audio: { input: { turn_detection: { type: "server_vad", threshold: 0.5 } } } } },
      { type: "transcription_session.update", session: { input_audio_format: "g711_ulaw", turn_detection: { silence_duration_ms: 1 } } },
      { type: "input_audio_buffer.append", audio: "AAAAAAAAAAAA" },
      { type: "input_audio_buffer.commit" },
      { type: "input_audio_buffer.clear", event_id: "f" },
    ],
    fields: ["event_id", "session", "audio", "input", "format", "noise_reduction", "include", "language", "model", "prompt"],
    check: checkTyped,
  },
  {
    name: "deepgram",
    path: "/v1/listen",
    query: "encoding=linear16&sample_rate=16000&interim_results=true&utterance_end_ms=1000&vad_events=true",
    controls: [{ type: "KeepAlive" }, { type: "Finalize" }, { type: "Configure", features: {} }],
    fields: ["type", "channel"],
    farewell: { type: "CloseStream" },
    check: checkTyped,
  },
  {
    name: "vosk",
    path: "/vosk",
    query: "",
    controls: [{ config: { sample_rate: 16_000, words: true, max_alternatives: 2, phrase_list: ["one", "two"] } }, { reset: 1 }],
    fields: ["config", "eof", "sample_rate", "phrase_list"],
    farewell: { eof: 1 },
    check: (text) => void JSON.parse(text),
  },
  // The plain modes ignore texts, all of them.
  { name: "utterance", path: "/api/v1/ws", query: "mode=utterance", controls: [{ type: "commit" }], fields: [], check: checkSilent },
  { name: "frames", path: "/api/v1/ws", query: "mode=frames", controls: [{ type: "close" }], fields: [], check: checkSilent },
]

/** A wire that ends by itself has to answer what was said first. */
const CLOSE_LIMIT_MS = 20_000

/** Mostly where there is most to understand. */
const SHARES = [0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 5]

export const controlsEdge: Edge = {
  name: "controls",
  atOnce: 8,
  async run({ url }, chance) {
    const wire = WIRES[chance.pick(SHARES)] as Wire
    const client = await connect(socketUrl(url, wire.query, wire.path))
    for (const message of messages(wire, chance)) client.send(message)
    const rude = chance.percent(15)
    if (rude) client.terminate()
    else if (wire.farewell) client.send(JSON.stringify(wire.farewell))
    else client.close(1000)
    const ending = await Promise.race([client.closed, Bun.sleep(CLOSE_LIMIT_MS)])
    client.terminate()
    if (!ending) throw new Wrong(`${wire.name} did not end after its farewell`)
    for (const text of client.received) checkLine(wire, text)
    return `${wire.name}: ${rude ? "left" : said(ending)}`
  },
}

function said({ code }: Ending): string {
  // A control of the fuzz may have ended it sooner.
  if (code === 1011 || code === 1006) throw new Wrong(`closed with ${code}`)
  return `closed with ${code}`
}

function* messages({ controls, fields }: Wire, chance: Chance): Generator<string | Uint8Array> {
  for (const control of chance.some(1, 8, () => chance.pick(controls))) {
    if (chance.percent(12)) yield new Uint8Array(chance.bytes(chance.below(300)))
    else if (chance.percent(8)) yield nastyText(chance)
    else {
      const text = JSON.stringify(chance.percent(80) ? mutatedObject(control, fields, chance) : control)
      yield chance.percent(25) ? mutatedText(text, chance) : text
    }
  }
}

function checkLine({ name, check }: Wire, text: string): void {
  try {
    check(text)
  } catch {
    throw new Wrong(`${name} sent a line that is none of its own`)
  }
}

function checkTyped(text: string): void {
  if (typeof JSON.parse(text).type !== "string") throw new Error("no type")
}

function checkSilent(): void {
  throw new Error("not even a word")
}
