/**
 * What operators and load balancers ask: is it alive, may it get work, how much does it do. Knows nothing of what is said.
 */
import { collectDefaultMetrics } from "prom-client"
import { type Engine, EngineError } from "../engines/engine.ts"
import { registry } from "../metrics.ts"
import { lookAtChildren } from "./children.ts"

export interface Readiness {
  /** Why the engine cannot answer now, in one line; undefined if it can. */
  whyNot(): Promise<string | undefined>
}

/** Asks the engine at each look, one question at a time: an engine that was ready may have lost all its processes since. */
export function watchReadiness(engine: Engine): Readiness {
  let asked: Promise<string | undefined> | undefined
  let wasReady = false

  async function ask(): Promise<string | undefined> {
    try {
      await engine.ready()
      wasReady = true
      return undefined
    } catch (thrown) {
      return thrown instanceof EngineError ? thrown.message : "the engine failed"
    } finally {
      asked = undefined
    }
  }

  return {
    whyNot() {
      asked ??= ask()
      // Whoever can answer says so before anything else happens.
      const waits = wasReady ? "all engine processes have ended, and are started again" : "the engine is still loading"
      const loading = new Promise<string>((resolve) => setImmediate(resolve, waits))
      return Promise.race([asked, loading])
    },
  }
}

/** The event loop's delay is sampled at this interval. */
const LOOP_DELAY_SAMPLE_MS = 20

let collectingDefaults = false

/** Memory, processor time, open files and the delay of the event loop, of this process. Once for all servers in it. */
export function collectProcessMetrics(): void {
  if (collectingDefaults) return
  collectingDefaults = true
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_DELAY_SAMPLE_MS })
}

export async function metricsPage(): Promise<Response> {
  await lookAtChildren()
  return new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } })
}
