/**
 * Several transcribers as one: when the first fails, or passes its deadline, the same audio goes to the next. Whoever asks gets
 * one answer, and one failure only if all failed. Knows no provider.
 *
 * One that keeps failing is left out (`breaker.ts`). Whether it is well again is found out with a copy of somebody's utterance,
 * for whom another one answers meanwhile: no caller waits for a doubtful engine while there is a sound one.
 */
import { msFromSamples } from "../audio/pcm.ts"
import { type Clock, realClock } from "../clock.ts"
import type { Log } from "../log.ts"
import { breakerReaders, breakerState, fallbacks, queueWaiting } from "../metrics.ts"
import { createPermits, type Permits } from "../permits.ts"
import { LONG_SAMPLES } from "../speech/finals.ts"
import type { Transcript } from "../speech/transcript.ts"
import { asPart } from "../tracing.ts"
import { type Breaker, type BreakerState, createBreaker } from "./breaker.ts"
import { EngineError, type Transcriber, type Utterance } from "./engine.ts"
import { openFence } from "./fence.ts"

/** This much of the length of the audio comes on top of a deadline. */
const DEADLINE_PER_AUDIO = 0.1

const STATE_NUMBERS: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 }

export interface Candidate {
  readonly transcriber: Transcriber
  /** How long others wait for its answer, and a tenth of the length of the audio. Null: it is somewhere near and keeps time by itself. */
  readonly deadlineMs: number | null
}

export interface FallbackOptions {
  /** In the order in which they are asked; at least one. Its first gives the whole its name, model and abilities. */
  readonly candidates: readonly [Candidate, ...Candidate[]]
  /** Utterances that may wait for each of the others; the permits of the first are its caller's. */
  readonly waitingMax: number
  readonly clock?: Clock
  readonly log: Log
}

interface Seat extends Candidate {
  readonly breaker: Breaker
  /** Null: the caller holds one. */
  readonly permits: Permits | null
  /** Whether it was ready once: before, whoever asks it waits for its model. */
  loaded: boolean
}

