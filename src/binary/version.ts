/** What this program calls itself. `build.ts` writes version and commit into the executable. */
import { version as packageVersion } from "../../package.json"

declare const XRX_STT_COMMIT: string | undefined

/** As in package.json; in a built file with the commit behind it, `0.1.0+3c8f52f`, if that was known. */
export const version: string =
  typeof XRX_STT_COMMIT === "string" && XRX_STT_COMMIT !== "" ? `${packageVersion}+${XRX_STT_COMMIT}` : packageVersion
