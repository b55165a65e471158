// The receipt of a secret that was revoked: it is kept with the revocation.

import { Anchor, Modal, Skeleton, Stack, Text } from "@mantine/core"
import { Link } from "wouter"
import { useList } from "../../api/lists.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Receipt } from "../../parts/receipt.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { nameOf } from "./rotation.ts"
import type { Secret } from "./wire.ts"

const revocationsReadMax = 100

export function RevokedReceipt({ secret, onClose }: { secret: Secret; onClose: () => void }) {
  const app = useApp()
  const path = useAppPath()
  const { rows, error, retry } = useList(
    "ListRevocations",
    { path: { app: String(app) }, query: { limit: revocationsReadMax } },
    ({ revocations }) => revocations,
  )
  const found = rows?.find(({ level, target }) => level === "kid" && target === secret.kid)
  return (
    <Modal
      closeButtonProps={{ "aria-label": "Close" }}
      opened
      onClose={onClose}
      title={`Receipt of ${nameOf(secret)}`}
      size="lg"
    >
      {error ? <ErrorAlert error={error} title="The revocations could not be read" retry={retry} /> : null}
      {rows === undefined && !error ? <Skeleton height={220} radius="md" /> : null}
      {found?.receipt ? <Receipt receipt={found.receipt} /> : null}
      {rows !== undefined && !found?.receipt ? (
        <Stack>
          <Text size="sm">
            The receipt is not among the latest revocations.{" "}
            <Anchor component={Link} href={path("/revocations")} size="sm">
              See all revocations
            </Anchor>
          </Text>
        </Stack>
      ) : null}
    </Modal>
  )
}
