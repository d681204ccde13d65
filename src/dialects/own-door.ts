/**
 * The way in at `/api/v1/ws`: our own wire, in its three modes. A refusal is one plain line.
 */
import type { Config } from "./config.ts"
import type { Dialect } from "./dialect.ts"
import type { SocketDoor } from "./door.ts"
import { createEvents } from "./events.ts"
import { type Mode, parseQuery } from "./query.ts"
import { createXrxFrames, createXrxUtterances } from "./xrx.ts"

/** What the replaced service took. */
export const OWN_MESSAGE_MAX = 16 * 1024 * 1024

const DIALECTS: Record<Mode, (config: Config) => Dialect> = {
  utterance: createXrxUtterances,
  frames: createXrxFrames,
  events: createEvents,
}

export const ownDoor: SocketDoor = {
  name: "xrx",
  paths: ["/api/v1/ws"],
  messageMax: OWN_MESSAGE_MAX,
  // The replaced service asked for none, and its client sends none.
  keyless: true,
  open({ query }, defaults) {
    const parsed = parseQuery(query, defaults)
    if (!parsed.ok) return { ok: false, refusal: line(400, parsed.fault) }
    const { mode, config } = parsed.wishes
    const { language, encoding, sample_rate: sampleRateHz } = config
    return {
      ok: true,
      label: mode,
      dialect: () => DIALECTS[mode](config),
      paced: mode === "utterance",
      facts: { language, encoding, sampleRateHz },
    }
  },
  refuse: ({ status, message }) => line(status, message),
}

function line(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8" } })
}
