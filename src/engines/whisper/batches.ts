/** Which pieces can be written together. Pure; knows only what their decoding begins with. */
import type { Row } from "./decode.ts"

/**
 * The items in groups of at most `most`, those first that came first: a group begins with prompts of one length and detects the language
 * of all or of none; whoever brings a draft or a context is alone.
 */
export function batchesOf<Item>(items: readonly Item[], rowOf: (item: Item) => Row, most: number): Item[][] {
  const batches: Item[][] = []
  const growing = new Map<string, Item[]>()
  for (const item of items) {
    const { draft, context, language, prompt } = rowOf(item)
    const alone = draft !== null || context !== undefined
    const kind = `${language === null} ${prompt.length}`
    const batch = growing.get(kind)
    if (!alone && batch !== undefined && batch.length < most) {
      batch.push(item)
      continue
    }
    const opened = [item]
    batches.push(opened)
    if (!alone) growing.set(kind, opened)
  }
  return batches
}
