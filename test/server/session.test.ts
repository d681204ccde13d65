import { afterEach, describe, expect, test } from "bun:test"
import { DEFAULT_CONFIG } from "../../src/dialects/config.ts"
import type { Command, Dialect } from "../../src/dialects/dialect.ts"
import { createXrxFrames, createXrxUtterances } from "../../src/dialects/xrx.ts"
import { ANSWERS_OWED_MAX, createSession, PENDING_SAMPLES_MAX, type Session } from "../../src/server/session.ts"
import { createEventQueue } from "../../src/speech/event-queue.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { type HandClock, handClock } from "../support/clock.ts"
import { tapLog } from "../support/log.ts"
import { answersOnDemand, audio, createScriptedStreams, finalEvent, type ScriptOptions, wordOf } from "../support/scripted-streams.ts"

const sessions: Session[] = []
afterEach(() => {
  for (const session of sessions.splice(0)) session.close()
})

interface Options extends ScriptOptions {
  readonly minReplyMs?: number
  readonly dialect?: Dialect
}

const config = { ...DEFAULT_CONFIG, language: "en" }

/** A session on a transport that writes down what it was told. */
function start({ minReplyMs = 0, dialect = createXrxUtterances(config), ...script }: Options = {}) {
  const clock = handClock()
  const engine = createScriptedStreams(script)
  const tap = tapLog()
  /** Each call of the transport, with the time it came at. */
  const wire: string[] = []
  const note = (text: string) => void wire.push(`${clock.now()} ${text}`)
  const transport = {
    sendText: note,
    pause: () => note("<pause>"),
    resume: () => note("<resume>"),
    close: (code: number, reason: string) => note(`<close ${code} ${reason}>`),
  }
  const session = createSession({ mode: "utterance", id: "s1", engine, dialect, minReplyMs, transport, unixMs: 0, clock, log: tap.log })
  sessions.push(session)
  return { session, engine, wire, tap, timers: () => clock.waiting, settle, after: (ms: number) => pass(clock, ms) }
}

