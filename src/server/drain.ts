/**
 * How a server leaves: everybody who is owed words gets them, then the door is shut; at the deadline it is shut on whoever is
 * left. Who is speaking may come to the end of the utterance: cut in two, its words would be torn. Knows no socket and no engine.
 */
import type { Clock } from "../clock.ts"

export const GOING_AWAY = { code: 1001, reason: "server shutting down" } as const

/** The share of a drain that speakers have to come to an end by themselves; the rest is for the words of all. */
export const PATIENCE = 0.5

export interface Leaving {
  /** Resolves once nobody is in the middle of an utterance. */
  betweenUtterances(): Promise<void>
  /** Takes nothing more. Resolves when every word owed has left this process, or when the client is gone. */
  finish(): Promise<void>
  /** Sends at once what was only held back for a while. */
  releaseReplies(): void
  close(code: number, reason: string): void
}

/** Resolves when all are closed, `deadlineMs` from now at the latest. Never rejects. */
export async function drainAll(clients: readonly Leaving[], { deadlineMs, clock }: { deadlineMs: number; clock: Clock }): Promise<void> {
  const overdue = Promise.withResolvers<void>()
  const cancelDeadline = clock.after(deadlineMs, overdue.resolve)
  const impatient = Promise.withResolvers<void>()
  const cancelPatience = clock.after(deadlineMs * PATIENCE, impatient.resolve)
  const open = new Set(clients)

  async function leave(client: Leaving) {
    await Promise.race([client.betweenUtterances(), impatient.promise])
    await client.finish()
    if (open.delete(client)) client.close(GOING_AWAY.code, GOING_AWAY.reason)
  }

  await Promise.race([Promise.all(clients.map(leave)), overdue.promise])
  cancelDeadline()
  cancelPatience()
  for (const client of open) {
    open.delete(client)
    client.releaseReplies()
    client.close(GOING_AWAY.code, GOING_AWAY.reason)
  }
}
