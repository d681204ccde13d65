import { expect, test } from "bun:test"
import { realClock } from "../../../src/clock.ts"
import { silentLog } from "../../../src/log.ts"
import type { Windows } from "../../../src/speech/vad/ipc.ts"
import { startVadProcess } from "../../../src/speech/vad/vad-process.ts"

const nothing: Windows = { type: "windows", counts: [], samples: new Int16Array(0), states: new Float32Array(0) }

function start(script: string) {
  const env = { PATH: process.env.PATH }
  return startVadProcess({ type: "init", cacheDirs: [] }, { command: ["/bin/sh", "-c", script], env, clock: realClock, log: silentLog })
}

test("a process that is gone was never ready and answers nothing", async () => {
  const gone = start("exit 3")
  expect(await gone.ended).toEqual({ cause: "exit", detail: "left with exit code 3" })
  expect(await gone.ready).toBe(false)
  expect(await gone.hear(nothing)).toBeNull()
})

test("a process has the opt-out from telemetry in its real environment", async () => {
  expect(await start('exit "$ORT_DISABLE_TELEMETRY"').ended).toMatchObject({ detail: "left with exit code 1" })
})
