/** The memory of a process and all below it, as Linux counts it. Knows no server. */
import { readdir, readFile } from "node:fs/promises"

/**
 * The proportional set size in bytes: a page that several processes share counts once. Shares of processes outside the tree,
 * such as the bench itself, are not in it. Null where the system does not tell.
 */
export async function treeMemoryBytes(root: number): Promise<number | null> {
  if (process.platform !== "linux") return null
  const sizes = await Promise.all((await processTree(root)).map(pssBytes))
  return sizes.some((size) => size === null) ? null : sizes.reduce<number>((total, size) => total + (size ?? 0), 0)
}

/** The ids of `root` and all below it. On Linux only. */
export async function processTree(root: number): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = new Map(await Promise.all(pids.map(async (pid) => [pid, await parentOf(pid)] as const)))
  const tree = [root]
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child)
  return tree
}

async function parentOf(pid: number): Promise<number | null> {
  // The name, in parentheses, may hold anything; state and parent follow it.
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
  const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]
  return parent === undefined ? null : Number(parent)
}

/** The proportional set size of one process; null where the system does not tell, or if it is gone. */
export async function pssBytes(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "")
  const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(text) ?? []
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
}
