/**
 * The page of a built file in a browser, for the tests to run where there is no network: `bun offline-page.ts BUILT_FILE`. Plays the
 * sample and prints, as JSON, the words that stand then, and what openTab saw.
 */
import { openTab, wordsOf } from "./browser.ts"
import { makeHome, serveIn } from "./built-file.ts"

const home = await makeHome(Bun.argv[2] ?? "")
const served = await serveIn(home, home.env)
try {
  await using tab = await openTab(served.url)
  const { page, complaints, strangers } = tab
  await page.goto(served.url.href)
  await page.click("#sample")
  await page.waitForSelector("#status:text-is('Done.')", { timeout: 30_000 })
  console.log(JSON.stringify({ words: await wordsOf(page), complaints, strangers }))
} finally {
  await served.stop()
  await home.remove()
}
