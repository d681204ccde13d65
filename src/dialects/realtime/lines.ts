/**
 * What this wire says, as texts: every event with an id of its own, and of each item what was committed, its words as they come to
 * stand, and how it ended. Deltas, joined, are the transcript. Decides nothing about when.
 */
import type { FinalEvent } from "../../speech/events.ts"
import { joinTexts } from "../../speech/transcript.ts"
import type { Item } from "./items.ts"

type Fields = Readonly<Record<string, unknown>>

export interface Lines {
  /** Of an event that belongs to no item. */
  line(type: string, fields?: Fields): string
  createItem(): Item
  /** That its audio is complete; nothing the second time. `beta`: as the older wire says it. */
  committed(item: Item, beta: boolean): readonly string[]
  /** What of `text`, the segment after those that are final, was not told yet. */
  delta(item: Item, text: string): readonly string[]
  /** The same of a segment that is final. */
  final(item: Item, event: FinalEvent): readonly string[]
  /** Its transcript, whose audio ended at `endMs`; or that it has none. */
  ended(item: Item, endMs: number): readonly string[]
}

/** `session` makes the ids unique beyond this client. */
export function createLines(session: string): Lines {
  const root = session.replaceAll("-", "").slice(0, 16)
  let events = 0
  let items = 0
  let lastCommitted: string | null = null

  function line(type: string, fields: Fields = {}): string {
    return JSON.stringify({ type, event_id: `event_${root}_${events++}`, ...fields })
  }

  function transcription(kind: string, item: Item, fields: Fields): string {
    return line(`conversation.item.input_audio_transcription.${kind}`, { item_id: item.id, content_index: 0, ...fields })
  }

  function delta(item: Item, text: string): readonly string[] {
    const delta = joinTexts([...item.texts, text]).slice(item.said.length)
    item.said += delta
    return delta === "" ? [] : [transcription("delta", item, { delta })]
  }

  return {
    line,
    createItem: () => ({
      id: `item_${root}_${items++}`,
      said: "",
      texts: [],
      languages: new Set(),
      startMs: null,
      committed: false,
      failure: undefined,
    }),
    committed(item, beta) {
      if (item.committed) return []
      item.committed = true
      const previous = { previous_item_id: lastCommitted }
      lastCommitted = item.id
      const content = [{ type: "input_audio", transcript: null }]
      const body = { id: item.id, object: "realtime.item", type: "message", status: "completed", role: "user", content }
      return [
        line("input_audio_buffer.committed", { item_id: item.id, ...previous }),
        ...(beta ? ["created"] : ["added", "done"]).map((kind) => line(`conversation.item.${kind}`, { ...previous, item: body })),
      ]
    },
    delta,
    final(item, { text, startMs, language }) {
      item.startMs ??= startMs
      if (language !== null && text !== "") item.languages.add(language)
      const told = delta(item, text)
      item.texts.push(text)
      return told
    },
    ended(item, endMs) {
      if (item.failure) {
        const { code, message } = item.failure
        return [transcription("failed", item, { error: { type: "transcription_error", code, message, param: null } })]
      }
      const seconds = Math.max(0, Math.round(endMs - (item.startMs ?? endMs))) / 1000
      const languages = [...item.languages].map((code) => ({ code }))
      return [transcription("completed", item, { transcript: item.said, languages, usage: { type: "duration", seconds } })]
    },
  }
}
