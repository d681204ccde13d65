/**
 * The JSON text messages of a client in mode `events`: which there are, and what is wrong with one that is none of them. Pure.
 */
import { z } from "zod"
import { CONFIG_FIELDS } from "./config.ts"

/** A control with a long prompt fits many times over; parsing a long message would hold everybody else up. */
export const CONTROL_CHARACTERS_MAX = 16_384

const REF_CHARACTERS_MAX = 200

const TYPES = ["config", "commit", "clear", "keepalive", "close"] as const

/** The wishes of a `config` stand beside these and are read by config.ts. */
const Control = z.looseObject({
  type: z.enum(TYPES),
  ref: z.string().max(REF_CHARACTERS_MAX).optional().describe("comes back in the event that this control causes"),
  mode: z.literal("events").optional().describe("cannot change on an open socket"),
})

/** Each control for itself, as its client writes it. */
export const CONTROLS = {
  config: control("config", "changes the parameters that stand beside it, all or nothing").extend(z.object(CONFIG_FIELDS).partial().shape),
  commit: control("commit", "ends the open utterance now, even an empty one"),
  clear: control("clear", "forgets the open utterance and its audio; what ended before keeps its words"),
  keepalive: control("keepalive", "nothing: silent sockets stay open as long as they answer pings"),
  close: control("close", "ends the stream: everything said so far is answered, then `done` comes and the server closes"),
}

function control<Type extends Control["type"]>(type: Type, meaning: string) {
  return Control.pick({ ref: true })
    .extend({ type: z.literal(type) })
    .describe(meaning)
}

export type Control = z.output<typeof Control>

export interface ControlError {
  readonly code: "bad_message" | "bad_parameter" | "too_late"
  /** One line; repeats nothing of the message. */
  readonly message: string
  readonly ref?: string | undefined
}

const WRONG: Readonly<Record<string, ControlError>> = {
  type: { code: "bad_message", message: `type must be one of ${TYPES.join(", ")}` },
  ref: { code: "bad_message", message: `ref must be text of at most ${REF_CHARACTERS_MAX} characters` },
  mode: { code: "too_late", message: "mode cannot change on an open socket" },
}

const NO_OBJECT: ControlError = { code: "bad_message", message: 'a control is a JSON object such as {"type":"commit"}' }

const TOO_LONG: ControlError = { code: "bad_message", message: `a control has at most ${CONTROL_CHARACTERS_MAX} characters` }

/** A control, or the fault of the first of its fields that is wrong. */
export function readControl(text: string): { readonly control: Control } | { readonly error: ControlError } {
  if (text.length > CONTROL_CHARACTERS_MAX) return { error: TOO_LONG }
  const message = parsed(text)
  const result = Control.safeParse(message)
  if (result.success) return { control: result.data }
  const wrong = WRONG[String(result.error.issues[0]?.path[0])] ?? NO_OBJECT
  return { error: { ...wrong, ref: Control.pick({ ref: true }).safeParse(message).data?.ref } }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
