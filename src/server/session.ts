/**
 * One client: its messages in order to its stream, its stream's words in order back, what may wait, and what is left behind
 * when it goes (nothing). Knows no socket, no dialect by name and no engine by name.
 *
 * One message is dealt with before the next: at once, or in turns of the event loop if it takes long to read.
 */
import { msFromSamples, SAMPLE_RATE_HZ } from "../audio/pcm.ts"
import type { Clock } from "../clock.ts"
import type { Command, Dialect, Fault } from "../dialects/dialect.ts"
import type { Engine } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import type { SpeechEvent } from "../speech/events.ts"
import { noSpan, type RequestSpan } from "../tracing.ts"
import { createBackpressure } from "./backpressure.ts"
import { createDues } from "./dues.ts"
import { createHearing } from "./hearing.ts"
import { createInbox } from "./inbox.ts"
import { createReplies } from "./replies.ts"
import { createReplyTimes } from "./reply-times.ts"
import { createSpeaking } from "./speaking.ts"
import { createUtteranceSpans } from "./utterance-spans.ts"
import { createWakes } from "./wakes.ts"

/**
 * How much audio one client may make us hold before we stop reading from it: 5 min, 9.6 MB. Above the longest message of the
 * documented client (250 s), so that one alone never pauses it. What was read already still comes in.
 */
export const PENDING_SAMPLES_MAX = 300 * SAMPLE_RATE_HZ

/** How many commits and clears one client may have unanswered before we stop reading from it: tiny ones cost more than their audio. */
export const ANSWERS_OWED_MAX = 256

const FAULT_CODES: Readonly<Record<Fault, number>> = { engine_gone: 1011, internal_error: 1011, message_too_big: 1009 }

/** The way to the client, as the session sees it. After `close` none of these is called, of either. */
export interface Transport {
  sendText(text: string): void
  /** Stop reading: the client is to feel that we are behind. */
  pause(): void
  resume(): void
  /** Ends the connection. */
  close(code: number, reason: string): void
}

export interface SessionOptions {
  readonly id: string
  /** As StreamOptions.client. */
  readonly client?: string | undefined
  readonly engine: Engine
  readonly dialect: Dialect
  /** What its sessions are counted as. */
  readonly mode: string
  /** The least time from the receipt of a committed message to its reply; 0 disables. */
  readonly minReplyMs: number
  readonly transport: Transport
  /** Of the request that it came from. Default: nobody listens. */
  readonly trace?: RequestSpan
  /** When it begins, ms since 1970: for the dialect's timestamps. */
  readonly unixMs: number
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
  /** What the dialect says first. To be called once, before anything is received. */
  greet(): void
  receive(message: Uint8Array | string): void
  /** Resolves once nobody is in the middle of an utterance, or when the session is closed. */
  betweenUtterances(): Promise<void>
  /** No more is taken in. Resolves when every word owed has been handed to the transport, or when the session is closed. */
  finish(): Promise<void>
  /** Ends the connection because it cannot go on: the dialect's words for it, then its close. */
  fail(fault: Fault, reason: string): void
  /** Ends it because of a mistake of ours, which goes to the log. */
  broke(thrown: unknown): void
  /** Replies held for the sake of `minReplyMs` go out now. */
  releaseReplies(): void
  readonly counts: SessionCounts
  /** True while the client is not read from. */
  readonly paused: boolean
  /** Idempotent: aborts its work; nothing is sent afterwards. */
  close(): void
}