/** Closing it closes all. Utterances that are still being spoken go to the first alone: their words can be done without. */
export function createFallback({ candidates, waitingMax, clock = realClock, log }: FallbackOptions): Transcriber {
  const seats = candidates.map((candidate, index) => seated(candidate, index > 0))
  const closing = new AbortController()
  const [{ transcriber: first }] = candidates
  breakerReaders.add(tellStates)

  function tellStates() {
    for (const { transcriber, breaker } of seats) breakerState.set({ engine: transcriber.name }, STATE_NUMBERS[breaker.state])
  }

  function seated(candidate: Candidate, withPermits: boolean): Seat {
    const { name: engine, concurrency: atOnce } = candidate.transcriber
    const onWaiting = (count: number) => queueWaiting.set({ engine }, count)
    const breaker = createBreaker({
      clock,
      onChange(state, code, openMs) {
        if (state === "open") log.warn("engine left out", { engine, code, openMs })
        else if (state === "closed") log.info("engine is back", { engine })
      },
    })
    const permits = withPermits ? createPermits({ atOnce, waitingMax, onWaiting }) : null
    const seat: Seat = { ...candidate, breaker, permits, loaded: false }
    const load = () => {
      seat.loaded = true
    }
    candidate.transcriber.ready().then(load, () => {})
    return seat
  }

  async function ask(seat: Seat, utterance: Utterance, signal: AbortSignal, isProbe = false): Promise<Transcript> {
    const { transcriber, permits, breaker } = seat
    const work = { long: utterance.samples.length > LONG_SAMPLES }
    const fields = { engine: transcriber.name }
    const release = permits ? await asPart(utterance.trace, "queue", fields, () => permits.take(signal, work)) : () => {}
    try {
      const transcript = await answerOf(seat, utterance, signal)
      breaker.succeeded()
      return transcriber === first ? transcript : withoutTokens(transcript)
    } catch (thrown) {
      if (thrown instanceof EngineError) breaker.failed(thrown, isProbe)
      throw thrown
    } finally {
      release()
    }
  }

  async function answerOf({ transcriber, deadlineMs }: Seat, utterance: Utterance, signal: AbortSignal): Promise<Transcript> {
    // Tokens are the first one's own.
    const told = transcriber === first ? utterance : { ...utterance, draft: undefined, context: undefined }
    if (deadlineMs === null) return transcriber.transcribe(told, signal)
    const audioMs = msFromSamples(utterance.samples.length)
    const fence = openFence({
      signals: [signal, closing.signal],
      deadlineMs: deadlineMs + audioMs * DEADLINE_PER_AUDIO,
      clock,
      name: transcriber.name,
    })
    try {
      return await fence.within(transcriber.transcribe(told, fence.signal))
    } finally {
      fence.close()
    }
  }

  /** Nobody waits for it; so it has audio of its own, and outlives the caller. */
  function tryOut(seat: Seat, utterance: Utterance) {
    if (!seat.breaker.probe()) return
    ask(seat, { ...utterance, samples: utterance.samples.slice(), trace: undefined }, closing.signal, true)
      .catch(() => {})
      .finally(seat.breaker.probed)
  }

  async function askInTurn(utterance: Utterance, signal: AbortSignal): Promise<Transcript> {
    const able = seats.filter(({ transcriber }) => !utterance.translate || transcriber.translates)
    const sound = able.filter(({ breaker, loaded }) => loaded && breaker.state === "closed")
    const doubtful = able.filter((seat) => !sound.includes(seat))
    if (sound.length > 0) for (const seat of doubtful) tryOut(seat, utterance)
    const order = [...sound, ...doubtful]
    let failure: EngineError | undefined
    for (const [index, seat] of order.entries()) {
      try {
        const transcript = await ask(seat, utterance, signal)
        if (seat !== able[0]) countFallback(able[0] ?? seat, seat, failure, utterance)
        return transcript
      } catch (thrown) {
        if (!(thrown instanceof EngineError) || thrown.code === "aborted" || signal.aborted) throw thrown
        failure ??= thrown
        const { code, providerCode } = thrown
        log.warn("engine failed", { engine: seat.transcriber.name, next: order[index + 1]?.transcriber.name, code, providerCode })
      }
    }
    throw failure ?? new EngineError("unavailable", "no engine translates")
  }

  function countFallback({ transcriber: from }: Seat, { transcriber: to }: Seat, failure: EngineError | undefined, { trace }: Utterance) {
    const reason = failure?.code ?? "left_out"
    fallbacks.inc({ engine: from.name, to: to.name, reason })
    trace?.add({ fallbackTo: to.name, fallbackReason: reason })
  }

  return {
    name: first.name,
    get model() {
      return first.model
    },
    concurrency: first.concurrency,
    interims: first.interims,
    hearsContext: first.hearsContext,
    get translates() {
      return seats.some(({ transcriber }) => transcriber.translates)
    },
    async transcribe(utterance, signal) {
      if (signal.aborted || closing.signal.aborted) throw new EngineError("aborted", "given up by the caller")
      if (!utterance.interim) return askInTurn(utterance, signal)
      if (seats[0]?.breaker.state === "closed") return first.transcribe(utterance, signal)
      throw new EngineError("overloaded", `${first.name} is left out for now`, { retryable: true })
    },
    /** As soon as one is; rejects with the first one's failure if none ever will be. */
    async ready() {
      const asked = seats.map(({ transcriber }) => transcriber.ready())
      await Promise.any(asked).catch(() => asked[0])
    },
    async close() {
      closing.abort()
      breakerReaders.delete(tellStates)
      for (const { transcriber } of seats) breakerState.remove({ engine: transcriber.name })
      await Promise.all(seats.map(({ transcriber }) => transcriber.close()))
    },
  }
}

/** What another model calls its tokens must not come back to the first as its own. */
function withoutTokens(transcript: Transcript): Transcript {
  return { ...transcript, segments: transcript.segments.map((segment) => ({ ...segment, tokens: [] })) }
}
