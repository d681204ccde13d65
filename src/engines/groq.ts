/**
 * Groq's Whisper as a Transcriber: the customer's SDK inside a fence of ours, because its own timeout ends with the headers
 * and its own retries sleep as long as the provider says. Knows the provider's wire through the SDK alone.
 */
import Groq from "groq-sdk"
import { bytesFromSamples, msFromSamples, samplesFromMs } from "../audio/pcm.ts"
import { wavHeader } from "../audio/wav.ts"
import { type Clock, realClock } from "../clock.ts"
import type { Log } from "../log.ts"
import { upstreamErrors } from "../metrics.ts"
import { EngineError, type Transcriber, type Utterance } from "./engine.ts"
import { type Fence, openFence } from "./fence.ts"
import { type Answer, readAnswer, toldLanguage, transcriptOf } from "./groq-answer.ts"
import { failureOf } from "./groq-failures.ts"

const NAME = "groq"
const MODEL = "whisper-large-v3"
const BASE_URL = "https://api.groq.com"

/** A bound on our sockets and memory; how much the account allows, the provider says itself (429). */
const CONCURRENCY = 32

const DEADLINE_MS = 30_000
/** Long audio takes longer to send: this much of its length comes on top of the deadline. */
const DEADLINE_PER_AUDIO = 0.1

/** One more try, after the wait the provider asks for, or this one. */
const RETRY_WAIT_MS = 500
/** A retry that would begin later than this before the deadline would not be answered any more. */
const ANSWER_MS = 1000

/** Whisper cannot say anything about less, and Groq refuses it. */
const SHORTEST_SAMPLES = samplesFromMs(100)

/** Groq refuses a longer prompt. Of more its end counts: it is nearest to what is said now. */
const PROMPT_MAX_CHARACTERS = 896

export interface GroqOptions {
  readonly apiKey: string
  /** Without `/openai/v1`, which the SDK adds. Default Groq's own. */
  readonly baseUrl?: string
  /** Segments less probably spoken than this, and not trusted by the model either, are dropped. */
  readonly noSpeechThreshold: number
  /** From the call to the last byte of the answer, the retry included. Default 30 s; long audio gets a tenth of its length more. */
  readonly deadlineMs?: number
  readonly clock?: Clock
  readonly log: Log
}

export function createGroq(options: GroqOptions): Transcriber {
  const { apiKey, baseUrl = BASE_URL, noSpeechThreshold, deadlineMs = DEADLINE_MS, clock = realClock, log } = options
  // Its log could print whole answers: GROQ_LOG must not be able to turn that on.
  const client = new Groq({ apiKey, baseURL: baseUrl, maxRetries: 0, logLevel: "off" })
  const closing = new AbortController()

  /** Asks once more if that makes sense and there is time. */
  async function ask(file: File, utterance: Utterance, fence: Fence): Promise<Answer> {
    for (let canRetry = true; ; canRetry = false) {
      const asked = utterance.trace?.part(`request ${NAME}`, { retry: !canRetry }, "client")
      try {
        const answer = readAnswer(await fence.within(send(file, utterance, fence)))
        asked?.end()
        return answer
      } catch (thrown) {
        const failure = failureOf(thrown, apiKey)
        asked?.end(failure)
        if (failure.code === "aborted") throw failure
        upstreamErrors.inc({ engine: NAME, code: failure.code })
        const waitMs = failure.retryAfterMs ?? RETRY_WAIT_MS
        if (!canRetry || !failure.retryable || waitMs + ANSWER_MS > fence.remainingMs) throw failure
        log.warn("upstream is asked again", { engine: NAME, code: failure.code, providerCode: failure.providerCode, waitMs })
        await fence.pause(waitMs)
      }
    }
  }

  function send(file: File, { language, prompt, words, translate }: Utterance, fence: Fence): Promise<unknown> {
    const common = { file, model: MODEL, response_format: "verbose_json" as const, temperature: 0 }
    const hint = prompt && { prompt: lastOf(prompt) }
    // The SDK's timer is only there to be later than ours: without one it would take 60 s.
    const options = { signal: fence.signal, timeout: Math.ceil(fence.remainingMs) + 1000 }
    if (translate) return client.audio.translations.create({ ...common, ...hint }, options)
    const request = {
      ...common,
      ...(language !== "auto" && { language }),
      ...hint,
      ...(words && { timestamp_granularities: ["word" as const, "segment" as const] }),
    }
    return client.audio.transcriptions.create(request, options)
  }

  return {
    name: NAME,
    model: MODEL,
    concurrency: CONCURRENCY,
    interims: false,
    translates: true,
    async transcribe(utterance, signal) {
      const { samples, language, words = false } = utterance
      const audioMs = msFromSamples(samples.length)
      const limitMs = deadlineMs + audioMs * DEADLINE_PER_AUDIO
      if (signal.aborted || closing.signal.aborted) throw new EngineError("aborted", `${NAME}: given up by the caller`)
      if (samples.length < SHORTEST_SAMPLES) return { text: "", language: toldLanguage(language), segments: [] }
      const fence = openFence({ signals: [signal, closing.signal], deadlineMs: limitMs, clock, name: NAME })
      try {
        const file = new File([wavHeader(samples.length), bytesFromSamples(samples) as Uint8Array<ArrayBuffer>], "audio.wav", {
          type: "audio/wav",
        })
        return transcriptOf(await ask(file, utterance, fence), { language, words, audioMs, noSpeechThreshold })
      } finally {
        fence.close()
      }
    },
    /** Asks nobody: every question costs money. A wrong key shows at the first utterance. */
    async ready() {
      if (apiKey === "") throw new EngineError("unauthorized", `${NAME}: there is no key`)
    },
    async close() {
      closing.abort()
    },
  }
}

/** Whole words. */
function lastOf(prompt: string): string {
  if (prompt.length <= PROMPT_MAX_CHARACTERS) return prompt
  return prompt.slice(-PROMPT_MAX_CHARACTERS).replace(/^\S*\s+/, "")
}
