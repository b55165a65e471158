import { useRead } from "../../api/queries.ts"
import { useApp } from "../../shell/apps.tsx"
import { type Secret, waitEveryMs } from "./wire.ts"

/** What revoking a secret would cut off, asked again and again. */
export function useRehearsal(apiKey: string, { kid }: Secret) {
  const app = useApp()
  return useRead(
    "UpdateSecret",
    { path: { app: String(app), api_key: apiKey, kid }, query: { dry_run: true }, body: { state: "revoked" } },
    { everyMs: waitEveryMs },
  )
}
