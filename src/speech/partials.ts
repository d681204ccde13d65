/**
 * When the words of the open utterance are asked for, and what is told of them. One question at a time; the slower the answers,
 * the fewer questions, so that interims are the first thing to go when the machine is full. Knows no boundary and no final.
 */
import { msFromSamples, samplesFromMs } from "../audio/pcm.ts"
import type { Clock } from "../clock.ts"
import { EngineError, type Language, type Transcriber } from "../engines/engine.ts"
import { interims } from "../metrics.ts"
import type { PartialEvent } from "./events.ts"
import { type Agreement, createAgreement, type Standing } from "./interims.ts"
import type { Tape } from "./tape.ts"
import { joinTexts, type Transcript } from "./transcript.ts"

/** The first question comes so long after the speech began: less holds no word, and 700 ms to the first words leave time to answer. */
export const FIRST_SAMPLES = samplesFromMs(320)

/** New audio between two questions, at least: about a word. */
export const NEXT_SAMPLES = samplesFromMs(400)

/** And as long as so many answers take: a stream then keeps an engine busy for half the time at most. */
const TURNAROUNDS = 2

/** Who is further behind is told so… */
export const LATE_MS = 1_500

/** …so often. */
export const REPEAT_MS = 1_000

export interface SpokenUtterance {
  readonly utterance: number
  readonly startSample: number
  readonly language: Language
  readonly prompt: string | undefined
}

export interface Partials {
  /** The utterance begins; `speechSample`: where its speech does. No word beyond `standsUntilSample` is told as standing. */
  begin(spoken: SpokenUtterance, speechSample: number, standsUntilSample: number): void
  /** In a pause nothing new is said. */
  pause(paused: boolean): void
  /** The open utterance reaches up to here now: asks if it is time. */
  heard(endSample: number): void
  /** What another question about the open utterance was answered: as good as an interim. */
  learn(transcript: Transcript, endSample: number): void
  /** The question under way is given up: the final was asked for. */
  abort(): void
  /** The utterance is over: what was told of it as standing. */
  end(): Standing | null
}

export interface PartialsOptions {
  readonly transcriber: Transcriber
  readonly tape: Pick<Tape, "read" | "endSample">
  readonly clock: Clock
  readonly push: (event: PartialEvent) => void
  /** Called with what a transcriber must not throw. */
  readonly onMistake: (thrown: unknown) => void
}

interface Current {
  readonly spoken: SpokenUtterance
  readonly agreement: Agreement
  paused: boolean
  asking: AbortController | null
  dueSample: number
  told: { readonly event: PartialEvent; readonly atMs: number } | null
}

export function createPartials({ transcriber, tape, clock, push, onMistake }: PartialsOptions): Partials {
  const engine = transcriber.name
  let current: Current | null = null

  async function ask(asker: Current, endSample: number) {
    const { spoken, agreement } = asker
    const { startSample, context, draft } = agreement
    const controller = new AbortController()
    const askedAtMs = clock.now()
    asker.asking = controller
    try {
      const samples = tape.read(startSample, endSample)
      const prompt = joinTexts([spoken.prompt ?? "", context])
      const asked = { samples, language: spoken.language, prompt, words: true, interim: true, ...(draft && { draft }) }
      const transcript = await transcriber.transcribe(asked, controller.signal)
      if (current === asker && asker.asking === controller) hear(asker, transcript, startSample, endSample)
    } catch (thrown) {
      if (!(thrown instanceof EngineError)) onMistake(thrown)
      interims.inc({ engine, outcome: "dropped" })
    }
    if (asker.asking !== controller) return
    asker.asking = null
    asker.dueSample = endSample + Math.max(NEXT_SAMPLES, samplesFromMs(TURNAROUNDS * (clock.now() - askedAtMs)))
  }

  function hear(asker: Current, { text, segments }: Transcript, startSample: number, endSample: number) {
    const words = segments.every((segment) => segment.words !== null) ? segments.flatMap((segment) => segment.words ?? []) : null
    const tokens = segments.flatMap((segment) => segment.tokens)
    const agreed = asker.agreement.hear({ text, tokens, words, startSample, endSample })
    interims.inc({ engine, outcome: "made" })
    if (agreed.text === "" && (asker.told?.event.text ?? "") === "") return
    const { utterance } = asker.spoken
    const [startMs, endMs] = [msFromSamples(asker.spoken.startSample), msFromSamples(endSample)]
    tell(asker, { type: "partial", utterance, segment: 0, ...agreed, startMs, endMs, lagMs: lagMs(endMs) })
  }

  const lagMs = (endMs: number) => Math.max(0, msFromSamples(tape.endSample) - endMs)

  function tell(asker: Current, event: PartialEvent) {
    asker.told = { event, atMs: clock.now() }
    push(event)
  }

  /** For want of new words: the listener is to know that there are some. */
  function repeat(asker: Current) {
    if (asker.paused || !asker.told || asker.told.event.text === "") return
    const { event, atMs } = asker.told
    const lag = lagMs(event.endMs)
    if (lag < LATE_MS || lag <= event.lagMs || clock.now() - atMs < REPEAT_MS) return
    interims.inc({ engine, outcome: "repeated" })
    tell(asker, { ...event, lagMs: lag })
  }

  function abort() {
    const asking = current?.asking
    if (!current || !asking) return
    current.asking = null
    asking.abort()
  }

  return {
    begin(spoken, speechSample, standsUntilSample) {
      const agreement = createAgreement(spoken.startSample, standsUntilSample)
      current = { spoken, agreement, paused: false, asking: null, dueSample: speechSample + FIRST_SAMPLES, told: null }
    },
    pause(paused) {
      if (current) current.paused = paused
    },
    heard(endSample) {
      if (!current) return
      if (!current.paused && !current.asking && endSample >= current.dueSample) void ask(current, endSample)
      repeat(current)
    },
    learn(transcript, endSample) {
      // A window that was moved begins elsewhere.
      if (current && current.agreement.startSample === current.spoken.startSample) {
        hear(current, transcript, current.spoken.startSample, endSample)
        current.dueSample = endSample + NEXT_SAMPLES
      }
    },
    abort,
    end() {
      abort()
      const standing = current?.agreement.standing ?? null
      current = null
      return standing && standing.text !== "" ? standing : null
    },
  }
}