/** All promises that can settle have settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function pass(clock: HandClock, ms: number) {
  await settle()
  await clock.advance(ms)
  await settle()
}

describe("what comes in", () => {
  test("no stream is opened before the first audio", async () => {
    const { session, engine, settle } = start()
    session.receive("hello")
    session.receive(new Uint8Array(0))
    session.receive(new Uint8Array(1))
    await settle()
    expect(engine.opened).toEqual([])
    session.receive(audio(1))
    session.receive(audio(2))
    expect(engine.opened).toMatchObject([{ language: "en", session: "s1" }])
  })

  test("text is ignored with a debug line that does not repeat it", async () => {
    const { session, wire, tap, settle } = start()
    session.receive("my secret words")
    session.receive(audio(1))
    await settle()
    expect(wire).toEqual(["0 word 1"])
    expect(tap.lines).toHaveLength(1)
    expect(tap.lines[0]).toMatchObject({ level: "debug", event: "text message asks for nothing", session: "s1", length: 15 })
    expect(JSON.stringify(tap.lines)).not.toContain("secret")
  })

  test("replies keep the order of the messages, whichever is understood first", async () => {
    const { answer, give } = answersOnDemand()
    const { session, wire, settle } = start({ answer })
    for (const value of [1, 2, 3]) session.receive(audio(value))
    give("word 3")
    give("word 2")
    await settle()
    expect(wire).toEqual([])
    give("word 1")
    await settle()
    expect(wire).toEqual(["0 word 1", "0 word 2", "0 word 3"])
  })

  test("silence and failures send nothing, and the session goes on", async () => {
    const { answer, give, fail } = answersOnDemand()
    const { session, wire, settle } = start({ answer: (heard) => (wordOf(heard) === "" ? "" : answer(heard)) })
    for (const value of [1, 0, 2]) session.receive(audio(value))
    fail("word 1")
    give("word 2")
    await settle()
    expect(wire).toEqual(["0 word 2"])
    expect(session.counts).toEqual({ audioSeconds: 0.03, utterances: 3, failed: 1, unanswered: 0 })
  })

  test("frames may be cut anywhere, through samples too", async () => {
    const { session, wire, settle } = start({ dialect: createXrxFrames(config) })
    const bytes = new Uint8Array(new Int16Array([0, 5, 5, 0, 0, 6, 0]).buffer)
    for (let at = 0; at < bytes.length; at += 3) session.receive(bytes.subarray(at, at + 3))
    await settle()
    expect(wire).toEqual(["0 word 5", "0 word 6"])
  })
})

describe("what a client asks for", () => {
  /** A dialect whose text messages are commands as JSON, and whose texts name what they tell of. */
  const commander: Dialect = {
    stream: { language: "en", endpointing: null, interims: false, words: false },
    greet: ({ session, model }) => [`hello ${session} of ${model}`],
    readText: (text) => JSON.parse(text),
    readBytes: createXrxFrames(config).readBytes,
    write: (event) => [event.type === "final" ? `${event.cause} ${event.text}` : event.type],
    finished: ({ audioMs, utterances }) => [`${utterances} utterances in ${audioMs} ms`],
    fail: (fault) => [fault],
    close() {},
  }
  const ask = (session: Session, ...commands: Command[]) => session.receive(JSON.stringify(commands))

  test("the greeting comes before everything else, and opens no stream", async () => {
    const { session, engine, wire, settle } = start({ dialect: commander })
    session.greet()
    await settle()
    expect(wire).toEqual(["0 hello s1 of samples"])
    expect(engine.opened).toEqual([])
  })

  test("the open utterance is ended or forgotten when the client says so", async () => {
    const { session, wire, settle } = start({ dialect: commander })
    session.receive(audio(1))
    ask(session, { type: "commit" })
    session.receive(audio(2))
    ask(session, { type: "clear" }, { type: "commit" })
    await settle()
    expect(wire).toEqual(["0 commit word 1", "0 cleared", "0 commit "])
    expect(session.counts).toEqual({ audioSeconds: 0.02, utterances: 2, failed: 0, unanswered: 0 })
  })

  test("changes reach a stream that is open, and a stream that is not is opened with them", async () => {
    const { session, engine } = start({ dialect: commander })
    ask(session, { type: "configure", changes: { language: "de" } })
    expect(engine.opened).toEqual([])
    session.receive(audio(1))
    ask(session, { type: "configure", changes: { language: "fr" } })
    expect(engine.opened).toHaveLength(1)
    expect(engine.configured).toEqual([{ language: "fr" }])
  })

  test("a text for the client leaves at once, whatever is still owed", async () => {
    const { session, wire, settle } = start({ dialect: commander, answer: () => new Promise(() => {}) })
    session.receive(audio(1))
    ask(session, { type: "commit" }, { type: "say", text: "hm" })
    await settle()
    expect(wire).toEqual(["0 hm"])
  })

  test("a client that finishes gets what it is owed, the totals and the close, and is not heard any more", async () => {
    const { answer, give } = answersOnDemand()
    const { session, engine, wire, settle } = start({ dialect: commander, answer })
    session.receive(audio(1))
    ask(session, { type: "commit" })
    session.receive(audio(2))
    ask(session, { type: "finish" })
    ask(session, { type: "say", text: "late" })
    session.receive(audio(3))
    give("word 2")
    await settle()
    expect(wire).toEqual([])
    give("word 1")
    await settle()
    expect(wire).toEqual(["0 commit word 1", "0 close word 2", "0 2 utterances in 20 ms", "0 <close 1000 done>"])
    expect(engine.openNow).toBe(0)
  })

  test("a client that finishes without a word of audio is closed too", async () => {
    const { session, engine, wire, settle } = start({ dialect: commander })
    ask(session, { type: "finish" })
    await settle()
    expect(wire).toEqual(["0 0 utterances in 0 ms", "0 <close 1000 done>"])
    expect(engine.opened).toEqual([])
  })

  test("nothing behind a failure is obeyed or told", async () => {
    const { session, engine, wire, settle } = start({ dialect: commander })
    session.receive(audio(1))
    ask(session, { type: "commit" }, { type: "fail", text: "no", code: 1008, reason: "policy" }, { type: "say", text: "late" })
    session.receive(audio(2))
    await settle()
    expect(wire).toEqual(["0 no", "0 <close 1008 policy>"])
    expect(engine.openNow).toBe(0)
  })

  test("a client that asks for too many answers is not read from until they are out", async () => {
    const { answer, give } = answersOnDemand()
    const { session, wire, settle, after } = start({ dialect: commander, answer: (heard) => wordOf(heard) && answer(heard) })
    session.receive(audio(1))
    ask(session, { type: "commit" })
    for (let i = 0; i < ANSWERS_OWED_MAX; i++) ask(session, { type: i % 2 === 0 ? "clear" : "commit" })
    await after(0)
    expect(wire).toEqual(["0 <pause>"])
    give("word 1")
    await settle()
    expect(wire.slice(0, 3)).toEqual(["0 <pause>", "0 commit word 1", "0 <resume>"])
    expect(wire).toHaveLength(ANSWERS_OWED_MAX + 3)
  })

  test("what was answered does not count any more", async () => {
    const { session, wire, after } = start({ dialect: commander })
    for (let nth = 0; nth < 2 * ANSWERS_OWED_MAX; nth++) {
      ask(session, { type: "clear" }, { type: "commit" })
      await after(0)
    }
    expect(wire).toHaveLength(4 * ANSWERS_OWED_MAX)
  })

  test("a paused client is read from again before its connection ends, so that its half of the close is read", async () => {
    const { session, engine, wire, settle } = start({ dialect: commander, answer: () => new Promise(() => {}) })
    session.receive(audio(1, PENDING_SAMPLES_MAX + 1))
    await settle()
    engine.breakStreams()
    await settle()
    expect(wire).toEqual(["0 <pause>", "0 engine_gone", "0 <resume>", "0 <close 1011 speech engine gone>"])
  })

  test("a failure of an utterance that the engine ended leaves the client's commit owed", async () => {
    const { session, stream, after } = startOnOwnStream(commander)
    session.receive(audio(1))
    ask(session, { type: "commit" })
    stream.say({ type: "failed", utterance: 0, cause: "endpoint", code: "timeout", message: "no answer" })
    await after(0)
    expect(session.counts).toMatchObject({ utterances: 1, failed: 1, unanswered: 1 })
    stream.say({ type: "failed", utterance: 1, cause: "commit", code: "timeout", message: "no answer" })
    await after(0)
    expect(session.counts).toMatchObject({ utterances: 2, failed: 2, unanswered: 0 })
  })
})

