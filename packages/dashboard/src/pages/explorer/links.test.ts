import { expect, test } from "bun:test"
import { attachmentLinks } from "./links.ts"
import { nameOf } from "./open-by-name.tsx"

test("only web addresses become links", () => {
  const urls = ["javascript:alert(1)", "data:text/html,x", "//example.com/a", "file:///etc/passwd", "not an address"]
  for (const image_url of urls) expect(attachmentLinks([{ image_url }])[0]?.url).toBeNull()
  expect(attachmentLinks([{ image_url: "https://images.example/a.png" }])[0]?.url).toBe("https://images.example/a.png")
})

test("a bad address does not hide a good one", () => {
  const attachment = { asset_url: "javascript:alert(1)", title_link: "http://example.com/", type: "file" }
  expect(attachmentLinks([attachment])).toEqual([
    { key: "0 http://example.com/", type: "file", title: "http://example.com/", url: "http://example.com/" },
  ])
})

test("members of other types are not taken for texts", () => {
  expect(attachmentLinks([{ title: 7, image_url: ["https://example.com/"], type: null }])).toEqual([
    { key: "0 attachment", type: null, title: "attachment", url: null },
  ])
})

test("names are read as they are written", () => {
  expect(nameOf(" messaging:general ")).toEqual({ type: "messaging", id: "general" })
  expect(nameOf("messaging:!members-ab_1")).toEqual({ type: "messaging", id: "!members-ab_1" })
  expect(nameOf("user:who@example")).toEqual({ type: "user", id: "who@example" })
  for (const text of ["", "general", ":a", "a:", "a b:c", "a:b/c"]) expect(nameOf(text)).toBeNull()
})
