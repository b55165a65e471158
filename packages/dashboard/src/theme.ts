// One accent, the system's own typeface, and a little less air than Mantine's default where data stands.

import { createTheme, type MantineThemeOverride } from "@mantine/core"

export const theme: MantineThemeOverride = createTheme({
  primaryColor: "cyan",
  primaryShade: { light: 9, dark: 7 },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: "650" },
  defaultRadius: "md",
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
})