describe("a message that takes long to read", () => {
  /** Each byte of a message is a second of audio, read in a turn of its own. */
  const slow: Dialect = {
    ...createXrxFrames(config),
    readText: (text) => JSON.parse(text),
    *readBytes(bytes) {
      for (const byte of bytes.slice()) yield { type: "accept", samples: new Int16Array(16_000).fill(byte) }
      yield { type: "commit" }
    },
  }
  const later = '[{"type":"say","text":"later"}]'

  test("is read in turns, and what comes behind it waits although its bytes are used again", async () => {
    const { session, wire, after } = start({ dialect: slow })
    session.receive(new Uint8Array([1, 2, 3]))
    const next = new Uint8Array([4])
    session.receive(next)
    next.fill(9)
    session.receive(later)
    expect(session.counts.audioSeconds).toBe(1)
    expect(wire).toEqual(["0 <pause>"])
    await after(0)
    expect(wire).toEqual(["0 <pause>", "0 word 1 2 3", "0 word 4", "0 later", "0 <resume>"])
    expect(session.counts).toEqual({ audioSeconds: 4, utterances: 2, failed: 0, unanswered: 0 })
  })

  test("is still read to its end when the session finishes", async () => {
    const { session, wire, after } = start({ dialect: slow })
    session.receive(new Uint8Array([1, 2]))
    const finished = session.finish()
    await after(0)
    await finished
    expect(wire).toContain("0 word 1 2")
  })

  test("is let go when the session closes", async () => {
    const { session, engine, wire, after, timers } = start({ dialect: slow })
    session.receive(new Uint8Array([1, 2]))
    session.receive(later)
    session.close()
    expect(timers()).toBe(0)
    await after(0)
    expect(session.counts.audioSeconds).toBe(1)
    expect([engine.openNow, ...wire]).toEqual([0, "0 <pause>"])
  })

  test("nothing that waits is obeyed once the client has finished", async () => {
    const { session, wire, after } = start({ dialect: slow })
    session.receive(new Uint8Array([1]))
    session.receive('[{"type":"finish"}]')
    session.receive(later)
    await after(0)
    expect(wire).toEqual(["0 <pause>", "0 word 1", "0 <resume>", "0 <close 1000 done>"])
  })

  test("a mistake of ours in a later turn costs this client only", async () => {
    const broken: Dialect = {
      ...slow,
      *readBytes() {
        yield { type: "accept", samples: new Int16Array(1) }
        throw new TypeError("a secret is not a function")
      },
    }
    const { session, engine, wire, tap, after } = start({ dialect: broken })
    session.receive(new Uint8Array(1))
    await after(0)
    expect(wire).toEqual(["0 <pause>", "0 <resume>", "0 <close 1011 internal error>"])
    expect(tap.lines).toContainEqual(expect.objectContaining({ level: "error", event: "session broke", error: "TypeError" }))
    expect(engine.openNow).toBe(0)
    expect(JSON.stringify(tap.lines)).not.toContain("secret")
  })
})

