// Opens a call: by its name, or from what was asked for of late. The API has no list of calls.

import { PageHeader } from "../../parts/header.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { namePath, OpenByName } from "../explorer/open-by-name.tsx"
import { SeenLately } from "../explorer/seen-lately.tsx"

export default function Calls() {
  const path = useAppPath()
  return (
    <>
      <PageHeader title="Calls">
        Who was called, and how a call is set up. Open one by its name, its type and id.
      </PageHeader>
      <OpenByName label="Call" placeholder="default:standup" addressOf={(name) => path(`/calls${namePath(name)}`)} />
      <SeenLately
        what="Calls"
        operations={["GetOrCreateCall", "GetCall"]}
        pattern={/\/video\/call\/([^/]+)\/([^/]+)$/}
        addressOf={(name) => path(`/calls${namePath(name)}`)}
      />
    </>
  )
}
