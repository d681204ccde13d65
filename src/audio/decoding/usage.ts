/** What a process has used so far, where the system says so: on Linux. Elsewhere nothing, and other limits have to do. */
import { readFileSync } from "node:fs"

export interface Usage {
  readonly residentBytes: number
  /** Since its start, in steps of 10 ms. */
  readonly cpuMs: number
}

const PAGE_BYTES = 4096
const TICK_MS = 10

/** Where they stand behind the name of the program, which may hold blanks. */
const USER_TICKS_AT = 11
const SYSTEM_TICKS_AT = 12
const RESIDENT_PAGES_AT = 21

/** Zeros for a process that is gone. */
export function usageOf(pid: number): Usage {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const at = (index: number) => Number(fields[index])
    return { residentBytes: at(RESIDENT_PAGES_AT) * PAGE_BYTES, cpuMs: (at(USER_TICKS_AT) + at(SYSTEM_TICKS_AT)) * TICK_MS }
  } catch {
    return { residentBytes: 0, cpuMs: 0 }
  }
}
