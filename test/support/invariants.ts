/**
 * What must hold of every conversation in mode `events`, whatever the client did and whichever engine heard it: the laws of
 * the wire, read off the texts that came. `talk` holds one such conversation with a server at any address, by dice.
 */
import { expect } from "bun:test"
import { connect, type Ending } from "./client.ts"
import { type EventLine, readEventLine } from "./event-lines.ts"

/** `roll(n)` is a whole number below n. */
export type Roll = (sides: number) => number

/** Small and repeatable (mulberry32), so that a failure can be looked at again. */
export function dice(seed: number): Roll {
  let state = seed
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

type Ref = string | undefined

/** One conversation, as the client knows it. */
export interface Talk {
  readonly vad: "server" | "none"
  readonly words: boolean
  readonly interim: boolean
  readonly bytes: number
  /** Refs of what was sent, in order. */
  readonly commits: readonly Ref[]
  readonly clears: readonly Ref[]
  readonly errors: readonly Ref[]
  /** Each with the configuration that it must lead to. */
  readonly configs: readonly { readonly ref: Ref; readonly config: object }[]
  /** Set if the client asked for the end; else it just left, or the server did. */
  readonly close: { readonly ref: Ref } | undefined
  readonly received: readonly string[]
  readonly ending: Ending
}

export interface TalkOptions {
  readonly roll: Roll
  /** PCM s16le, 16 kHz, mono. */
  readonly speech: Uint8Array
  /** The longest slice. */
  readonly sliceBytesMax: number
  /** Of a hundred slices, how many are followed by a control. */
  readonly controlPercent: number
  /** Called after each slice: lets events come, or ends the server. */
  readonly between?: () => Promise<void>
}

const CHANGES = [{ silence_ms: 200 }, { silence_ms: 700 }, { threshold: 0.6 }, { prompt: "Xanten" }, { max_ms: 9000 }, { prefix_ms: 150 }]

const MISTAKES = ["garbage", { type: "reset" }, { type: "config", silence_ms: 5 }, { type: "config", encoding: "alaw" }]

export async function talk(
  url: URL,
  { roll, speech, sliceBytesMax, controlPercent, between = async () => {} }: TalkOptions,
): Promise<Talk> {
  const vad = roll(3) === 0 ? "none" : "server"
  const [interim, words] = [roll(3) > 0, roll(2) === 0]
  const address = new URL(url)
  for (const [name, value] of Object.entries({ mode: "events", vad, interim: Number(interim), words: Number(words) })) {
    address.searchParams.set(name, String(value))
  }
  const client = await connect(address)
  const first = readEventLine(await client.next())
  if (first.type !== "ready") throw new Error(`${first.type} came first`)
  let config: object = first.config
  let bytes = 0
  let refs = 0
  const commits: Ref[] = []
  const clears: Ref[] = []
  const errors: Ref[] = []
  const configs: { ref: Ref; config: object }[] = [{ ref: undefined, config }]

  function control(message: object): Ref {
    const ref = roll(2) === 0 ? `r${refs++}` : undefined
    client.send(JSON.stringify({ ...message, ref }))
    return ref
  }

  function anyControl() {
    const kind = roll(8)
    if (kind < 3) commits.push(control({ type: "commit" }))
    else if (kind === 3) clears.push(control({ type: "clear" }))
    else if (kind === 4) control({ type: "keepalive" })
    else if (kind === 5) mistake(MISTAKES[roll(MISTAKES.length)]!)
    else change(CHANGES[roll(CHANGES.length)]!)
  }

  function mistake(message: string | object) {
    if (typeof message === "object") return void errors.push(control(message))
    client.send(message)
    errors.push(undefined)
  }

  function change(wish: object) {
    config = { ...config, ...wish }
    configs.push({ ref: control({ type: "config", ...wish }), config })
  }

  let left = false
  void client.closed.then(() => (left = true))
  const leavesAt = roll(4) === 0 ? roll(speech.length) : Number.POSITIVE_INFINITY
  for (let at = 0; at < speech.length && at < leavesAt && !left; ) {
    const slice = speech.subarray(at, at + 1 + roll(sliceBytesMax))
    client.send(slice)
    at += slice.length
    bytes += slice.length
    // The first byte settles what a mistake is.
    while (roll(100) < controlPercent) anyControl()
    await between()
  }
  let close: Talk["close"]
  if (left) {
    // The server went first.
  } else if (leavesAt < speech.length) {
    if (roll(2) === 0) client.terminate()
    else client.close()
  } else {
    close = { ref: control({ type: "close" }) }
    // Nothing behind it is heard.
    client.send(speech.subarray(0, 1000))
    client.send('{"type":"commit","ref":"late"}')
  }
  const ending = await client.closed
  return { vad, words, interim, bytes, commits, clears, errors, configs, close, received: client.received, ending }
}

/** Every law, of whatever came. `mayBreak`: the engine may be gone for good on the way. */
export function expectLawful(talk: Talk, { mayBreak = false } = {}): void {
  const events = talk.received.map(readEventLine)
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, nth) => nth))
  expect(events[0]?.type).toBe("ready")
  expectLawfulUtterances(talk, events)
  const fatal = events.findIndex((event) => event.type === "error" && event.fatal)
  const done = events.findIndex(({ type }) => type === "done")
  for (const last of [fatal, done]) if (last >= 0) expect(last).toBe(events.length - 1)
  if (fatal >= 0) expect([mayBreak, talk.ending.code]).toEqual([true, 1011])
  const finished = talk.close !== undefined && fatal < 0
  expectAnswers(talk, events, finished)
  if (finished) expectDone(talk, events)
}

