import { describe, expect, test } from "bun:test"
import { hostObjection, mayReach, normalHost, parseTarget, type Reach, reachOf } from "./addresses.ts"
import { limits } from "./limits.ts"

// What is refused here is refused everywhere: the first address of a range, its last, and the neighbours outside.
describe("case 62: whose address it is", () => {
  test.each([
    ["1.1.1.1", "public"],
    ["9.255.255.255", "public"],
    ["11.0.0.0", "public"],
    ["172.15.255.255", "public"],
    ["172.32.0.0", "public"],
    ["192.167.255.255", "public"],
    ["192.169.0.0", "public"],
    ["100.63.255.255", "public"],
    ["100.128.0.0", "public"],
    ["169.253.255.255", "public"],
    ["169.255.0.0", "public"],
    ["126.255.255.255", "public"],
    ["128.0.0.0", "public"],
    ["198.17.255.255", "public"],
    ["198.20.0.0", "public"],
    ["223.255.255.255", "public"],
    ["0.0.0.0", "private"],
    ["0.255.255.255", "private"],
    ["10.0.0.0", "private"],
    ["10.255.255.255", "private"],
    ["100.64.0.0", "private"],
    ["100.127.255.255", "private"],
    ["127.0.0.1", "private"],
    ["127.255.255.255", "private"],
    ["172.16.0.0", "private"],
    ["172.31.255.255", "private"],
    ["192.0.0.1", "private"],
    ["192.0.2.1", "private"],
    ["192.88.99.1", "private"],
    ["192.168.0.0", "private"],
    ["192.168.255.255", "private"],
    ["198.18.0.0", "private"],
    ["198.19.255.255", "private"],
    ["198.51.100.7", "private"],
    ["203.0.113.7", "private"],
    ["169.254.0.0", "never"],
    ["169.254.169.254", "never"],
    ["169.254.255.255", "never"],
    ["100.100.100.200", "never"],
    ["168.63.129.16", "never"],
    ["192.0.0.192", "never"],
    ["224.0.0.1", "never"],
    ["239.255.255.255", "never"],
    ["240.0.0.1", "never"],
    ["255.255.255.255", "never"],
    ["2606:4700:4700::1111", "public"],
    ["2a00::1", "public"],
    ["::", "private"],
    ["::1", "private"],
    ["::2", "private"],
    ["100::1", "private"],
    ["fc00::1", "private"],
    ["fdff::1", "private"],
    ["fec0::1", "private"],
    ["2001:db8::1", "private"],
    ["2001:2::1", "private"],
    ["2001:10::1", "private"],
    ["3fff::1", "private"],
    ["5f00::1", "private"],
    ["4000::1", "private"],
    ["fe80::1", "never"],
    ["febf::1", "never"],
    ["ff02::1", "never"],
    ["fd00:ec2::254", "never"],
    ["fd20:ce::254", "never"],
    // IPv4 within: mapped, compatible, translated, 6to4, Teredo (server, then the client turned over).
    ["::ffff:127.0.0.1", "private"],
    ["::ffff:7f00:1", "private"],
    ["::ffff:1.1.1.1", "private"],
    ["::ffff:169.254.169.254", "never"],
    ["::127.0.0.1", "private"],
    ["::169.254.169.254", "never"],
    ["::ffff:0:127.0.0.1", "private"],
    ["64:ff9b::1.1.1.1", "public"],
    ["64:ff9b::10.0.0.1", "private"],
    ["64:ff9b::169.254.169.254", "never"],
    ["64:ff9b:1::1.1.1.1", "private"],
    ["64:ff9b:1::169.254.169.254", "never"],
    ["2002:0101:0101::1", "private"],
    ["2002:7f00:0001::1", "private"],
    ["2002:a9fe:a9fe::1", "never"],
    ["2001:0:a9fe:a9fe::1", "never"],
    ["2001:0:0101:0101::5601:5601", "never"],
    ["2001:0:0101:0101::80ff:fffe", "private"],
    // No addresses, or not in their usual spelling.
    ["fe80::1%eth0", "never"],
    ["2606:4700::1%1", "never"],
    ["127.1", "never"],
    ["0177.0.0.1", "never"],
    ["[::1]", "never"],
    ["", "never"],
    ["example.com", "never"],
  ] as const satisfies readonly (readonly [string, Reach])[])("case 62: %s is %s", (address, reach) => {
    expect(reachOf(address)).toBe(reach)
    expect(mayReach(address, false)).toBe(reach === "public")
    expect(mayReach(address, true)).toBe(reach !== "never")
  })
})

