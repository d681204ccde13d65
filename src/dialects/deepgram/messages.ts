/** The JSON texts of a client of Deepgram's live wire. Pure. What is none of them asks for nothing, as Deepgram has it. */
import { z } from "zod"
import { CONTROL_CHARACTERS_MAX } from "../controls.ts"

/** Each for itself, and what it does. */
export const MESSAGES = {
  KeepAlive: z.object({ type: z.literal("KeepAlive") }).describe("keeps the stream open while no audio comes"),
  Finalize: z.object({ type: z.literal("Finalize") }).describe("ends the open utterance now"),
  CloseStream: z.object({ type: z.literal("CloseStream") }).describe("ends the stream: everything said so far is answered"),
}

const Message = z.discriminatedUnion("type", [MESSAGES.KeepAlive, MESSAGES.Finalize, MESSAGES.CloseStream])

export type Message = z.output<typeof Message>["type"]

export function readMessage(text: string): Message | undefined {
  if (text.length > CONTROL_CHARACTERS_MAX) return undefined
  try {
    return Message.safeParse(JSON.parse(text)).data?.type
  } catch {
    return undefined
  }
}
