/**
 * A process that speaks ipc.ts and misbehaves on demand, so that supervision can be tested without a model. SCRIPT_LOAD says
 * how it loads; the language of a piece says what becomes of it.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { FromEngine, Piece, ToEngine } from "../../src/engines/whisper/ipc.ts"

const send = (message: FromEngine) => process.send!(message)
/** As what crashes does. */
const die = () => process.kill(process.pid, "SIGABRT")
/** As somebody else would. */
const beKilled = () => process.kill(process.pid, "SIGKILL")
const waiting = new Map<number, () => void>()
let turns = 0

/** True for one process only, of all that share SCRIPT_DIR. */
function first(name: string): boolean {
  try {
    mkdirSync(join(process.env.SCRIPT_DIR!, name))
    return true
  } catch {
    return false
  }
}

function say(id: number, text: string, avgLogprob = -0.1, noSpeechProb = 0) {
  const words = [{ text, startMs: 100, endMs: 900, confidence: 1 }]
  const numbers = { avgLogprob, noSpeechProb, compressionRatio: 1, temperature: 0, tokens: [] }
  send({ type: "result", id, language: "en", segments: [{ text: ` ${text}`, startMs: 0, endMs: 1000, ...numbers, words }] })
}

function load() {
  const script = process.env.SCRIPT_LOAD ?? "ok"
  if (script === "refuse") send({ type: "failed", id: null, code: "unavailable", message: "the model\nis not there" })
  else if (script === "die but first" && !first("loaded")) process.kill(process.pid, "SIGABRT")
  else if (script === "refuse but first" && !first("loaded")) send({ type: "failed", id: null, code: "unavailable", message: "no" })
  else if (script === "die") die()
  else if (script !== "hang") send({ type: "ready", loadMs: 1, warmUpMs: 100, piecesMax: Number(process.env.SCRIPT_PIECES_MAX ?? 1) })
}

function recognise({ id, samples, language, prompt, words, interim, draft, context }: Piece, company: number) {
  switch (language) {
    case "company":
      return say(id, String(company))
    case "pid and company":
      return say(id, `${process.pid} ${company}`)
    case "turn":
      return say(id, String(turns++))
    case "doubtful":
      return say(id, "doubtful", -0.8, 0.6)
    case "request":
      return say(id, JSON.stringify({ prompt, words, interim, draft }))
    case "context":
      return say(id, JSON.stringify(context && { samples: [...new Int16Array(context.samples.buffer)], tokens: context.tokens }))
    case "pid":
      return say(id, String(process.pid))
    case "killed thrice":
      return ["once", "twice", "thrice"].some(first) ? beKilled() : say(id, "heard in the end")
    case "killed always":
      return beKilled()
    case "grow":
      send({ type: "grown", bytes: 1e9 })
      return say(id, String(process.pid))
    case "grow and die once":
      if (!first("died")) return say(id, String(process.pid))
      send({ type: "grown", bytes: 1e9 })
      return die()
    case "die":
      return die()
    case "die once":
      return first("died") ? die() : say(id, String(process.pid))
    case "exit":
      console.error("x".repeat(5_000))
      console.error("the last line")
      return process.exit(3)
    case "fail":
      return send({ type: "failed", id, code: "unavailable", message: "cannot" })
    case "telemetry":
      return say(id, String(process.env.ORT_DISABLE_TELEMETRY))
    case "buffer":
      return say(id, String(samples.buffer.byteLength))
    case "hang":
      return
    case "until cancelled":
      return waiting.set(id, () => send({ type: "failed", id, code: "aborted", message: "cancelled" }))
    default:
      return say(id, String(samples[0]))
  }
}

process.on("disconnect", () => process.exit(0))
process.on("message", (message: ToEngine) => {
  if (message.type === "init") load()
  else if (message.type === "recognise") for (const piece of message.pieces) recognise(piece, message.pieces.length)
  else waiting.get(message.id)?.()
})
