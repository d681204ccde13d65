/**
 * Starts the voice activity process, gives it the work named by its argument, prints its pid and waits to be killed: what
 * becomes of that process when its server is gone?
 */
import { join } from "node:path"
import { createVoiceActivityDetector } from "../../src/speech/vad/detector.ts"
import { tapLog } from "./log.ts"

const HOUR_SAMPLES = 3_600 * 16_000

const tap = tapLog()
const vad = createVoiceActivityDetector({
  command: [process.execPath, join(import.meta.dir, "../../src/main.ts"), "__vad"],
  env: process.env,
  cacheDirs: [],
  log: tap.log,
})
await vad.ready()
const { pid } = await tap.seen("voice activity process ready")
if (process.argv[2] === "idle") console.log(pid)
else {
  let heard = false
  const stream = vad.open(
    () => {
      if (!heard) console.log(pid)
      heard = true
    },
    () => {},
  )
  stream.accept(new Int16Array(HOUR_SAMPLES))
}
setInterval(() => {}, 60_000)
