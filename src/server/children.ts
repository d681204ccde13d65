/**
 * What the processes of this program weigh beside the server: they hold the models. Linux only, elsewhere none is seen. Knows no
 * process by more than the word that it was started with.
 */
import { readdir, readFile } from "node:fs/promises"
import { childBytes, childProcesses } from "../metrics.ts"

/** Of every Linux that Bun runs on with 4 KiB pages; with larger ones `statm` counts those. */
const PAGE_BYTES = 4096

interface Child {
  /** As main.ts sorts them: engine, vad, decode. */
  readonly kind: string
  readonly bytes: number
}

/** Sets the metrics to what is there now. Never rejects. */
export async function lookAtChildren(): Promise<void> {
  const children = await childrenHere().catch(() => [])
  childBytes.reset()
  childProcesses.reset()
  for (const { kind, bytes } of children) {
    childBytes.inc({ kind }, bytes)
    childProcesses.inc({ kind })
  }
}

/** A process belongs to the thread that started it. */
async function childrenHere(): Promise<Child[]> {
  const threads = await readdir("/proc/self/task")
  const lists = await Promise.all(threads.map((id) => readFile(`/proc/self/task/${id}/children`, "utf8").catch(() => "")))
  const ids = lists.flatMap((list) => list.split(" ").filter((id) => id !== ""))
  const children = await Promise.all(ids.map((id) => childAt(id).catch(() => null)))
  return children.filter((child) => child !== null)
}

/** Null if it is none of this program's own. */
async function childAt(id: string): Promise<Child | null> {
  const [commandLine, statm] = await Promise.all([readFile(`/proc/${id}/cmdline`, "utf8"), readFile(`/proc/${id}/statm`, "utf8")])
  const kind = /\0__(\w+)\0?$/.exec(commandLine)?.[1]
  return kind === undefined ? null : { kind, bytes: Number(statm.split(" ")[1]) * PAGE_BYTES }
}
