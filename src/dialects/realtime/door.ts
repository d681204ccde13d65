/**
 * The way in for OpenAI's realtime clients that only transcribe. Whatever they wish of a model is heard by the one that is here.
 * A refusal is OpenAI's envelope.
 */
import { SOCKET_MESSAGE_MAX, type SocketDoor } from "../door.ts"
import { isServed } from "../model-names.ts"
import { noSuchModel } from "../openai/models.ts"
import { wordRefusal } from "../openai/refusal.ts"
import { createRealtime } from "./realtime.ts"
import { newSession } from "./settings.ts"

/** Of the older wire: in its header, or among the subprotocols where a page cannot set one. */
const BETA = "realtime=v1"
const BETA_SUBPROTOCOL = "openai-beta.realtime-v1"

export const realtimeDoor: SocketDoor = {
  name: "realtime",
  paths: ["/v1/realtime", "/openai/v1/realtime"],
  messageMax: SOCKET_MESSAGE_MAX,
  open(asking, defaults) {
    const { query, header } = asking
    const said = (name: string) => query.get(name) || undefined
    const refuse = (field: string, message: string) => {
      const refusal = wordRefusal({ reason: "bad_request", status: 400, message, field }, asking)
      return { ok: false, refusal } as const
    }
    if (said("call_id")) return refuse("call_id", "this server transcribes and holds no calls")
    if ((said("intent") ?? "transcription") !== "transcription") return refuse("intent", "intent must be transcription")
    const model = said("transcription_model") ?? said("model")
    if (model && !isServed(model, defaults)) return { ok: false, refusal: wordRefusal(noSuchModel().refusal, asking) }
    const language = said("language")
    const opened = newSession(defaults.language, model || language ? { model, language } : null)
    if (!opened.ok) return refuse("language", opened.message)
    const beta =
      header("openai-beta")?.includes(BETA) ||
      header("sec-websocket-protocol")
        ?.split(/\s*,\s*/)
        .includes(BETA_SUBPROTOCOL) ||
      false
    const options = { ...opened, beta, serves: (name: string) => isServed(name, defaults) }
    return { ok: true, label: "realtime", dialect: () => createRealtime(options), paced: false, facts: { wire: beta ? "beta" : "ga" } }
  },
  refuse: wordRefusal,
}
