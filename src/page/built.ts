/** The files of the page as the build wrote them: empty when run from source, where bundle.ts makes them. Knows nothing else. */

export interface PageFile {
  /** Where it is served. */
  readonly path: string
  readonly type: string
  readonly text: string
}

/** `build.ts` fills this list. */
export const BUILT_PAGE: readonly PageFile[] = []
