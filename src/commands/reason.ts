/** Why something failed, as one line that a person can act on. Knows the errors of our rooms and of the system. */
import { UnreadableAudio } from "../audio/files.ts"
import { EngineError } from "../engines/engine.ts"

const SYSTEM_REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "is a folder",
  EACCES: "may not be read by this user",
  EPERM: "may not be read by this user",
}

/** Of listening, where they mean something else. */
const LISTEN_REASONS: Readonly<Record<string, string>> = {
  EACCES: "ports below 1024 need the capability CAP_NET_BIND_SERVICE",
  EADDRNOTAVAIL: "this machine does not have that address",
}

export function reasonOf(error: unknown): string {
  if (error instanceof EngineError) return error.message
  if (error instanceof UnreadableAudio) return error.message
  const code = systemCode(error)
  const reasons = error instanceof Error && "syscall" in error && error.syscall === "listen" ? LISTEN_REASONS : SYSTEM_REASONS
  return (code && reasons[code]) ?? (error instanceof Error ? error.message : String(error))
}

/** The system's name of a failure (`ENOENT`), if it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined
}
