/** The processes of the programs under test, as Linux tells of them. */
import { readdirSync, readFileSync } from "node:fs"

/** Those whose parent is `pid`. */
export function childrenOf(pid: number): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      return readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.split(" ")[1] === String(pid)
    } catch {
      return false
    }
  })
}
