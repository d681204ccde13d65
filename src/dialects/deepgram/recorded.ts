/**
 * Deepgram's transcripts of recordings: the bytes of a file, or samples, are the body of the request. Knows no container and no
 * engine.
 */
import { EngineError } from "../../engines/engine.ts"
import { type Heard, joinParts } from "../../speech/transcript.ts"
import { type HttpCall, Refused } from "../door.ts"
import { answerBody } from "./answers.ts"
import { type RecordedWishes, readRecorded } from "./wishes.ts"

/** Of a recording whose channels are heard one by one. More are a concert, and each costs as much as a whole recording. */
const CHANNELS_MAX = 8

export async function answerRecording(call: HttpCall): Promise<Response> {
  const wishes = readRecorded(call.query, call.defaults)
  // Whoever has a server fetch an address sees the network that the server sees.
  if (/^application\/json\b/i.test(call.header("content-type") ?? "")) throw wrong("url is not supported: send the bytes of the recording")
  const { pieces, sha256 } = await readBody(call)
  const channels = await hearChannels(call, pieces, wishes)
  const { requestId, unixMs, defaults } = call
  const durationMs = Math.max(...channels.map((channel) => channel.durationMs))
  const hearer = { model: defaults.model, provider: defaults.provider }
  return Response.json(answerBody(channels, wishes, { requestId, unixMs, sha256, durationMs, channels: channels.length, hearer }), {
    headers: { "dg-request-id": requestId },
  })
}

async function readBody({ keep }: HttpCall) {
  const hasher = new Bun.CryptoHasher("sha256")
  const pieces: Uint8Array[] = []
  for await (const piece of keep()) {
    hasher.update(piece)
    pieces.push(piece)
  }
  if (pieces.every(({ length }) => length === 0)) throw wrong("the body is empty: send the bytes of the recording")
  return { pieces, sha256: hasher.digest("hex") }
}

async function hearChannels(call: HttpCall, pieces: readonly Uint8Array[], wishes: RecordedWishes): Promise<Heard[]> {
  if (!wishes.multichannel) return [await hear(call, pieces, wishes, "mix")]
  const channels = [await hear(call, pieces, wishes, 0)]
  const most = wishes.raw?.channels ?? CHANNELS_MAX
  while (channels.length < most) {
    const channel = await ifThere(hear(call, pieces, wishes, channels.length))
    if (!channel) break
    channels.push(channel)
  }
  return channels
}

/** A file says how many channels it has only by refusing the first that it lacks; what could be read once is not damaged. */
async function ifThere(heard: Promise<Heard>): Promise<Heard | undefined> {
  try {
    return await heard
  } catch (thrown) {
    if (thrown instanceof EngineError && thrown.code === "bad_audio") return undefined
    throw thrown
  }
}

async function hear(call: HttpCall, pieces: readonly Uint8Array[], wishes: RecordedWishes, channel: "mix" | number): Promise<Heard> {
  const { language, prompt, raw } = wishes
  const options = { language, prompt, words: true, ...(raw ? { raw: { ...raw, channel: sideOf(channel) } } : { channel }) }
  return joinParts(await Array.fromAsync(call.recordings.transcribe(pieces, options, call.signal)))
}

/** Raw samples have two channels at most. */
function sideOf(channel: "mix" | number): "mix" | 0 | 1 {
  return channel === "mix" || channel === 0 ? channel : 1
}

function wrong(message: string): Refused {
  return new Refused({ reason: "bad_request", status: 400, message })
}
