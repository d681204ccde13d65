/**
 * One client: its messages in order to its stream, its stream's words in order back, what may wait, and what is left behind
 * when it goes (nothing). Knows no socket, no dialect by name and no engine by name.
 *
 * Everything that happens to a session happens synchronously, so one message is dealt with before the next.
 */
import { SAMPLE_RATE_HZ } from "../audio/pcm.ts"
import type { Clock } from "../clock.ts"
import type { Command, Dialect } from "../dialects/dialect.ts"
import type { Engine, Language, Stream } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import type { SpeechEvent } from "../speech/events.ts"
import { createReplies } from "./replies.ts"

/**
 * How much audio one client may make us hold before we stop reading from it: 5 min, 9.6 MB. Above the longest message of the
 * documented client (250 s), so that one alone never pauses it. What was read already still comes in.
 */
export const PENDING_SAMPLES_MAX = 300 * SAMPLE_RATE_HZ

/** How many utterances one client may have unanswered before we stop reading from it: tiny ones cost more than their audio. */
export const UTTERANCES_OWED_MAX = 256

/** A stream may work off audio without an event (silence in a continuous stream), so a paused client is looked at again. */
const PAUSED_LOOK_MS = 100

/** The way to the client, as the session sees it. After `close` of the session none of these is called. */
export interface Transport {
  sendText(text: string): void
  /** Stop reading: the client is to feel that we are behind. */
  pause(): void
  resume(): void
  /** Ends the connection; the session's own `close` follows. */
  close(code: number, reason: string): void
}

export interface SessionOptions {
  readonly id: string
  readonly engine: Engine
  readonly language: Language
  readonly dialect: Dialect
  /** The least time from the receipt of a committed message to its reply; 0 disables. */
  readonly minReplyMs: number
  readonly transport: Transport
  readonly clock: Clock
  readonly log: Log
}

export interface SessionCounts {
  /** Audio accepted. */
  readonly audioSeconds: number
  /** Utterances that ended, the failed ones among them. */
  readonly utterances: number
  readonly failed: number
  /** Utterances that the client ended and that had no answer yet: more than 0 only when a client leaves, or is left, too early. */
  readonly unanswered: number
}

export interface Session {
  receive(message: Uint8Array | string): void
  /** No more is taken in. Resolves when every word owed has been handed to the transport, or when the session is closed. */
  finish(): Promise<void>
  /** Replies held for the sake of `minReplyMs` go out now. */
  releaseReplies(): void
  readonly counts: SessionCounts
  /** True while the client is not read from. */
  readonly paused: boolean
  /** Idempotent: aborts its work; nothing is sent afterwards. */
  close(): void
}

export function createSession({ id, engine, language, dialect, minReplyMs, transport, clock, log }: SessionOptions): Session {
  let stream: Stream | undefined
  let reading: Promise<void> = Promise.resolve()
  let finishing = false
  let closed = false

  /** When the message of each commit came whose terminator is still owed; oldest first. */
  const committedAtMs: number[] = []
  const replies = createReplies({ clock, send: (text) => transport.sendText(text) })

  let samplesAccepted = 0
  let utterances = 0
  let failed = 0

  let paused = false
  let cancelLook: (() => void) | undefined

  /** The stream is opened by the first audio, not by the connection: clients keep sockets open for hours, or leak them. */
  function openStream(): Stream {
    const opened = engine.open({ language, session: id })
    reading = read(opened)
    return opened
  }

  function obey(command: Command) {
    stream ??= openStream()
    switch (command.type) {
      case "accept":
        samplesAccepted += command.samples.length
        stream.accept(command.samples)
        return
      case "commit":
        committedAtMs.push(clock.now())
        stream.commit()
        return
    }
  }

  async function read(opened: Stream) {
    try {
      for await (const event of opened.events) {
        if (closed) return
        take(event)
      }
      if (closed || finishing) return
      log.error("engine stream ended early", { session: id, engine: engine.name })
    } catch (cause) {
      if (closed) return
      log.error("engine stream broke", { session: id, engine: engine.name, cause: cause instanceof Error ? cause.name : typeof cause })
    }
    transport.close(1011, "speech engine gone")
  }

  function take(event: SpeechEvent) {
    const askedAtMs = ended(event) ?? clock.now()
    for (const text of dialect.write(event)) replies.push(text, askedAtMs + minReplyMs)
    weigh()
  }

  /** Counts an utterance that ended; the log and the metrics of it are the engine's. Returns when its commit came, if one did. */
  function ended(event: SpeechEvent): number | undefined {
    if (event.type === "final" && !event.end) return committedAtMs[0]
    utterances++
    if (event.type === "failed") failed++
    // An engine may hear ends of its own before the commit: those leave the commit owed.
    const byItself = event.type === "final" && (event.cause === "endpoint" || event.cause === "max")
    return byItself ? committedAtMs[0] : committedAtMs.shift()
  }

  function weigh() {
    cancelLook?.()
    cancelLook = undefined
    const pendingSamples = closed ? 0 : (stream?.pendingSamples ?? 0)
    const heavy = !closed && (pendingSamples > PENDING_SAMPLES_MAX || committedAtMs.length > UTTERANCES_OWED_MAX)
    if (heavy) cancelLook = clock.after(PAUSED_LOOK_MS, weigh)
    if (heavy === paused || closed) return
    paused = heavy
    log.debug(paused ? "client paused" : "client resumed", { session: id, pendingSamples, utterancesOwed: committedAtMs.length })
    if (paused) transport.pause()
    else transport.resume()
  }

  return {
    receive(message) {
      if (closed || finishing) return
      const commands = typeof message === "string" ? dialect.readText(message) : dialect.readBytes(message)
      if (typeof message === "string" && commands.length === 0) log.debug("text message ignored", { session: id, length: message.length })
      for (const command of commands) obey(command)
      weigh()
    },
    finish() {
      finishing = true
      stream?.finish()
      return reading.then(replies.empty)
    },
    releaseReplies: replies.release,
    get counts() {
      return { audioSeconds: samplesAccepted / SAMPLE_RATE_HZ, utterances, failed, unanswered: committedAtMs.length }
    },
    get paused() {
      return paused
    },
    close() {
      if (closed) return
      closed = true
      cancelLook?.()
      replies.close()
      stream?.close()
    },
  }
}