describe("the hold of early replies", () => {
  test("a fast reply waits until its message is old enough", async () => {
    const { session, after, wire } = start({ minReplyMs: 120 })
    session.receive(audio(1))
    await after(119)
    expect(wire).toEqual([])
    await after(1)
    expect(wire).toEqual(["120 word 1"])
  })

  test("a slow reply is not held, and needs no timer", async () => {
    const { answer, give } = answersOnDemand()
    const { session, after, timers, wire } = start({ minReplyMs: 120, answer })
    session.receive(audio(1))
    await after(500)
    give("word 1")
    await after(0)
    expect(wire).toEqual(["500 word 1"])
    expect(timers()).toBe(0)
  })

  test("each reply is held by the time of its own message, in order", async () => {
    const { session, after, wire } = start({ minReplyMs: 120 })
    session.receive(audio(1))
    await after(50)
    session.receive(audio(2))
    await after(10)
    session.receive(audio(3))
    await after(1000)
    expect(wire).toEqual(["120 word 1", "170 word 2", "180 word 3"])
  })

  test("silence between two replies delays neither", async () => {
    const { session, after, wire } = start({ minReplyMs: 120 })
    session.receive(audio(1))
    session.receive(audio(0))
    await after(30)
    session.receive(audio(2))
    await after(1000)
    expect(wire).toEqual(["120 word 1", "150 word 2"])
  })

  test("cuts that the engine makes inside a message do not confuse whose time counts", async () => {
    const { answer, give } = answersOnDemand()
    const { session, after, wire } = start({ minReplyMs: 120, cuts: true, answer })
    const threeSentences = new Uint8Array(new Int16Array([1, 0, 2, 0, 3]).buffer)
    session.receive(threeSentences)
    give("word 1")
    give("word 2")
    await after(30)
    session.receive(audio(4))
    give("word 3")
    give("word 4")
    await after(1000)
    expect(wire).toEqual(["120 word 1 word 2 word 3", "150 word 4"])
  })

  test("held replies can be let go at once", async () => {
    const { session, after, timers, wire } = start({ minReplyMs: 120 })
    session.receive(audio(1))
    session.receive(audio(2))
    await after(7)
    session.releaseReplies()
    expect(wire).toEqual(["7 word 1", "7 word 2"])
    expect(timers()).toBe(0)
  })
})

describe("how much may wait", () => {
  test("a client that makes us hold too much is not read from until its words are out", async () => {
    const { answer, give } = answersOnDemand()
    const { session, wire, after } = start({ answer })
    session.receive(audio(1, PENDING_SAMPLES_MAX))
    expect(session.paused).toBe(false)
    session.receive(audio(2))
    expect(session.paused).toBe(true)
    await after(60_000)
    give("word 1")
    await after(0)
    expect(wire).toEqual(["0 <pause>", "60000 word 1", "60000 <resume>"])
    expect(session.paused).toBe(false)
  })

  test("the longest message of the documented client does not pause it", () => {
    const { session } = start({ answer: () => new Promise(() => {}) })
    session.receive(new Uint8Array(8_000_000))
    expect(session.paused).toBe(false)
  })

  test("many tiny utterances count as much as long ones", async () => {
    const { session, wire, after } = start()
    for (let i = 0; i <= ANSWERS_OWED_MAX; i++) session.receive(audio(1, 1))
    expect(wire).toEqual(["0 <pause>"])
    await after(0)
    expect(wire.filter((line) => line.includes("word"))).toHaveLength(ANSWERS_OWED_MAX + 1)
    expect(wire).toContain("0 <resume>")
  })

  test("a stream that works audio off without an event lets its client go on", async () => {
    const { session, stream, wire, timers, after } = startOnOwnStream()
    session.receive(audio(1, PENDING_SAMPLES_MAX + 1))
    expect(wire).toEqual(["<pause>"])
    await after(900)
    expect(wire).toEqual(["<pause>"])
    stream.pendingSamples = 0
    await after(100)
    expect(wire).toEqual(["<pause>", "<resume>"])
    expect(timers()).toBe(0)
  })
})

