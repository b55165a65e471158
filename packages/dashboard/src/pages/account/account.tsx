// The operator's own account: who they are, how they prove it, and where they are logged in.

import { Alert, Badge, Skeleton, Text } from "@mantine/core"
import { InfoIcon } from "@primer/octicons-react"
import { useMe } from "../../access/session.tsx"
import { useRead } from "../../api/queries.ts"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { absoluteTime } from "../../parts/time.tsx"
import { Authenticator } from "./authenticator.tsx"
import { Passkeys } from "./passkeys.tsx"
import { Password } from "./password.tsx"
import { Sessions } from "./sessions.tsx"

export default function Account() {
  const { operator, session } = useMe()
  const me = useRead("ReadMe")
  return (
    <>
      <PageHeader title="Account and security">
        How you log in, and where you are logged in. Each change here stands in the audit log.
      </PageHeader>
      <Section title="You">
        <Facts
          facts={[
            ["Name", operator.name],
            ["Email", operator.email],
            [
              "Role",
              <Badge key="role" variant="light">
                {operator.role}
              </Badge>,
            ],
            ["This session ends", session === null ? "never" : absoluteTime(session.expires_at)],
          ]}
        />
      </Section>
      {operator.id === null ? (
        <Alert color="yellow" icon={<InfoIcon />} title="You came with the admin token">
          <Text size="sm">
            It has no account of its own. Log in as an operator to set up a password and second factors.
          </Text>
        </Alert>
      ) : me.data === undefined ? (
        <Skeleton h={180} radius="md" />
      ) : (
        <>
          <Password email={operator.email ?? ""} hasPassword={me.data.has_password} />
          <Authenticator isOn={me.data.has_totp} hasPassword={me.data.has_password} />
          <Passkeys />
          <Sessions />
        </>
      )}
    </>
  )
}
