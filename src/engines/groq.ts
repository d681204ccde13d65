/**
 * Groq's Whisper as a Transcriber: the customer's SDK inside a fence of ours, because its own timeout ends with the headers
 * and its own retries sleep as long as the provider says. Knows the provider's wire through the SDK alone.
 */
import Groq from "groq-sdk"
import { z } from "zod"
import { bytesFromSamples, msFromSamples, samplesFromMs } from "../audio/pcm.ts"
import { wavHeader } from "../audio/wav.ts"
import { type Clock, realClock } from "../clock.ts"
import type { Log } from "../log.ts"
import { upstreamErrors } from "../metrics.ts"
import { joinTexts, openAiSilence, type Segment, type Transcript, withoutSilence } from "../speech/transcript.ts"
import { EngineError, type Language, type Transcriber } from "./engine.ts"
import { type Fence, openFence } from "./fence.ts"
import { failureOf, UnreadableAnswer } from "./groq-failures.ts"
import { languageCode } from "./language-names.ts"

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
  async function ask(file: File, language: Language, fence: Fence): Promise<Answer> {
    for (let canRetry = true; ; canRetry = false) {
      try {
        return readAnswer(await fence.within(send(file, language, fence)))
      } catch (thrown) {
        const failure = failureOf(thrown, apiKey)
        if (failure.code === "aborted") throw failure
        upstreamErrors.inc({ engine: NAME, code: failure.code })
        const waitMs = failure.retryAfterMs ?? RETRY_WAIT_MS
        if (!canRetry || !failure.retryable || waitMs + ANSWER_MS > fence.remainingMs) throw failure
        log.warn("upstream is asked again", { engine: NAME, code: failure.code, providerCode: failure.providerCode, waitMs })
        await fence.pause(waitMs)
      }
    }
  }

  function send(file: File, language: Language, fence: Fence): Promise<unknown> {
    const request = {
      file,
      model: MODEL,
      response_format: "verbose_json" as const,
      temperature: 0,
      ...(language !== "auto" && { language }),
    }
    // The SDK's timer is only there to be later than ours: without one it would take 60 s.
    return client.audio.transcriptions.create(request, { signal: fence.signal, timeout: Math.ceil(fence.remainingMs) + 1000 })
  }

  return {
    name: NAME,
    model: MODEL,
    concurrency: CONCURRENCY,
    async transcribe({ samples, language }, signal) {
      const audioMs = msFromSamples(samples.length)
      const limitMs = deadlineMs + audioMs * DEADLINE_PER_AUDIO
      if (signal.aborted || closing.signal.aborted) throw new EngineError("aborted", `${NAME}: given up by the caller`)
      if (samples.length < SHORTEST_SAMPLES) return { text: "", language: told(language), segments: [] }
      const fence = openFence({ signals: [signal, closing.signal], deadlineMs: limitMs, clock, name: NAME })
      try {
        const file = new File([wavHeader(samples.length), bytesFromSamples(samples) as Uint8Array<ArrayBuffer>], "audio.wav", {
          type: "audio/wav",
        })
        return transcriptOf(await ask(file, language, fence), { language, audioMs, noSpeechThreshold })
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

const Answer = z.object({
  text: z.string(),
  language: z.string().nullish(),
  segments: z
    .array(
      z.object({
        text: z.string(),
        start: z.number().nullish(),
        end: z.number().nullish(),
        avg_logprob: z.number().nullish(),
        no_speech_prob: z.number().nullish(),
      }),
    )
    .nullish(),
})
type Answer = z.infer<typeof Answer>

/** The SDK gives a string where the answer had no content type. */
function readAnswer(body: unknown): Answer {
  const { data } = Answer.safeParse(typeof body === "string" ? JSON.parse(body) : body)
  // Not zod's own error: it quotes what it read.
  if (!data) throw new UnreadableAnswer("not a transcription")
  return data
}

interface Asked {
  readonly language: Language
  readonly audioMs: number
  readonly noSpeechThreshold: number
}

function transcriptOf(answer: Answer, { language, audioMs, noSpeechThreshold }: Asked): Transcript {
  const segments: Segment[] = (answer.segments ?? []).map((segment) => ({
    text: segment.text,
    startMs: Math.round((segment.start ?? 0) * 1000),
    endMs: Math.round((segment.end ?? audioMs / 1000) * 1000),
    avgLogprob: segment.avg_logprob ?? null,
    noSpeechProb: segment.no_speech_prob ?? null,
  }))
  const spoken = withoutSilence(segments, noSpeechThreshold, openAiSilence)
  const texts = spoken.length < segments.length ? spoken.map((segment) => segment.text) : [answer.text]
  return { text: joinTexts(texts), language: told(language) ?? languageCode(answer.language ?? ""), segments: spoken }
}

function told(language: Language): string | null {
  return language === "auto" ? null : language
}
