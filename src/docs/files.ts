/** What the descriptions of the interface are as files. Knows no server. */
import { asyncApi } from "./asyncapi.ts"
import { openApi } from "./openapi.ts"
import { docsPage } from "./page.ts"

export interface DocsFile {
  /** Where it is served. */
  readonly path: string
  readonly type: string
  readonly text: string
}

/** `version`: of this program. */
export function docsFiles(version: string): readonly DocsFile[] {
  const [rest, live] = [openApi(version), asyncApi(version)]
  const json = (path: string, document: unknown) => ({ path, type: "application/json; charset=utf-8", text: JSON.stringify(document) })
  return [
    { path: "/docs", type: "text/html; charset=utf-8", text: docsPage(rest, live) },
    json("/openapi.json", rest),
    json("/asyncapi.json", live),
  ]
}
