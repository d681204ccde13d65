/** Home Assistant's port: lines of JSON with data and payload behind them, whose lengths lie. */
import type { Chance } from "./chance.ts"
import { type Edge, Wrong } from "./edge.ts"
import { mutatedBytes, mutatedObject, mutatedText } from "./mutate.ts"
import { inPieces, sayOverTcp } from "./wire.ts"

const FORMAT = { rate: 16_000, width: 2, channels: 1 }

const EVENTS: readonly Readonly<Record<string, unknown>>[] = [
  { type: "describe" },
  { type: "ping", data: { text: "x" } },
  { type: "transcribe", data: { name: "base", language: "en" } },
  { type: "audio-start", data: FORMAT },
  { type: "audio-chunk", data: FORMAT, payload_length: 320 },
  { type: "audio-chunk", data_length: 44, payload_length: 64 },
  { type: "audio-stop" },
]

const NAMES = ["version", "data", "data_length", "payload_length", "rate", "width", "channels", "language"]

const ANSWER_LIMIT_MS = 15_000

export const wyomingEdge: Edge = {
  name: "wyoming",
  atOnce: 8,
  async run({ wyomingPort }, chance) {
    const bytes = Buffer.concat(chance.some(1, 8, () => event(chance)))
    const bent = chance.percent(15) ? mutatedBytes(bytes, chance) : bytes
    const manners = chance.percent(15) ? "leaves" : "ends"
    const { answer, closed } = await sayOverTcp(wyomingPort, inPieces(bent, chance), ANSWER_LIMIT_MS, manners)
    if (manners === "leaves") return "left"
    if (!closed) throw new Wrong("a connection that had been half closed stayed open")
    return answer.length > 0 ? "answered" : "no answer"
  },
}

function event(chance: Chance): Buffer {
  const good = chance.pick(EVENTS)
  const told = chance.percent(60) ? good : mutatedObject(good, NAMES, chance)
  const text = JSON.stringify(told)
  const data = good.data_length === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(FORMAT).padEnd(44))
  const payload = Buffer.alloc(Number(good.payload_length ?? 0), chance.below(3))
  return Buffer.concat([Buffer.from(`${chance.percent(15) ? mutatedText(text, chance) : text}\n`), data, payload])
}
