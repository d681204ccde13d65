/**
 * Tells systemd how the server does, by the datagrams of sd_notify(3), if systemd started it and wants to know. Knows no server.
 */
import { openLibc } from "../binary/libc.ts"
import { type Clock, realClock } from "../clock.ts"
import type { Log } from "../log.ts"
import type { Environment } from "../settings.ts"

export interface ServiceManager {
  /** Listening, but not ready yet: a model that is downloaded may take longer than a unit's start may. */
  loading(): void
  ready(): void
  /** May take so long, in ms, whatever the unit says. */
  draining(deadlineMs: number): void
  /** Nothing is told afterwards. Idempotent. */
  close(): void
}

/** What systemd tells its services; their children are none. */
const VARIABLES = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]

/** How often it is told that loading goes on, and for how much longer than that it then waits. */
const LOADING_MS = 10_000
const PATIENCE_MS = 30_000

/** Beyond a drain's deadline: engines are closed, and the log is written. */
const CLOSING_MS = 5_000

export interface ServiceManagerOptions {
  readonly env: Environment
  readonly log: Log
  readonly pid?: number
  readonly clock?: Clock
}

/** Where nobody wants to know, it does nothing. */
export function openServiceManager({ env, log, pid = process.pid, clock = realClock }: ServiceManagerOptions): ServiceManager {
  const { NOTIFY_SOCKET: path } = env
  const watchdogMs = watchdogOf(env, pid)
  let isHeard = path !== undefined && path !== ""
  let cancelLoading = () => {}
  let cancelWatchdog = () => {}

  function tell(...lines: readonly string[]) {
    if (!isHeard || path === undefined || openLibc()?.sendDatagram(path, lines.join("\n"))) return
    isHeard = false
    log.warn("the service manager does not hear us", { reason: "NOTIFY_SOCKET takes no datagram" })
  }

  function loading() {
    tell("STATUS=loading the model", `EXTEND_TIMEOUT_USEC=${PATIENCE_MS * 1000}`)
    if (isHeard) cancelLoading = clock.after(LOADING_MS, loading)
  }

  function beat() {
    tell("WATCHDOG=1")
    if (isHeard && watchdogMs) cancelWatchdog = clock.after(watchdogMs / 2, beat)
  }

  if (watchdogMs) beat()
  return {
    loading,
    ready() {
      cancelLoading()
      tell("READY=1", "STATUS=ready")
    },
    draining(deadlineMs) {
      cancelLoading()
      tell("STOPPING=1", "STATUS=draining", `EXTEND_TIMEOUT_USEC=${(deadlineMs + CLOSING_MS) * 1000}`)
    },
    close() {
      isHeard = false
      cancelLoading()
      cancelWatchdog()
    },
  }
}

/** Within which it wants to hear that the event loop turns; undefined if it does not. */
function watchdogOf({ WATCHDOG_USEC: usec, WATCHDOG_PID: whose }: Environment, pid: number): number | undefined {
  const ms = Number(usec) / 1000
  return ms > 0 && (whose === undefined || Number(whose) === pid) ? ms : undefined
}

/** The environment of children. */
export function withoutServiceManager(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !VARIABLES.includes(name)))
}
