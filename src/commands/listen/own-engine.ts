/** The Listener of this program's own engine: the session that a socket would have, without the socket. */
import { prepareAudio } from "../../audio/input.ts"
import { realClock } from "../../clock.ts"
import type { Config } from "../../dialects/config.ts"
import { createEvents } from "../../dialects/events.ts"
import { openDetector, openProvider, speechOf } from "../../engines/index.ts"
import { createSession } from "../../server/session.ts"
import { createEventQueue } from "../../speech/event-queue.ts"
import { enginesThatFit, readMachine } from "../machine.ts"
import type { Program } from "../program.ts"
import { showDownload } from "../progress.ts"
import { reasonOf } from "../reason.ts"
import type { Listener } from "./listener.ts"

/** One for finals and one for interims: more would never be asked. */
const ENGINES_MAX = 2

export interface OwnEngine extends Listener {
  readonly engine: { readonly name: string; readonly model: string }
  /** Resolves once the model is loaded; never rejects: then the lines throw. */
  readonly ready: Promise<void>
}

export async function listenHere(program: Program, config: Config): Promise<OwnEngine> {
  const { settings, log } = program
  const download = showDownload(program)
  const vad = openDetector(program)
  const engines = Math.min(ENGINES_MAX, settings.STT_ENGINES ?? enginesThatFit(readMachine()))
  const provider = await openProvider({ ...program, engines, vad, onDownload: download.onProgress })
  const { engine } = speechOf(provider, { settings, vad, log })
  await prepareAudio()

  const lines = createEventQueue<string>()
  const room = createGate()
  let failure: Error | undefined
  const session = createSession({
    id: "listen",
    engine,
    dialect: createEvents(config),
    mode: "events",
    minReplyMs: 0,
    transport: { sendText: lines.push, pause: room.shut, resume: room.open, close: end },
    unixMs: Date.now(),
    clock: realClock,
    log,
  })

  function end() {
    room.open()
    lines.end()
  }

  const ready = engine.ready().then(download.end, (error: unknown) => {
    download.end()
    failure = new Error(reasonOf(error))
    session.close()
    end()
  })
  session.greet()

  async function* told(): AsyncGenerator<string, void> {
    yield* lines.events
    if (failure) throw failure
  }

  return {
    engine,
    ready,
    lines: told(),
    async send(bytes) {
      session.receive(bytes)
      await room.opened()
    },
    finish: () => session.receive(JSON.stringify({ type: "close" })),
    async close() {
      session.close()
      end()
      await engine.close()
      await vad.close()
    },
  }
}

/** Where one waits while it is shut. */
function createGate() {
  let waiting: PromiseWithResolvers<void> | undefined
  return {
    shut() {
      waiting ??= Promise.withResolvers()
    },
    open() {
      waiting?.resolve()
      waiting = undefined
    },
    opened: async () => waiting?.promise,
  }
}
