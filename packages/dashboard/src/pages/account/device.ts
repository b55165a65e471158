// Browser and system by what the browser says of itself: for people who look for a session that is not theirs.

const browsers: readonly (readonly [name: string, mark: RegExp])[] = [
  // Those that also call themselves Chrome or Safari come first.
  ["Edge", /Edg(?:e|A|iOS)?\//],
  ["Opera", /OPR\//],
  ["Firefox", /(?:Firefox|FxiOS)\//],
  ["Chrome", /(?:Chrome|CriOS|HeadlessChrome)\//],
  ["Safari", /Safari\//],
]
const systems: readonly (readonly [name: string, mark: RegExp])[] = [
  ["Android", /Android/],
  ["iPhone", /iPhone/],
  ["iPad", /iPad/],
  ["Windows", /Windows/],
  ["macOS", /Mac OS X|Macintosh/],
  ["Linux", /Linux|X11/],
]
const shownCharsMax = 60

/** «Firefox on Linux»; what is no browser is shown as it says it. */
export function deviceOf(userAgent: string | null): string {
  if (userAgent === null || userAgent === "") return "unknown device"
  const browser = browsers.find(([, mark]) => mark.test(userAgent))?.[0]
  const system = systems.find(([, mark]) => mark.test(userAgent))?.[0]
  if (browser === undefined) return userAgent.slice(0, shownCharsMax)
  return system === undefined ? browser : `${browser} on ${system}`
}
