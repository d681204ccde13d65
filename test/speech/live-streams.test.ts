/** Continuous streams over a lifted transcriber, by property: whatever the slices, the pace and the moments of commands. */
import { describe, expect, setDefaultTimeout, test } from "bun:test"
import { joinSamples, msFromSamples } from "../../src/audio/pcm.ts"
import type { Endpointing, Stream } from "../../src/engines/engine.ts"
import { silentLog } from "../../src/log.ts"
import { createPermits } from "../../src/permits.ts"
import type { SpeechEvent } from "../../src/speech/events.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { handClock } from "../support/clock.ts"
import { energyVad } from "../support/energy-vad.ts"
import { answersToCommits, expectLaws, terminators } from "../support/event-laws.ts"
import { randomFrom } from "../support/random.ts"
import { type Hearing, spokenTranscriber, wordSound } from "../support/spoken.ts"

/** A second alone; other tests may share the machine. */
setDefaultTimeout(60_000)

/** What a client does, in order. */
interface Step {
  /** `lower`: ask for less silence. */
  readonly type: "say" | "commit" | "clear" | "lower"
  readonly samples?: Int16Array
}

const usual: Endpointing = { threshold: 0.5, prefixMs: 300, silenceMs: 400, maxMs: 6_000 }

/** Words and silences of all lengths; commands between them and in the middle of them. */
function talk(random: () => number, commands: number): Step[] {
  let word = 0
  const steps: Step[] = []
  for (let turn = 0; turn < 90; turn++) {
    const silent = random() < 0.4
    const count = Math.floor(silent ? random() ** 6 * 24_000 : 1600 + random() * 6000)
    const samples = silent ? new Int16Array(count) : wordSound(word++, count)
    const cut = Math.floor(random() * count)
    const luck = random()
    steps.push({ type: "say", samples: samples.slice(0, cut) })
    if (luck < commands) steps.push({ type: luck < commands * 0.6 ? "commit" : luck < commands * 0.9 ? "clear" : "lower" })
    steps.push({ type: "say", samples: samples.slice(cut) })
  }
  return steps
}

interface Run {
  readonly endpointing: Endpointing | null
  readonly interims: boolean
  readonly hearing?: Partial<Hearing>
  /** Disconnects before this step; without it, finishes after the last. */
  readonly closesBefore?: number
  /** Of the pace, the slices and the hearing. */
  readonly seed: number
}

async function play(steps: readonly Step[], { endpointing, interims, hearing = {}, closesBefore, seed }: Run) {
  const random = randomFrom(seed)
  const clock = handClock()
  const permits = createPermits({ atOnce: 2, waitingMax: 100 })
  const vad = energyVad(() => 1 + Math.floor(random() * 9))
  const transcriber = spokenTranscriber({ clock, random, answerMs: 300, ...hearing })
  const engine = liftTranscriber(transcriber, { permits, vad, clock, log: silentLog })
  const stream = engine.open({ language: "en", session: "s", endpointing, interims, words: true })
  const events: SpeechEvent[] = []
  const reading = read(stream, events)
  let accepted = 0
  let commits = 0
  let frozen = -1
  for (const [index, step] of steps.entries()) {
    if (index === closesBefore) {
      stream.close()
      frozen = events.length
    }
    if (step.type === "commit") {
      commits++
      stream.commit()
    } else if (step.type === "clear") stream.clear()
    else if (step.type === "lower") stream.configure({ endpointing: { silenceMs: 250 } })
    const { samples = new Int16Array() } = step
    for (let at = 0; at < samples.length; ) {
      const slice = samples.slice(at, at + 1 + Math.floor(random() * 4000))
      at += slice.length
      accepted += slice.length
      if (random() < 0.1) vad.hold()
      stream.accept(slice)
      expect(stream.pendingSamples).toBeLessThanOrEqual(accepted)
      await clock.advance(msFromSamples(slice.length) * (0.5 + random()))
      if (random() < 0.5) vad.release()
    }
  }
  vad.release()
  stream.finish()
  await clock.advance(0)
  for (let round = 0; round < 200 && (clock.waiting > 0 || permits.taken > 0); round++) await clock.advance(100)
  await reading
  const left = { pending: stream.pendingSamples, taken: permits.taken, waiting: permits.waiting, timers: clock.waiting, ears: vad.openNow }
  await engine.close()
  return { events, commits, left, frozen, audioMs: msFromSamples(accepted), asked: transcriber.asked, running: transcriber.runningNow }
}

