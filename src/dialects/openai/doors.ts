/**
 * The ways in for OpenAI's and Groq's clients, REST: transcripts of recordings, translations, the models, and whatever else they
 * ask for below their address, which we do not have. A refusal is OpenAI's envelope.
 */
import { joinParts } from "../../speech/transcript.ts"
import { type HttpCall, type HttpDoor, Refused, refusalOf } from "../door.ts"
import { isServed } from "../model-names.ts"
import type { RecordingPart } from "../recordings.ts"
import { bodyOf } from "./bodies.ts"
import { readForm } from "./form.ts"
import { listModels, noSuchModel } from "./models.ts"
import { wordRefusal as refuse } from "./refusal.ts"
import { readWishes, type Task } from "./request.ts"
import { streamOf } from "./stream.ts"

/** Groq's clients add `/openai/v1` themselves. */
function under(...paths: readonly string[]): string[] {
  return ["/v1", "/openai/v1"].flatMap((prefix) => paths.map((path) => prefix + path))
}

const transcriptions: HttpDoor = {
  name: "openai-transcriptions",
  methods: ["POST"],
  paths: under("/audio/transcriptions"),
  handle: (call) => answer(call, "transcribe"),
  refuse,
}

const translations: HttpDoor = {
  name: "openai-translations",
  methods: ["POST"],
  paths: under("/audio/translations"),
  handle: (call) => answer(call, "translate"),
  refuse,
}

const models: HttpDoor = { name: "openai-models", methods: ["GET"], paths: under("/models", "/models/*"), handle: listModels, refuse }

const unknown: HttpDoor = {
  name: "openai-unknown",
  methods: ["GET", "POST", "DELETE"],
  paths: under("/*"),
  handle() {
    throw new Refused({ reason: "not_found", status: 404, message: "there is nothing here" })
  },
  refuse,
}

export const openAiDoors: readonly HttpDoor[] = [transcriptions, translations, models, unknown]

async function answer(call: HttpCall, task: Task): Promise<Response> {
  const wishes = readWishes(await readForm(call), task, call.defaults.language)
  const { model, language, prompt } = wishes
  if (!isServed(model, call.defaults)) throw noSuchModel()
  const options = { language, prompt, words: wishes.words, translate: task === "translate" }
  const parts = await begun(call.recordings.transcribe(wishes.file, options, call.signal))
  // What the parts throw once we gave up is any kind of abort; the reason is the signal's.
  const { signal } = call
  return wishes.stream
    ? streamOf(parts, (thrown) => refusalOf(signal.aborted ? signal.reason : thrown))
    : bodyOf(joinParts(await Array.fromAsync(parts)), task, wishes)
}

/** The same, once its first part is there: until then a failure still has an HTTP status. */
async function begun(all: AsyncIterable<RecordingPart>): Promise<AsyncIterableIterator<RecordingPart>> {
  const parts = all[Symbol.asyncIterator]()
  let first: IteratorResult<RecordingPart> | undefined = await parts.next()
  const told: AsyncIterableIterator<RecordingPart> = {
    async next() {
      const next = first ?? (await parts.next())
      first = undefined
      return next
    },
    [Symbol.asyncIterator]: () => told,
  }
  return told
}
