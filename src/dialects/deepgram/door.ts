/**
 * The ways in for Deepgram's clients, at `/v1/listen`: live by a socket, recordings by POST. Whatever model they wish for is the
 * one that is here, unless the operator is strict. A refusal is Deepgram's: its body, and the headers in which its clients find
 * the request again.
 */
import type { z } from "zod"
import { type HttpDoor, type RefusalReason, refusalOf, SOCKET_MESSAGE_MAX, type SocketDoor, type WordRefusal } from "../door.ts"
import { createLive } from "./live.ts"
import { answerRecording } from "./recorded.ts"
import type { ListenError } from "./shapes.ts"
import { readLive } from "./wishes.ts"

const PATHS = ["/v1/listen"]

const CODES: Readonly<Record<RefusalReason, string>> = {
  full: "TOO_MANY_REQUESTS",
  draining: "SERVICE_UNAVAILABLE",
  origin: "FORBIDDEN",
  handshake: "Bad Request",
  method: "METHOD_NOT_ALLOWED",
  not_found: "NOT_FOUND",
  bad_request: "Bad Request",
  bad_audio: "Bad Request",
  too_large: "PAYLOAD_TOO_LARGE",
  timeout: "TIMEOUT",
  busy: "TOO_MANY_REQUESTS",
  unsupported: "UNSUPPORTED",
  engine: "SERVICE_UNAVAILABLE",
  internal: "INTERNAL_SERVER_ERROR",
}

/** Too many live streams have another status with Deepgram. */
const STATUS_FULL = 429

const refuse: WordRefusal = ({ reason, status, message }, { requestId }) =>
  Response.json({ err_code: CODES[reason], err_msg: message, request_id: requestId } satisfies z.output<typeof ListenError>, {
    status: reason === "full" ? STATUS_FULL : status,
    headers: { "dg-request-id": requestId, "dg-error": headerText(message) },
  })

export const listenSocketDoor: SocketDoor = {
  name: "deepgram",
  paths: PATHS,
  messageMax: SOCKET_MESSAGE_MAX,
  open(asking, defaults) {
    try {
      const wishes = readLive(asking.query, defaults)
      const { language, encoding, sample_rate: sampleRateHz } = wishes.config
      return {
        ok: true,
        label: "deepgram",
        dialect: () => createLive(wishes, defaults.provider),
        headers: { "dg-request-id": asking.requestId },
        paced: false,
        facts: wishes.container ? { language, container: "wav" } : { language, encoding, sampleRateHz },
      }
    } catch (thrown) {
      return { ok: false, refusal: refuse(refusalOf(thrown), asking) }
    }
  },
  refuse,
}

export const listenDoor: HttpDoor = { name: "deepgram-recordings", methods: ["POST"], paths: PATHS, handle: answerRecording, refuse }

/** A header holds printable ASCII only, or the whole answer is lost. */
function headerText(message: string): string {
  return message.replace(/[^\x20-\x7e]/g, "?")
}
