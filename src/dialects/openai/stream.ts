/**
 * The answer to `stream=true`: the words of a recording as server-sent events, part by part while it is heard. What was sent never
 * changes: the deltas, joined, are the text of the last event.
 */
import type { z } from "zod"
import type { Refusal } from "../door.ts"
import type { RecordingPart } from "../recordings.ts"
import type { ErrorAnswer, TextDelta, TextDone } from "./messages.ts"
import { errorBody } from "./refusal.ts"

type StreamEvent = z.output<typeof TextDelta> | z.output<typeof TextDone> | z.output<typeof ErrorAnswer>

/** `failure` names why `parts` threw. The server ends the parts of a reader that leaves. */
export function streamOf(parts: AsyncIterator<RecordingPart>, failure: (thrown: unknown) => Refusal): Response {
  let said = ""
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const send = (event: StreamEvent) => controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`))
      try {
        const { done, value } = await nextWithWords(parts)
        if (!done) {
          const delta = said === "" ? value.text : ` ${value.text}`
          said += delta
          return send({ type: "transcript.text.delta", delta })
        }
        send({ type: "transcript.text.done", text: said })
      } catch (thrown) {
        // To close in silence would look like a short recording.
        send({ error: errorBody(failure(thrown)) })
      }
      controller.close()
    },
  })
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" } })
}

/** A stretch of silence says nothing, not even an empty delta. */
async function nextWithWords(parts: AsyncIterator<RecordingPart>): Promise<IteratorResult<RecordingPart>> {
  for (;;) {
    const next = await parts.next()
    if (next.done || next.value.text !== "") return next
  }
}
