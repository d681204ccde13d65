/**
 * The embedded model's files as they lie in the executable. Empty when run from source: `build.ts` writes the list of
 * the folder `whisper-base` in here (imports of the files, their sizes and checksums).
 */
import type { EmbeddedFile } from "../../../binary/embedded-file.ts"

export const modelFiles: readonly EmbeddedFile[] = []
