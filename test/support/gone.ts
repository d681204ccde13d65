/** What becomes of processes that are not our children: there is no event to wait on. */

/** Whether it ended, within some seconds. */
export async function isGone(pid: number): Promise<boolean> {
  for (let turn = 0; turn < 200; turn++) {
    try {
      process.kill(pid, 0)
    } catch {
      return true
    }
    await Bun.sleep(25)
  }
  return false
}
