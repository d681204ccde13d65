import { expect, test } from "bun:test"
import { replaceOnce } from "../../build.ts"

test("a place to rewrite must be there exactly once, or the build fails and names the file", () => {
  expect(replaceOnce('a require("x") b', 'require("x")', "$& $1", "x.js")).toBe("a $& $1 b")
  expect(() => replaceOnce("nothing here", 'require("x")', "y", "x.js")).toThrow('x.js: require("x") was found 0 times, must be once')
  expect(() => replaceOnce("x x", /x/, "y", "x.js")).toThrow("x.js: /x/ was found 2 times, must be once")
})