describe("case 62: URLs", () => {
  const spellings = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "0x7f.1.",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "0",
    "0.0.0.0",
    "[::]",
    "10.0.0.1",
    "0xa.1",
    "012.0.0.1",
    "167772161",
    "192.168.1.1",
    "3232235777",
    "172.16.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[::ffff:a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fc00::1]",
    "255.255.255.255",
    "224.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ｌocalhost",
    "a.localhost",
    "metadata.google.internal",
    "printer.local",
    "router.lan",
    "nas.home.arpa",
    "localhost.localdomain",
    "intranet",
    "abc.onion",
  ]

  test.each(spellings)("case 62: https://%s is refused for its place", (host) => {
    for (const url of [`https://${host}/`, `https://${host}:8443/hook?a=b`, `HTTPS://${host}`]) {
      expect(parseTarget(url, false)).toEqual({ objection: expect.stringMatching(/^names /), isPlace: true })
    }
  })

  test.each([
    ["", "is not a URL"],
    ["hook", "is not a URL"],
    ["//backend.example.com/hook", "is not a URL"],
    ["https://", "is not a URL"],
    ["https:backend.example.com", "is not a URL"],
    ["https:/backend.example.com", "is not a URL"],
    ["https:///backend.example.com", "is not a URL"],
    ["https://256.1.1.1/", "is not a URL"],
    ["https://1.2.3.4.5/", "is not a URL"],
    ["https://[fe80::1%25eth0]/", "is not a URL"],
    ["https://backend.example.com:65536/", "is not a URL"],
    ["http://backend.example.com/hook", "is not an https URL"],
    ["file:///etc/passwd", "is not an https URL"],
    ["ftp://backend.example.com/", "is not an https URL"],
    ["gopher://127.0.0.1:6379/_FLUSHALL", "is not an https URL"],
    ["data:text/plain,x", "is not an https URL"],
    ["javascript:alert(1)", "is not an https URL"],
    ["blob:https://backend.example.com/x", "is not an https URL"],
    ["unix:///run/docker.sock", "is not an https URL"],
    ["https://user@backend.example.com/", "has credentials in it"],
    ["https://user:pass@backend.example.com/", "has credentials in it"],
    ["https://@backend.example.com/", "has credentials in it"],
    ["https://:@backend.example.com/", "has credentials in it"],
    ["https://backend.example.com@127.0.0.1/", "has credentials in it"],
    ["https://backend.example.com/#part", "has a fragment (#)"],
    ["https://backend.example.com/#", "has a fragment (#)"],
    ["https://127.0.0.1#backend.example.com", "has a fragment (#)"],
    ["https://backend.example.com:0/", "has port 0"],
    ["https://backend.example.com\\@127.0.0.1/", "has a space, a control character or a backslash in it"],
    [" https://backend.example.com/", "has a space, a control character or a backslash in it"],
    ["https://backend.example.com/a b", "has a space, a control character or a backslash in it"],
    ["https://back\tend.example.com/", "has a space, a control character or a backslash in it"],
    ["https://backend.example.com/\r\nx: y", "has a space, a control character or a backslash in it"],
    [`https://backend.example.com/${"a".repeat(3_000)}`, `is longer than ${limits.outgoingUrlCharsMax} characters`],
  ])("case 62: %j is refused for the way it is written", (url, objection) => {
    expect(parseTarget(url, false)).toEqual({ objection, isPlace: false })
  })

  test("a URL of the Internet is taken apart", () => {
    expect(parseTarget("https://Backend.Example.COM./a/../b%20c?d=é", false)).toEqual({
      scheme: "https",
      host: "backend.example.com",
      port: 443,
      authority: "backend.example.com",
      path: "/b%20c?d=%C3%A9",
    })
    expect(parseTarget("https://[2606:4700::1]:8443", false)).toEqual({
      scheme: "https",
      host: "2606:4700::1",
      port: 8443,
      authority: "[2606:4700::1]:8443",
      path: "/",
    })
    expect(parseTarget("https://bücher.example.com/@x", false)).toMatchObject({ host: "xn--bcher-kva.example.com" })
  })

  test("with the own network allowed: http and private places, but never metadata services", () => {
    expect(parseTarget("http://localhost:4000/hook", true)).toMatchObject({ scheme: "http", port: 4000 })
    expect(parseTarget("http://backend/hook", true)).toMatchObject({ host: "backend", port: 80 })
    expect(parseTarget("https://10.0.0.1/", true)).toMatchObject({ scheme: "https", port: 443 })
    for (const host of ["169.254.169.254", "0xa9fea9fe", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]", "224.0.0.1"]) {
      expect(parseTarget(`http://${host}/`, true)).toEqual({
        objection: "names an address that no receiver has",
        isPlace: true,
      })
    }
    expect(parseTarget("http://user@localhost/", true)).toMatchObject({ isPlace: false })
    expect(parseTarget("ftp://localhost/", true)).toMatchObject({ isPlace: false })
  })
})

test("case 62: a host by itself is read as in a URL, and is nothing but a host", () => {
  expect(normalHost("LOCALHOST.")).toBe("localhost")
  expect(normalHost("0x7f.1")).toBe("127.0.0.1")
  expect(normalHost("::FFFF:127.0.0.1")).toBe("::ffff:7f00:1")
  expect(normalHost("[::1]")).toBe("::1")
  for (const host of ["", "a/b", "a@b", "a:80", "a?b", "a#b", "a\\b", "a b", "a\r\n", "[::1", "::1]:80", "[::1]:80"]) {
    expect([host, normalHost(host)]).toEqual([host, null])
  }
  expect(normalHost("a".repeat(5_000))).toBeNull()
})

test("a name that cannot be looked up is refused", () => {
  for (const host of [
    "",
    "a..b",
    "-a.example",
    "a".repeat(64),
    `${"a.".repeat(130)}b`,
    "a.1",
    "a.0x1f",
    "a b.example",
  ]) {
    expect([host, hostObjection(host, true)]).toEqual([host, "names no host that can be looked up"])
  }
  expect(hostObjection("backend.example.com", false)).toBeNull()
  expect(hostObjection("notlocalhost.example", false)).toBeNull()
})
