/** Preloaded into a program: writes the files of all modules that it has loaded to LOADED_MODULES, when it ends. */
import { writeFileSync } from "node:fs"

process.on("exit", () => writeFileSync(process.env.LOADED_MODULES ?? "", Object.keys(require.cache).join("\n")))
