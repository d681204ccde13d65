/** How many engines there are of those that there are to be, as the metrics tell it. Knows no process. */
import { engineRestarts, enginesReady, enginesWanted } from "../../metrics.ts"
import type { Ending } from "./engine-process.ts"

/** Why another one may be started in the place of one. */
const CAUSES: readonly (Ending["cause"] | "recycled")[] = ["exit", "signal", "timeout", "cancel", "refused", "spawn", "recycled"]

export interface Strength {
  tell(ready: number): void
  /** Nobody wants any more. */
  close(): void
}

export function watchStrength(wanted: number): Strength {
  // What begins with its first count has not risen: Prometheus would miss that one.
  for (const cause of CAUSES) engineRestarts.inc({ cause }, 0)
  const tell = (ready: number) => enginesReady.set(ready)
  enginesWanted.set(wanted)
  tell(0)
  return {
    tell,
    close() {
      enginesWanted.set(0)
      tell(0)
    },
  }
}
