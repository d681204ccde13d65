/**
 * When the words of the open utterance are asked for, and what is told of them. Asked is at fixed places of the audio, one at a
 * time, so that the same speech is understood in the same steps however fast it came; only a machine that cannot follow leaves
 * places out, the more the slower it answers, so that interims are the first thing to go when it is full. Knows no boundary and no
 * final.
 */
import { msFromSamples, samplesFromMs } from "../audio/pcm.ts"
import type { Clock } from "../clock.ts"
import { EngineError, type Language, type Transcriber } from "../engines/engine.ts"
import { interims } from "../metrics.ts"
import type { PartialEvent } from "./events.ts"
import { type Agreed, type Agreement, createAgreement, type Hypothesis, type Standing } from "./interims.ts"
import type { Tape } from "./tape.ts"
import { joinTexts, type Transcript } from "./transcript.ts"

/** The first question comes so long after the speech began: less holds no word, and 700 ms to the first words leave time to answer. */
export const FIRST_SAMPLES = samplesFromMs(240)

/** From one place to the next as long as no word is known… */
export const EARLY_SAMPLES = samplesFromMs(160)

/** …and after that: about a word. */
export const NEXT_SAMPLES = samplesFromMs(400)

/** A place so far back is left out for a later one… */
export const BEHIND_SAMPLES = samplesFromMs(1_000)

/** …and after an answer that took longer than this… */
const SLOW_MS = 600

/** …the next one lies so many times as far on: a stream then keeps an engine busy for half the time at most. */
const TURNAROUNDS = 2

/** A place for which there was no room is tried again after so much more audio. */
export const RETRY_SAMPLES = samplesFromMs(100)

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
  /** In a pause nothing new is said, up to `resume`. */
  pause(atSample: number): void
  resume(atSample: number): void
  /** The open utterance reaches up to here now: asks if it is time. */
  heard(endSample: number): void
  /** What another question about the open utterance was answered: told, but nothing stands for it, as it does not always come. */
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
  /** It reaches up to here. */
  heardSample: number
  pausedSample: number | null
  /** Behind each start and up to its end no place lies. */
  readonly pauses: { readonly startSample: number; readonly endSample: number }[]
  asking: AbortController | null
  /** The next one, to be asked about once… */
  placeSample: number
  /** …so much was heard. */
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
      if (current !== asker || asker.asking !== controller) return
      tell(asker, agreement.hear(hypothesisOf(transcript, startSample, endSample)), endSample)
      const tookMs = clock.now() - askedAtMs
      goOn(asker, tookMs > SLOW_MS ? endSample + samplesFromMs(TURNAROUNDS * tookMs) : endSample + 1)
    } catch (thrown) {
      if (!(thrown instanceof EngineError)) onMistake(thrown)
      interims.inc({ engine, outcome: "dropped" })
      asker.dueSample = Math.max(asker.dueSample, tape.endSample + RETRY_SAMPLES)
    }
    if (asker.asking !== controller) return
    asker.asking = null
    if (current === asker) askIfDue(asker)
  }

  function askIfDue(asker: Current) {
    const { heardSample, placeSample } = asker
    if (asker.pausedSample !== null || asker.asking || heardSample < asker.dueSample) return
    if (heardSample - placeSample > BEHIND_SAMPLES) goOn(asker, heardSample - NEXT_SAMPLES + 1)
    if (heardSample >= asker.dueSample) void ask(asker, asker.placeSample)
  }

  /** To the first place from here on. */
  function goOn(asker: Current, fromSample: number) {
    const isLeftOut = (sample: number) =>
      sample < fromSample || asker.pauses.some(({ startSample, endSample }) => sample > startSample && sample <= endSample)
    const nextSamples = asker.told ? NEXT_SAMPLES : EARLY_SAMPLES
    while (isLeftOut(asker.placeSample)) asker.placeSample += nextSamples
    asker.dueSample = asker.placeSample
  }

  function tell(asker: Current, told: Agreed, endSample: number) {
    interims.inc({ engine, outcome: "made" })
    if (told.text === "" && (asker.told?.event.text ?? "") === "") return
    const { utterance, startSample } = asker.spoken
    const endMs = msFromSamples(endSample)
    send(asker, { type: "partial", utterance, segment: 0, ...told, startMs: msFromSamples(startSample), endMs, lagMs: lagMs(endMs) })
  }

  const lagMs = (endMs: number) => Math.max(0, msFromSamples(tape.endSample) - endMs)

  function send(asker: Current, event: PartialEvent) {
    asker.told = { event, atMs: clock.now() }
    push(event)
  }

  /** For want of new words: the listener is to know that there are some. */
  function repeat(asker: Current) {
    if (asker.pausedSample !== null || !asker.told || asker.told.event.text === "") return
    const { event, atMs } = asker.told
    const lag = lagMs(event.endMs)
    if (lag < LATE_MS || lag <= event.lagMs || clock.now() - atMs < REPEAT_MS) return
    interims.inc({ engine, outcome: "repeated" })
    send(asker, { ...event, lagMs: lag })
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
      const placeSample = speechSample + FIRST_SAMPLES
      const dueSample = placeSample
      current = { spoken, agreement, heardSample: 0, pausedSample: null, pauses: [], asking: null, placeSample, dueSample, told: null }
    },
    pause(atSample) {
      if (current) current.pausedSample = atSample
    },
    resume(atSample) {
      if (current === null || current.pausedSample === null) return
      current.pauses.push({ startSample: current.pausedSample, endSample: atSample })
      current.pausedSample = null
      if (!current.asking) goOn(current, current.placeSample)
    },
    heard(endSample) {
      if (!current) return
      current.heardSample = endSample
      askIfDue(current)
      repeat(current)
    },
    learn(transcript, endSample) {
      // A window that was moved begins elsewhere.
      if (!current || current.agreement.startSample !== current.spoken.startSample) return
      tell(current, current.agreement.read(transcript.text), endSample)
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

function hypothesisOf({ text, segments }: Transcript, startSample: number, endSample: number): Hypothesis {
  const words = segments.every((segment) => segment.words !== null) ? segments.flatMap((segment) => segment.words ?? []) : null
  return { text, tokens: segments.flatMap((segment) => segment.tokens), words, startSample, endSample }
}
