/**
 * Clients that say known recordings and enter into a ledger what comes back: one for whole utterances, one that commits with refs,
 * one that talks live. Each lasts until its signal, and then waits for what it is owed. Knows no load and no server's insides.
 */
import { SAMPLE_RATE_HZ } from "../../src/audio/pcm.ts"
import { distinctSamples } from "../../src/commands/bench/clips.ts"
import { type Client, connect, socketUrl } from "../support/client.ts"
import { type EventLine, readEventLine } from "../support/event-lines.ts"
import { clipOf, type KnownClip } from "./clips.ts"
import { blame, inOrder, type Ledger } from "./ledger.ts"

export interface SpeakerOptions {
  readonly name: string
  readonly url: URL
  readonly clips: readonly KnownClip[]
  readonly random: () => number
  readonly ledger: Ledger
  readonly signal: AbortSignal
  /** How long to be silent after an utterance of so many seconds, in ms; 0 has the next one said as soon as few are owed. */
  readonly pauseMs: (seconds: number) => number
}

/** Utterances that a speaker has under way at once. */
const OWED_MAX = 2

/** Without an answer for so long an utterance is lost. */
const ANSWER_LIMIT_MS = 60_000

const RECONNECT_MS = 200

/** Each recording comes once in so many, in another order each time. */
function* inTurns(clips: readonly KnownClip[], random: () => number): Generator<KnownClip & { readonly turn: number }> {
  for (let turn = 0; ; ) {
    const order = clips.map((clip) => ({ clip, at: random() })).sort((a, b) => a.at - b.at)
    for (const { clip } of order) yield { ...clip, turn: turn++ }
  }
}

function bytesOf(clip: KnownClip, turn: number): Uint8Array {
  return new Uint8Array(distinctSamples(clip, turn).buffer)
}

/** Reads until the socket is gone. */
async function eachText(client: Client, take: (text: string) => void): Promise<void> {
  for (;;) {
    const text = await client.next().catch(() => undefined)
    if (text === undefined) return
    take(text)
  }
}

/** Something that a sender waits for: an answer, the end. */
function createBell() {
  let rung = Promise.withResolvers<void>()
  return {
    ring() {
      rung.resolve()
      rung = Promise.withResolvers()
    },
    /** At most so long. */
    heard: (limitMs: number) => Promise.race([rung.promise, Bun.sleep(limitMs)]),
  }
}

interface Line {
  readonly query: string
  /** Hands an utterance over. */
  say(client: Client, clip: KnownClip, turn: number): void
  take(text: string): void
  readonly owed: readonly { readonly saidAtMs: number }[]
  over(why: string): void
}

async function speakOver({ url, clips, random, signal, pauseMs, ledger, name }: SpeakerOptions, openLine: () => Line): Promise<void> {
  const queue = inTurns(clips, random)
  while (!signal.aborted) {
    const line = openLine()
    const client = await connect(socketUrl(url, line.query)).catch(() => undefined)
    if (!client) {
      await Bun.sleep(RECONNECT_MS)
      continue
    }
    const bell = createBell()
    const stop = () => bell.ring()
    signal.addEventListener("abort", stop)
    let closedBy: string | undefined
    const reading = eachText(client, (text) => {
      line.take(text)
      bell.ring()
    })
    void client.closed.then(({ code, reason }) => {
      closedBy = `closed with ${code} ${reason}`
      bell.ring()
    })
    const late = () => line.owed.some(({ saidAtMs }) => performance.now() - saidAtMs > ANSWER_LIMIT_MS)
    while (!signal.aborted && closedBy === undefined && !late()) {
      if (line.owed.length >= OWED_MAX) {
        await bell.heard(1_000)
        continue
      }
      const { value } = queue.next()
      line.say(client, value, value.turn)
      const until = performance.now() + pauseMs(value.seconds)
      while (!signal.aborted && performance.now() < until) await bell.heard(until - performance.now())
    }
    while (line.owed.length > 0 && closedBy === undefined && !late()) await bell.heard(1_000)
    signal.removeEventListener("abort", stop)
    if (closedBy !== undefined) blame(ledger, "broken", `${name} was ${closedBy}`)
    line.over(closedBy ?? "none in time")
    client.terminate()
    await reading
  }
}

/** Mode `utterance`: answers are nothing but texts, in order. */
export function speakUtterances(options: SpeakerOptions): Promise<void> {
  const { ledger, name, clips } = options
  return speakOver(options, () => {
    const books = inOrder<string>(ledger, name)
    return {
      query: "mode=utterance",
      say(client, clip, turn) {
        books.asked(clip.name, performance.now())
        client.send(bytesOf(clip, turn))
      },
      take: (text) => books.answered(clipOf(text, clips)?.name, performance.now()),
      owed: books.due,
      over: books.over,
    }
  })
}