export function createSession(options: SessionOptions): Session {
  const { id, client, engine, dialect, mode, minReplyMs, transport, trace = noSpan, unixMs, clock, log } = options
  let finished: Promise<void> | undefined
  let closed = false

  const dues = createDues(clock)
  const spans = createUtteranceSpans(trace, { session: id, engine: engine.name, mode })
  const hearing = createHearing({
    engine,
    stream: () => ({ ...dialect.stream, session: id, client, trace: spans.of }),
    onEvent: take,
    onGone: () => fail("engine_gone", "speech engine gone"),
    log,
  })
  const replies = createReplies({ clock, send: (text) => transport.sendText(text) })
  const times = createReplyTimes({ engine: engine.name, mode }, clock)
  const inbox = createInbox({
    read: readMessage,
    obey: (command) => wakes.after(obey(command)),
    onIdle: () => backpressure.weigh(),
    onBroken: broke,
    clock,
  })
  const wakes = createWakes({ dialect, obey, onBroken: broke, clock })

  const speaking = createSpeaking(dialect.stream.endpointing)
  let samplesAccepted = 0
  const backpressure = createBackpressure({ heavy, pause, resume, clock })

  function readMessage(message: Uint8Array | string) {
    if (typeof message !== "string") return wakes.after(dialect.readBytes(message, wakes.nowMs()))
    const commands = wakes.after(dialect.readText(message, wakes.nowMs()))
    if (Array.isArray(commands) && commands.length === 0)
      log.debug("text message asks for nothing", { session: id, length: message.length })
    return commands
  }

  function obey(command: Command) {
    switch (command.type) {
      case "accept":
        samplesAccepted += command.samples.length
        speaking.heard()
        return hearing.accept(command.samples)
      case "commit":
        dues.commit()
        speaking.ended()
        return hearing.commit()
      case "clear":
        dues.clear()
        speaking.ended()
        return hearing.clear()
      case "configure":
        return hearing.configure(command.changes)
      case "say":
        return say([command.text])
      case "finish":
        inbox.close()
        void finish().then(() => end(1000, "done"))
        return
      case "fail":
        if (command.text !== undefined) say([command.text])
        return end(command.code, command.reason)
    }
  }

  function take(event: SpeechEvent) {
    speaking.follow(event)
    const committed = dues.settle(event)
    spans.note(event, times.note(event, "cause" in event && event.cause === "commit" ? (committed ?? null) : null))
    const askedAtMs = committed ?? clock.now()
    for (const text of wakes.after(dialect.write(event, wakes.nowMs()))) replies.push(text, askedAtMs + minReplyMs)
    backpressure.weigh()
  }

  function say(texts: readonly string[]) {
    for (const text of texts) replies.push(text, clock.now())
  }

  function heavy(): boolean {
    return inbox.busy || hearing.pendingSamples > PENDING_SAMPLES_MAX || dues.answersOwed > ANSWERS_OWED_MAX
  }

  function pause() {
    log.debug("client paused", { session: id, pendingSamples: hearing.pendingSamples, answersOwed: dues.answersOwed })
    wakes.pause()
    transport.pause()
  }

  function resume() {
    log.debug("client resumed", { session: id })
    wakes.resume()
    transport.resume()
  }

  function finish(): Promise<void> {
    wakes.close()
    finished ??= farewell()
    return finished
  }

  async function farewell() {
    if (inbox.busy) await inbox.idle()
    await hearing.finish()
    if (!closed) say(dialect.finished({ audioMs: msFromSamples(samplesAccepted), utterances: dues.utterances }))
    await replies.empty()
  }

  function fail(fault: Fault, reason: string) {
    if (closed) return
    say(dialect.fail(fault, reason))
    const closing = dialect.closing?.(fault) ?? { code: FAULT_CODES[fault], reason }
    end(closing.code, closing.reason)
  }

  function broke(thrown: unknown) {
    log.error("session broke", { session: id, error: thrown instanceof Error ? thrown.name : typeof thrown })
    fail("internal_error", "internal error")
  }

  function end(code: number, reason: string) {
    if (closed) return
    // Else the client's half of the close would never be read.
    if (backpressure.paused) transport.resume()
    close()
    transport.close(code, reason)
  }

  function close() {
    if (closed) return
    closed = true
    speaking.close()
    backpressure.close()
    inbox.close()
    wakes.close()
    replies.close()
    hearing.close()
    spans.close()
    dialect.close()
  }

  return {
    greet() {
      const facts = {
        session: id,
        unixMs,
        get model() {
          return engine.model
        },
      }
      say(wakes.after(dialect.greet(facts)))
    },
    receive(message) {
      if (closed || finished) return
      // What waits must not change, and the socket may use its bytes again.
      inbox.receive(inbox.full && typeof message !== "string" ? new Uint8Array(message) : message)
      backpressure.weigh()
    },
    betweenUtterances: speaking.over,
    finish,
    fail,
    broke,
    releaseReplies: replies.release,
    get counts() {
      const { utterances, failed, unanswered } = dues
      return { audioSeconds: samplesAccepted / SAMPLE_RATE_HZ, utterances, failed, unanswered }
    },
    get paused() {
      return backpressure.paused
    },
    close,
  }
}
