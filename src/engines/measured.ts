/** A Transcriber that is measured: how long it takes for whole utterances, and how long that is beside their audio. Changes nothing. */
import { SAMPLE_RATE_HZ } from "../audio/pcm.ts"
import { type Clock, realClock } from "../clock.ts"
import { decodeSeconds, heardSeconds, realTimeFactor } from "../metrics.ts"
import { asPart } from "../tracing.ts"
import type { Transcriber } from "./engine.ts"

/** Shorter audio says nothing about speed: what each utterance costs, however short, would be all of it. */
const RTF_SECONDS_MIN = 0.5

export function measured(transcriber: Transcriber, clock: Clock = realClock): Transcriber {
  const { name: engine, concurrency, interims, hearsContext } = transcriber
  return {
    name: engine,
    get model() {
      return transcriber.model
    },
    concurrency,
    interims,
    hearsContext,
    get translates() {
      return transcriber.translates
    },
    async transcribe(utterance, signal) {
      if (utterance.interim || utterance.samples.length === 0) return transcriber.transcribe(utterance, signal)
      const startedAtMs = clock.now()
      const audioSeconds = utterance.samples.length / SAMPLE_RATE_HZ
      const fields = { engine, model: transcriber.model, audioSeconds }
      const transcript = await asPart(utterance.trace, `transcribe ${engine}`, fields, (trace) =>
        transcriber.transcribe(trace ? { ...utterance, trace } : utterance, signal),
      )
      const tookSeconds = (clock.now() - startedAtMs) / 1000
      decodeSeconds.observe({ engine }, tookSeconds)
      heardSeconds.inc({ engine }, audioSeconds)
      if (audioSeconds >= RTF_SECONDS_MIN) realTimeFactor.observe({ engine }, tookSeconds / audioSeconds)
      return transcript
    },
    ready: () => transcriber.ready(),
    close: () => transcriber.close(),
  }
}
