/**
 * The stream of one client: opened by its first audio, not by the connection, since clients keep sockets open for hours, or leak them; and
 * read to its end. Knows no dialect and no wire.
 */
import type { Engine, Stream, StreamChanges, StreamOptions } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import type { SpeechEvent } from "../speech/events.ts"

export interface HearingOptions {
  readonly engine: Engine
  /** How it is to be opened. Asked once. */
  readonly stream: () => StreamOptions
  readonly onEvent: (event: SpeechEvent) => void
  /** The engine broke its laws: nothing more will come. */
  readonly onGone: () => void
  readonly log: Log
}

export interface Hearing {
  accept(samples: Int16Array): void
  commit(): void
  clear(): void
  /** Nothing, before it is opened. */
  configure(changes: StreamChanges): void
  /** As Stream.pendingSamples. */
  readonly pendingSamples: number
  /** No more audio will come. Resolves when every event was told, or on close. */
  finish(): Promise<void>
  /** Idempotent: nothing is told afterwards. */
  close(): void
}

export function createHearing({ engine, stream: streamOptions, onEvent, onGone, log }: HearingOptions): Hearing {
  let stream: Stream | undefined
  let reading: Promise<void> = Promise.resolve()
  let finishing = false
  let closed = false

  function opened(): Stream {
    if (stream) return stream
    const options = streamOptions()
    stream = engine.open(options)
    reading = read(stream, options)
    return stream
  }

  async function read({ events }: Stream, { session }: StreamOptions) {
    try {
      for await (const event of events) {
        if (closed) return
        onEvent(event)
      }
      if (closed || finishing) return
      log.error("engine stream ended early", { session, engine: engine.name })
    } catch (cause) {
      if (closed) return
      log.error("engine stream broke", { session, engine: engine.name, cause: cause instanceof Error ? cause.name : typeof cause })
    }
    onGone()
  }

  return {
    accept: (samples) => opened().accept(samples),
    commit: () => opened().commit(),
    clear: () => opened().clear(),
    configure: (changes) => stream?.configure(changes),
    get pendingSamples() {
      return stream?.pendingSamples ?? 0
    },
    finish() {
      finishing = true
      stream?.finish()
      return reading
    },
    close() {
      closed = true
      stream?.close()
    },
  }
}
