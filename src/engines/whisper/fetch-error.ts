/**
 * Why a part of a model could not be fetched, before it becomes the one line for the operator (`models.ts`). The border:
 * what the network, the hub and the disk do. A caller that gave up is not among it.
 */
export type FetchFault =
  /** No answer, a cut or stalled connection, or a hub in trouble, also after every retry. */
  | "network"
  /** The hub does not know it or does not show it to everybody. */
  | "not_public"
  /** What came is not what the hub lists. */
  | "contents"
  /** The cache folder cannot hold it. */
  | "disk"

export class FetchError extends Error {
  override readonly name = "FetchError"
  readonly fault: FetchFault

  constructor(fault: FetchFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.fault = fault
  }
}

/** What a failed call was about, in a few words of ours: never a body that the other side sent. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error)
  if (code !== undefined && code in REASONS) return `${REASONS[code]} (${code})`
  return code ?? (error instanceof Error ? error.name : "unknown failure")
}

export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined
  return typeof error.code === "string" ? error.code : undefined
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection cut",
  ENOTFOUND: "host name not found",
  EAI_AGAIN: "host name not found",
  ETIMEDOUT: "connection timed out",
  ENOSPC: "no space left on the disk",
  EDQUOT: "disk quota reached",
  EFBIG: "file too large for this disk",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "read-only file system",
  SQLITE_CANTOPEN: "its lock cannot be made",
}
