/**
 * A process that speaks the ipc.ts of voice activity and misbehaves on demand, so that supervision can be tested without a
 * model. SCRIPT_LOAD says how it loads; the first sample of a window says what becomes of its message. The probability of a
 * window is its own first sample plus how many windows of the stream came before, which it counts in the stream's state.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { CONTEXT_SAMPLES, type FromVad, STATE_FLOATS, type ToVad, type Windows } from "../../src/speech/vad/ipc.ts"
import { WINDOW_SAMPLES } from "../../src/speech/vad/vad.ts"

/** First samples of windows, beyond those that tests use as numbers. */
export const DIE_ONCE = 30_001
export const DIE = 30_002
export const HANG_ONCE = 30_003
/** The probability is what came in the message: 1000 times the streams plus the windows. */
export const COMPANY = 30_004

const send = (message: FromVad) => process.send?.(message)

/** True for one process only, of all that share SCRIPT_DIR. */
function first(name: string): boolean {
  try {
    mkdirSync(join(process.env.SCRIPT_DIR!, name))
    return true
  } catch {
    return false
  }
}

function load() {
  const script = process.env.SCRIPT_LOAD ?? "ok"
  if (script === "refuse once" && first("refused")) {
    send({ type: "failed", message: "the model\nis not there" })
  } else if (script === "die") {
    console.error("the last line")
    process.exit(3)
  } else if (script !== "hang") send({ type: "ready", loadMs: 1 })
}

function hear({ counts, samples, states }: Windows) {
  const probabilities: number[] = []
  const after = states.slice()
  let at = 0
  for (const [row, count] of counts.entries()) {
    for (let window = 0; window < count; window++) {
      const sample = samples[at + CONTEXT_SAMPLES + window * WINDOW_SAMPLES]!
      if (sample === DIE || (sample === DIE_ONCE && first("died"))) return void process.kill(process.pid, "SIGKILL")
      if (sample === HANG_ONCE && first("hung")) return
      const company = counts.length * 1000 + counts.reduce((sum, count) => sum + count, 0)
      const before = after[row * STATE_FLOATS]!++
      probabilities.push(sample === COMPANY ? company : sample + before)
    }
    at += CONTEXT_SAMPLES + count * WINDOW_SAMPLES
  }
  send({ type: "probabilities", probabilities: Float32Array.from(probabilities), states: after })
}

if (import.meta.main) {
  process.on("disconnect", () => process.exit(0))
  process.on("message", (message: ToVad) => (message.type === "init" ? load() : hear(message)))
}
