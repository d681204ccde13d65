/**
 * The form of an upload as OpenAI's and Groq's clients send it: its fields by name, and the bytes of its file, in whatever
 * order they come. Knows no field by its meaning, and nothing of what is in the file.
 */
import { Busboy, type BusboyInstance } from "@fastify/busboy"
import { type HttpCall, Refused } from "../door.ts"

export interface Form {
  /** By name without a trailing `[]`, each with its values in order. */
  readonly fields: ReadonlyMap<string, readonly string[]>
  /** The bytes of the part `file`, in the pieces in which they came; null if there was no such part. */
  readonly file: readonly Uint8Array[] | null
}

export const FILE = "file"

/** More than any client sends, and each kept value is short. */
const PARTS_MAX = 200
const FIELD_BYTES_MAX = 64 * 1024
const HEADER_BYTES_MAX = 16 * 1024

/** Throws Refused: `bad_request` if the body is no whole form, and what the body itself throws. */
export async function readForm({ header, keep }: Pick<HttpCall, "header" | "keep">): Promise<Form> {
  const fields = new Map<string, string[]>()
  let file: Uint8Array[] | null = null
  const busboy = readerFor(header("content-type"))
  const failed = Promise.withResolvers<never>()
  const done = new Promise<void>((resolve) => void busboy.on("finish", resolve))
  busboy.on("error", () => failed.reject(broken()))
  busboy.on("partsLimit", () => failed.reject(wrong(`more than ${PARTS_MAX} fields`)))
  busboy.on("field", (name: string | undefined, value, _, truncated) => {
    if (name === undefined) return
    if (truncated) return failed.reject(wrong(`${plain(name)} is too long`))
    const known = fields.get(plain(name)) ?? []
    fields.set(plain(name), [...known, value])
  })
  busboy.on("file", (name, stream) => {
    stream.on("error", () => failed.reject(broken()))
    if (name !== FILE || file) return void stream.resume()
    const pieces: Uint8Array[] = []
    file = pieces
    stream.on("data", (piece: Uint8Array) => pieces.push(piece))
  })
  // Nobody may be waiting when it fails.
  failed.promise.catch(() => {})
  for await (const chunk of keep()) {
    await Promise.race([
      new Promise((resolve) => busboy.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length), resolve)),
      failed.promise,
    ])
  }
  busboy.end()
  await Promise.race([done, failed.promise])
  return { fields, file }
}

function readerFor(contentType: string | null): BusboyInstance {
  if (contentType === null || !/^multipart\/form-data\s*(;|$)/i.test(contentType)) throw wrong("expected multipart/form-data")
  const limits = { parts: PARTS_MAX, fieldSize: FIELD_BYTES_MAX, headerSize: HEADER_BYTES_MAX }
  const isPartAFile = (name: string | undefined, _type: string | undefined, fileName: string | undefined) =>
    name === FILE || fileName !== undefined
  try {
    return new Busboy({ headers: { "content-type": contentType }, limits, isPartAFile })
  } catch {
    throw wrong("multipart/form-data without a boundary")
  }
}

function plain(name: string): string {
  return name.replace(/\[\]$/, "")
}

function broken(): Refused {
  return wrong("the form is broken or ends early")
}

function wrong(message: string): Refused {
  return new Refused({ reason: "bad_request", status: 400, message })
}