const isTerminator = (event: EventLine) => (event.type === "final" && event.end) || event.type === "failed"
const isAnswerToCommit = (event: EventLine) => isTerminator(event) && "cause" in event && event.cause === "commit"
const refsOf = (events: readonly EventLine[]): Ref[] => events.map((event) => ("ref" in event ? event.ref : undefined))

/** Each control has its one answer, in order; of a connection that broke, the later ones may be missing. */
function expectAnswers({ commits, clears, errors, configs }: Talk, events: readonly EventLine[], finished: boolean) {
  const answers: [string, readonly Ref[], readonly EventLine[]][] = [
    ["commit", commits, events.filter(isAnswerToCommit)],
    ["clear", clears, events.filter(({ type }) => type === "cleared")],
    ["mistake", errors, events.filter((event) => event.type === "error" && !event.fatal)],
    ["config", configs.map(({ ref }) => ref), events.filter(({ type }) => type === "ready")],
  ]
  for (const [kind, asked, answered] of answers) {
    expect([kind, refsOf(answered)]).toEqual([kind, finished ? [...asked] : asked.slice(0, answered.length)])
  }
  const told = events.flatMap((event) => (event.type === "ready" ? [event.config] : []))
  expect<object[]>(told).toEqual(configs.slice(0, told.length).map(({ config }) => config))
  for (const event of events) {
    if (!isAnswerToCommit(event) && (event.type === "final" || event.type === "failed")) expect(event.ref).toBeUndefined()
  }
}

function expectDone({ close, bytes, ending }: Talk, events: readonly EventLine[]) {
  const utterances = events.filter(isTerminator).length
  const seq = events.length - 1
  expect(events.at(-1)).toMatchObject({ type: "done", seq, audio_ms: Math.round(Math.floor(bytes / 2) / 16), utterances })
  expect(refsOf(events.slice(-1))).toEqual([close?.ref])
  expect(ending).toEqual({ code: 1000, reason: "done" })
}

interface Utterance {
  stopped: boolean
  ended: boolean
  segments: number
  partial: { text: string; stable: number }
}

/** speech_start? → partial* and final(end: false)* → speech_end? → one terminator; the utterances in order. */
function expectLawfulUtterances({ vad, words, interim }: Talk, events: readonly EventLine[]) {
  const utterances: Utterance[] = []
  let terminated = 0
  let newest = 0
  let times = { start_ms: 0, end_ms: 0 }

  function of(utt: number): Utterance {
    utterances[utt] ??= { stopped: false, ended: false, segments: 0, partial: { text: "", stable: 0 } }
    const utterance = utterances[utt]
    expect(utterance.ended).toBe(false)
    return utterance
  }

  function end(utt: number) {
    of(utt).ended = true
    expect(utt).toBe(terminated++)
  }

  for (const event of events) {
    switch (event.type) {
      case "speech_start":
        expect(vad).toBe("server")
        expect(utterances[event.utt]).toBeUndefined()
        of(event.utt)
        break
      case "speech_end":
        expect(vad).toBe("server")
        expect(of(event.utt).stopped).toBe(false)
        of(event.utt).stopped = true
        break
      case "partial": {
        expect(interim).toBe(true)
        const utterance = of(event.utt)
        const { stopped, segments, partial } = utterance
        expect([stopped, event.seg]).toEqual([false, segments])
        expect(event.stable).toBeGreaterThanOrEqual(partial.stable)
        expect(event.stable).toBeLessThanOrEqual(event.text.length)
        expect(event.text).toStartWith(partial.text.slice(0, partial.stable))
        utterance.partial = event
        break
      }
      case "final": {
        const utterance = of(event.utt)
        if (!event.end) expect(utterance.stopped).toBe(false)
        expect(event.seg).toBe(utterance.segments++)
        expect(event.text).toStartWith(utterance.partial.text.slice(0, utterance.partial.stable))
        utterance.partial = { text: "", stable: 0 }
        expect(event.start_ms).toBeGreaterThanOrEqual(times.start_ms)
        expect(event.end_ms).toBeGreaterThanOrEqual(Math.max(times.end_ms, event.start_ms))
        times = event
        if (!words) expect(event.words).toBeUndefined()
        for (const word of event.words ?? []) expect(word.end_ms).toBeGreaterThanOrEqual(word.start_ms)
        if (event.end) end(event.utt)
        break
      }
      case "failed":
        end(event.utt)
        break
      case "cleared":
        if (event.utt !== null) end(event.utt)
        break
    }
    if (event.type === "speech_start" || event.type === "partial" || event.type === "speech_end") {
      expect(event.utt).toBeGreaterThanOrEqual(newest)
      newest = event.utt
    }
  }
}
