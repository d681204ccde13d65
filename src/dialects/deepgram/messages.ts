/** The JSON texts of a client of Deepgram's live wire. Pure. What is none of them asks for nothing, as Deepgram has it. */
import { z } from "zod"
import { CONTROL_CHARACTERS_MAX } from "../controls.ts"

const Message = z.object({ type: z.enum(["KeepAlive", "Finalize", "CloseStream"]) })

export type Message = z.output<typeof Message>["type"]

export function readMessage(text: string): Message | undefined {
  if (text.length > CONTROL_CHARACTERS_MAX) return undefined
  try {
    return Message.safeParse(JSON.parse(text)).data?.type
  } catch {
    return undefined
  }
}
