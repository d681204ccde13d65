/**
 * Tells the single file from a run of the sources. The only place that knows what a path inside the executable looks like.
 */

/** The virtual folder in which Bun shows the files of an executable; the second form is that of Windows. */
const BUNFS_ROOTS = ["/$bunfs/", "B:/~BUN/", "B:\\~BUN\\"]

/** True if this program runs as the built executable, false if Bun runs the sources. */
export const isCompiled: boolean = BUNFS_ROOTS.some((root) => import.meta.path.startsWith(root))
