/** A file that lies inside the executable: what is known of it, and its bytes. */

export interface EmbeddedFile {
  /** Relative to the extracted folder, with forward slashes. */
  readonly name: string
  /** Where its bytes are read from: a path inside the executable. */
  readonly path: string
  readonly sizeBytes: number
  /** In hexadecimal. */
  readonly sha256: string
}

export interface FileSet {
  /** The readable part of the folder's name. */
  readonly name: string
  readonly files: readonly EmbeddedFile[]
}

const CHUNK_BYTES = 4 * 1024 * 1024

/** The files' bytes in order, a few at a time: whole, they would double in the heap. */
export async function* chunksOf(file: EmbeddedFile): AsyncGenerator<Uint8Array> {
  const source = Bun.file(file.path)
  for (let start = 0; start < file.sizeBytes; start += CHUNK_BYTES) yield await source.slice(start, start + CHUNK_BYTES).bytes()
}
