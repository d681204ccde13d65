import { afterEach } from "bun:test"
import { prepareAudio } from "../../src/audio/input.ts"
import { type RunningServer, type ServerOptions, startServer } from "../../src/server/server.ts"
import { type LogTap, tapLog } from "./log.ts"
import { createScriptedStreams, type ScriptedStreams, type ScriptOptions } from "./scripted-streams.ts"

export interface Served {
  readonly server: RunningServer
  readonly engine: ScriptedStreams
  readonly tap: LogTap
}

await prepareAudio()

const running: RunningServer[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
})

/** A real server on a free port, stopped after the test; replies are not held unless the test says so. */
export function serve(options: Partial<ServerOptions> = {}, script: ScriptOptions = {}): Served {
  const engine = createScriptedStreams(script)
  const tap = tapLog()
  const defaults = { host: "127.0.0.1", port: 0, engine, mode: "utterance", language: "en", minReplyMs: 0, maxSessions: 1000 } as const
  const server = startServer({ ...defaults, log: tap.log, ...options })
  running.push(server)
  return { server, engine, tap }
}