/** Mode `events` without endpointing: a commit carries a ref, and so does its answer. */
export function speakCommits(options: SpeakerOptions): Promise<void> {
  const { ledger, name, clips } = options
  return speakOver(options, () => {
    const books = inOrder<string>(ledger, name)
    const saidBy = new Map<string, string>()
    const follow = createSequence(ledger, name)
    let texts: string[] = []
    return {
      query: "mode=events&vad=none",
      say(client, clip, turn) {
        const ref = `${name} ${turn}`
        saidBy.set(ref, clip.name)
        books.asked(ref, performance.now())
        client.send(bytesOf(clip, turn))
        client.send(JSON.stringify({ type: "commit", ref }))
      },
      take(text) {
        const event = follow(text)
        if (event?.type === "final") texts.push(event.text)
        if (event?.type === "failed") return blame(ledger, "broken", `${name}: ${event.code}: ${event.message}`)
        if (event?.type !== "final" || !event.end) return
        const heard = texts.join(" ")
        texts = []
        books.answered(event.ref, performance.now())
        if (clipOf(heard, clips)?.name !== saidBy.get(event.ref ?? "")) blame(ledger, "foreign", `${name} got other words for ${event.ref}`)
      },
      owed: books.due,
      over: books.over,
    }
  })
}

/** The event, if it is one and the next. */
function createSequence(ledger: Ledger, name: string): (text: string) => EventLine | undefined {
  let seq = 0
  return (text) => {
    try {
      const event = readEventLine(text)
      if (event.seq !== seq) blame(ledger, "broken", `${name} got event ${event.seq}, not ${seq}`)
      seq = event.seq + 1
      return event
    } catch {
      blame(ledger, "broken", `${name} got a line that is no event`)
      return undefined
    }
  }
}

const SLICE_MS = 100
const SLICE_SAMPLES = (SAMPLE_RATE_HZ * SLICE_MS) / 1000

/** Behind each recording, so that its end is heard. */
const SILENCE_MS = 1_200

/** A talk lasts about so long; the next one has a socket of its own. */
const TALK_MS = 45_000

/** Mode `events` in real time: the server hears where utterances end. Every recording must get words, every utterance one end. */
export async function speakLive(options: SpeakerOptions): Promise<void> {
  const queue = inTurns(options.clips, options.random)
  while (!options.signal.aborted) await talk(options, queue)
}

async function talk({ url, ledger, name, signal }: SpeakerOptions, queue: Generator<KnownClip & { turn: number }>): Promise<void> {
  const client = await connect(socketUrl(url, "mode=events&interim=1&words=1")).catch(() => undefined)
  if (!client) return void (await Bun.sleep(RECONNECT_MS))
  const follow = createSequence(ledger, name)
  const spans: { readonly startMs: number; readonly endMs: number }[] = []
  let ended = 0
  let done: number | undefined
  const reading = eachText(client, (text) => {
    const event = follow(text)
    if (event?.type === "final" && event.text !== "") spans.push({ startMs: event.start_ms, endMs: event.end_ms })
    if (event?.type === "failed") blame(ledger, "broken", `${name}: ${event.code}: ${event.message}`)
    if (event?.type === "failed" || (event?.type === "final" && event.end)) {
      if (event.utt !== ended) blame(ledger, event.utt < ended ? "doubled" : "lost", `${name}: utterance ${event.utt} ended, not ${ended}`)
      ended = event.utt + 1
    }
    if (event?.type === "done") done = event.utterances
  })
  const said: { readonly name: string; readonly startMs: number; readonly endMs: number }[] = []
  let open = true
  void client.closed.then(() => {
    open = false
  })
  const beganAtMs = performance.now()
  let atMs = 0
  while (open && !signal.aborted && atMs < TALK_MS) {
    const { value } = queue.next()
    const startMs = atMs
    const samples = new Int16Array(value.samples.length + (SILENCE_MS * SAMPLE_RATE_HZ) / 1000)
    samples.set(distinctSamples(value, value.turn))
    for (let at = 0; at < samples.length && open; at += SLICE_SAMPLES) {
      client.send(new Uint8Array(samples.slice(at, at + SLICE_SAMPLES).buffer))
      atMs += SLICE_MS
      await Bun.sleep(Math.max(0, beganAtMs + atMs - performance.now()))
    }
    ledger.accepted++
    said.push({ name: value.name, startMs, endMs: startMs + value.seconds * 1000 })
  }
  if (open) client.send(JSON.stringify({ type: "close" }))
  const { code } = await Promise.race([client.closed, Bun.sleep(ANSWER_LIMIT_MS).then(() => ({ code: 0 }))])
  client.terminate()
  await reading
  if (code !== 1000) blame(ledger, "broken", `${name}'s talk ended with ${code}`)
  else if (done !== ended) blame(ledger, "broken", `${name} was told of ${done} utterances, and got ${ended}`)
  for (const { name: clip, startMs, endMs } of said) {
    if (spans.some((span) => span.startMs < endMs && span.endMs > startMs)) ledger.answered++
    else blame(ledger, "lost", `${name} got no words for ${clip}`)
  }
}
