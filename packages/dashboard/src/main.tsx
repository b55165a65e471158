// Starts the dashboard in the page that the server sent.

import "./styles.ts"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { App } from "./app.tsx"
import { styleNonce } from "./nonce.ts"

// Where the libraries that write style elements look for the nonce of the page.
Object.assign(globalThis, { __webpack_nonce__: styleNonce() })

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
