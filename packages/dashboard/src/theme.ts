// One accent, the system's own typeface, and a little less air than Mantine's default where data stands.

import { Badge, createTheme, Drawer, type MantineThemeOverride, Modal } from "@mantine/core"

export const theme: MantineThemeOverride = createTheme({
  primaryColor: "cyan",
  // White text on it has the contrast that WCAG AA asks for, in both schemes.
  primaryShade: 9,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: "650" },
  defaultRadius: "md",
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
  components: {
    // States are read as the API spells them, and one way on every page.
    Badge: Badge.extend({ defaultProps: { tt: "none" } }),
    Modal: Modal.extend({ defaultProps: { centered: true, closeButtonProps: { "aria-label": "Close" } } }),
    Drawer: Drawer.extend({ defaultProps: { closeButtonProps: { "aria-label": "Close" } } }),
  },
})