/** A session on a stream that does what the test says, lawful or not. */
function startOnOwnStream(dialect: Dialect = createXrxFrames(config)) {
  const clock = handClock()
  const wire: string[] = []
  const queue = createEventQueue<SpeechEvent>()
  const stream = {
    accept(samples: Int16Array) {
      this.pendingSamples += samples.length
    },
    commit() {},
    clear() {},
    configure() {},
    finish: queue.end,
    events: queue.events,
    pendingSamples: 0,
    close() {},
    say: queue.push,
  }
  const engine = { ...createScriptedStreams(), open: () => stream }
  const transport = {
    sendText: (text: string) => wire.push(text),
    pause: () => wire.push("<pause>"),
    resume: () => wire.push("<resume>"),
    close: (code: number) => wire.push(`<close ${code}>`),
  }
  const { log } = tapLog()
  const session = createSession({ mode: "utterance", id: "s1", engine, dialect, minReplyMs: 0, transport, unixMs: 0, clock, log })
  sessions.push(session)
  return { session, stream, wire, timers: () => clock.waiting, after: (ms: number) => pass(clock, ms) }
}

describe("the end", () => {
  test("a finished session gives every word that it owes, held ones after their hold, and takes nothing more", async () => {
    const { answer, give } = answersOnDemand()
    const { session, after, wire } = start({ minReplyMs: 120, answer })
    session.receive(audio(1))
    session.receive(audio(2))
    let finished = false
    void session.finish().then(() => {
      finished = true
    })
    session.receive(audio(3))
    give("word 1")
    give("word 2")
    await after(119)
    expect(finished).toBe(false)
    await after(1)
    expect(wire).toEqual(["120 word 1", "120 word 2"])
    expect(finished).toBe(true)
  })

  test("a finished stream of frames gives the words it had begun", async () => {
    const { session, wire } = start({ dialect: createXrxFrames(config) })
    session.receive(new Uint8Array(new Int16Array([5, 5]).buffer))
    await session.finish()
    expect(wire).toEqual(["0 word 5"])
  })

  test("a session without audio is finished at once, and opens no stream afterwards", async () => {
    const { session, engine } = start()
    await session.finish()
    session.receive(audio(1))
    expect(engine.opened).toEqual([])
  })

  test("close ends a finish that still waits", async () => {
    const { session } = start({ answer: () => new Promise(() => {}) })
    session.receive(audio(1))
    const finished = session.finish()
    session.close()
    await finished
  })

  test("a late result reaches nobody", async () => {
    const { answer, give } = answersOnDemand()
    const { session, engine, wire, after, timers } = start({ minReplyMs: 120, answer })
    session.receive(audio(1))
    session.receive(audio(2))
    give("word 1")
    await after(0)
    session.close()
    give("word 2")
    await after(1000)
    expect(wire).toEqual([])
    expect(engine.openNow).toBe(0)
    expect(timers()).toBe(0)
  })

  test("a stream that speaks after its close is not heard", async () => {
    const { session, stream, wire, after } = startOnOwnStream()
    session.receive(audio(1))
    session.close()
    stream.say(finalEvent("late", { cause: "endpoint" }))
    await after(0)
    expect(wire).toEqual([])
  })

  test("closing twice closes its stream and its dialect once", () => {
    let dialectsClosed = 0
    const dialect = { ...createXrxUtterances(config), close: () => void dialectsClosed++ }
    const { session, engine } = start({ dialect })
    session.receive(audio(1))
    session.close()
    session.close()
    session.receive(audio(2))
    expect([engine.closes, dialectsClosed]).toEqual([1, 1])
    expect(engine.opened).toHaveLength(1)
  })

  test("a paused session leaves no timer behind", () => {
    const { session, timers, wire } = start({ answer: () => new Promise(() => {}) })
    session.receive(audio(1, PENDING_SAMPLES_MAX + 1))
    session.close()
    expect(timers()).toBe(0)
    expect(wire).toEqual(["0 <pause>"])
  })

  test("a stream that ends by itself ends the connection with 1011 and an error in the log", async () => {
    const { session, engine, wire, tap, settle } = start()
    session.receive(audio(1))
    await settle()
    engine.breakStreams()
    await settle()
    expect(wire).toEqual(["0 word 1", "0 <close 1011 speech engine gone>"])
    expect(tap.lines).toEqual([expect.objectContaining({ level: "error", event: "engine stream ended early", engine: "scripted" })])
  })
})
