/**
 * What every child process of this program does with its life: it is deaf to signals meant for the server, tells what broke it,
 * and ends with its server. Knows nothing of what the child is for, and loads no native code of others.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { openLibc } from "./libc.ts"

/** Where the kernel cannot be asked to end the child with the server, the child looks for it so often. */
const LOOK_MS = 1_000

/**
 * To be called first. `talk` is how the server speaks with it: over Bun's channel, or over its stdin and stdout, where it has to
 * see the end by itself while it reads. Throws if this process was started by hand.
 */
export function liveAsChild(talk: "channel" | "pipes" = "channel"): void {
  if (talk === "channel" ? !process.send : process.stdin.isTTY) throw new Error("this process is started by xrx-stt itself")
  // Ctrl-C and systemd signal the whole group; the server decides when its children may go, so that a drain loses no word.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})
  process.on("disconnect", () => process.exit(0))
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      process.stderr.write(`${event}: ${whereabouts(error)}\n`)
      process.exit(1)
    })
  }
  endWithParent(talk === "channel")
  goBeforeServer()
}

/** Of 1000: more than what the largest server weighs. */
const OOM_SCORE = 600

/** When memory is short the kernel takes a child, which is started again, rather than the server with all its clients. */
function goBeforeServer() {
  const file = "/proc/self/oom_score_adj"
  try {
    writeFileSync(file, String(Math.min(1000, Number(readFileSync(file, "utf8")) + OOM_SCORE)))
  } catch {
    // Not Linux, or not allowed: then the kernel decides by size.
  }
}

/**
 * The channel, or the end of stdin, tells that the server is gone, but not to a child that is deep in native code, and a server
 * killed at a bad moment was seen to leave one that span for ever and never heard of it.
 */
function endWithParent(hasChannel: boolean) {
  const parent = process.ppid
  openLibc()?.killWithParent()
  const look = () => {
    if (process.ppid !== parent || (hasChannel && process.connected === false)) process.exit(0)
  }
  look()
  setInterval(look, LOOK_MS).unref()
}

/** What was thrown and where, without its message, in which words could stand. */
export function whereabouts(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  return [error.name, error.stack?.split("\n").find((line) => /^\s+at /.test(line))].join(" ")
}
