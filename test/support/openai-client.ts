/** The real clients of OpenAI and Groq, at a real server that hears by a script. */
import { expect } from "bun:test"
import Groq from "groq-sdk"
import OpenAI from "openai"
import type { ServerOptions } from "../../src/server/server.ts"
import { createScriptedRecordings, type RecordingsScript } from "./scripted-recordings.ts"
import { serve } from "./server.ts"

export function startForOpenAi(script: RecordingsScript = {}, options: Partial<ServerOptions> = {}) {
  const recordings = createScriptedRecordings(script)
  const { server, tap } = serve({ recordings, ...options })
  const openai = new OpenAI({ apiKey: "sk-of-nobody", baseURL: new URL("/v1", server.url).href, maxRetries: 0 })
  const groq = new Groq({ apiKey: "gsk-of-nobody", baseURL: server.url.href, maxRetries: 0 })
  return { recordings, tap, openai, groq, url: server.url }
}

/** Seconds of one sample value each, as a file of the scripted decoder, which says "word N" to each stretch that holds an N. */
export function bytes(...seconds: [value: number, seconds: number][]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(seconds.flatMap(([value, length]) => new Array<number>(length * 100).fill(value)))
}

export const file = (...seconds: [value: number, seconds: number][]) => new File([bytes(...seconds)], "speech.wav", { type: "audio/wav" })

/** Four minutes in three parts. */
export const LONG = file([10, 110], [0, 4], [20, 110], [0, 4], [30, 30])
export const LONG_TEXT = "word 10 word 20 word 30"

export const model = "whisper-1"

/** What the client throws. */
export async function failure(asked: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const thrown = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(thrown).toBeInstanceOf(OpenAI.APIError)
  return thrown as InstanceType<typeof OpenAI.APIError>
}