async function read(stream: Stream, events: SpeechEvent[]) {
  for await (const event of stream.events) events.push(event)
}

const nothing = { pending: 0, taken: 0, waiting: 0, timers: 0, ears: 0 }

const seeds = Array.from({ length: 40 }, (_, index) => index + 1)

/** What must not depend on slices and pace. */
const lasting = (events: readonly SpeechEvent[]) => events.filter((event) => event.type !== "partial" && event.type !== "speech_end")

describe("any talk in any slices", () => {
  for (const endpointing of [usual, null]) {
    const how = endpointing ? "with endpointing" : "without endpointing"

    test(`${how} keeps the laws of events, whatever fails, is commanded or breaks off`, async () => {
      const met = { partial: 0, failed: 0, cleared: 0, final: 0, stable: 0, closed: 0, max: 0, forced: 0 }
      for (const seed of seeds) {
        const random = randomFrom(seed)
        const steps = talk(random, 0.2)
        const closesBefore = random() < 0.3 ? { closesBefore: Math.floor(random() * steps.length) } : {}
        const hearing = {
          answerMs: random() ** 3 * 1500,
          mishears: (index: number) => index % 9 === 4,
          fails: 0.1,
          overloaded: 0.2,
          times: random() < 0.5,
        }
        const { events, commits, left, frozen, audioMs, running } = await play(steps, {
          endpointing: endpointing && { ...endpointing, maxMs: seed % 3 === 0 ? 2_000 : 12_000 },
          interims: true,
          hearing,
          seed,
          ...closesBefore,
        })
        const ended = frozen === -1
        expectLaws(events, { endpointing: endpointing !== null, audioMs, ended }, `seed ${seed}`)
        if (ended) expect(answersToCommits(events).length, `commits, seed ${seed}`).toBe(commits)
        else expect(events.length, `after close, seed ${seed}`).toBe(frozen)
        expect({ ...left, running }, `seed ${seed}`).toEqual({ ...nothing, running: 0 })
        for (const event of events) {
          if (event.type in met) met[event.type as "partial"]++
          if (event.type === "partial" && event.stable > 0) met.stable++
          if (event.type === "final" && event.cause === "max") met.max++
          if (event.type === "final" && /W\d{5}/.test(event.text)) met.forced++
        }
        if (!ended) met.closed++
      }
      // The runs must have met what they are about.
      expect(met.partial).toBeGreaterThan(100)
      expect(met.stable).toBeGreaterThan(10)
      expect(met.forced).toBeGreaterThan(0)
      expect(met.failed).toBeGreaterThan(10)
      expect(met.cleared).toBeGreaterThan(10)
      expect(met.final).toBeGreaterThan(100)
      expect(met.closed).toBeGreaterThan(5)
      if (endpointing) expect(met.max).toBeGreaterThan(5)
    })

    test(`${how} gives the same finals for every slicing and pace, with interims and without`, async () => {
      for (const seed of seeds.slice(0, 12)) {
        const steps = talk(randomFrom(seed), 0.15)
        const one = await play(steps, { endpointing, interims: false, seed })
        const other = await play(steps, { endpointing, interims: true, hearing: { answerMs: 900, overloaded: 0.3 }, seed: seed + 1000 })
        expect(terminators(other.events), `seed ${seed}`).toEqual(terminators(one.events))
        expect(terminators(one.events).length).toBeGreaterThan(0)
        const inContext = one.asked.filter(({ context }) => context).length
        expect(inContext > 0, `contexts, seed ${seed}`).toBe(endpointing !== null)
      }
    })
  }

  test("with endpointing loses and doubles no word, also where a long utterance is cut", async () => {
    for (const seed of seeds.slice(0, 12)) {
      const random = randomFrom(seed)
      const sounds = Array.from({ length: 60 }, (_, index) => [
        wordSound(index, 3000 + Math.floor(random() * 4000)),
        new Int16Array(random() < 0.02 ? 16_000 : 600 + Math.floor(random() * 2500)),
      ]).flat()
      const run = { endpointing: { ...usual, maxMs: 8_000 }, interims: true, seed }
      const { events } = await play([{ type: "say", samples: joinSamples(sounds) }], run)
      const text = events.flatMap((event) => (event.type === "final" ? [event.text] : [])).join(" ")
      expect(text, `seed ${seed}`).toBe(Array.from({ length: 60 }, (_, index) => `W${index}`).join(" "))
      expect(lasting(events).some((event) => event.type === "final" && event.cause === "max")).toBeTrue()
    }
  })
})
