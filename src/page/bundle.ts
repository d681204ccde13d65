/**
 * Makes the files that a browser gets of the sources beside it. Run by the build, and at the first look when run from source.
 * Knows no server.
 */
import { join } from "node:path"
import { version } from "../../package.json"
import { docsFiles } from "../docs/files.ts"
import type { PageFile } from "./built.ts"

const HERE = import.meta.dir

/** Each becomes one file with all that it imports. The microphone's runs in a thread of its own, where nothing can be imported. */
const SCRIPTS = ["talk", "status", "docs", "microphone"]

const ASSETS: readonly { readonly file: string; readonly path: string; readonly type: string }[] = [
  { file: "talk.html", path: "/", type: "text/html; charset=utf-8" },
  { file: "status.html", path: "/status", type: "text/html; charset=utf-8" },
  { file: "docs.css", path: "/page/docs.css", type: "text/css; charset=utf-8" },
  { file: "page.css", path: "/page/page.css", type: "text/css; charset=utf-8" },
  { file: "icon.svg", path: "/page/icon.svg", type: "image/svg+xml" },
]

/** @throws AggregateError if a script does not compile */
export async function bundlePage(): Promise<PageFile[]> {
  const result = await Bun.build({
    entrypoints: SCRIPTS.map((name) => join(HERE, "browser", `${name}.ts`)),
    target: "browser",
    format: "esm",
    minify: true,
  })
  if (!result.success) throw new AggregateError(result.logs, "the page was not built")
  const scripts = result.outputs.map(async (output, index): Promise<PageFile> => {
    return { path: `/page/${SCRIPTS[index]}.js`, type: "text/javascript; charset=utf-8", text: await output.text() }
  })
  const assets = ASSETS.map(async ({ file, path, type }): Promise<PageFile> => {
    return { path, type, text: await Bun.file(join(HERE, "assets", file)).text() }
  })
  return Promise.all([...scripts, ...assets, ...docsFiles(version)])
}
