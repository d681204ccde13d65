/** How much a text repeats itself. Pure. */
import { deflateSync } from "node:zlib"

/** Bytes of the text by bytes of its zlib, as OpenAI counts it: "" has 0, a sentence about 1, and above 2.4 it goes round in circles. */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text.trim())
  return bytes.length / deflateSync(bytes).length
}
