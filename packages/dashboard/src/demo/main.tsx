// Starts the demo in the page that the server sent.

import "../styles.ts"
import { MantineProvider } from "@mantine/core"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { styleNonce } from "../nonce.ts"
import { theme } from "../theme.ts"
import { Demo } from "./demo.tsx"

// Where the libraries that write style elements look for the nonce of the page.
Object.assign(globalThis, { __webpack_nonce__: styleNonce() })

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <Demo />
    </MantineProvider>
  </StrictMode>,
)
