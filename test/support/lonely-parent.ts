/**
 * Starts an engine, gives it the work named by its argument, prints its pid and waits to be killed: what becomes of an engine
 * whose server is gone?
 */
import { join } from "node:path"
import { joinSamples } from "../../src/audio/pcm.ts"
import type { FromEngine, ToEngine } from "../../src/engines/whisper/ipc.ts"
import { clip } from "./clips.ts"

const seven = await clip("ps_sense_and_sensibility_01_austen_64kb-0870")
const samples = joinSamples([seven, seven, seven])
const engine = Bun.spawn([process.execPath, join(import.meta.dir, "engine-process.ts")], {
  serialization: "advanced",
  stdin: "ignore",
  stdout: "ignore",
  stderr: "inherit",
  ipc(message: FromEngine) {
    if (message.type !== "ready") throw new Error("it was not to answer yet")
    if (process.argv[2] === "busy")
      send({ type: "recognise", pieces: [{ id: 0, samples, language: "en", prompt: "", words: false, draft: null }] })
    console.log(engine.pid)
  },
})
const send = (message: ToEngine) => engine.send(message)
send({ type: "init", model: { kind: "embedded" }, threads: 1, cacheDirs: [] })
