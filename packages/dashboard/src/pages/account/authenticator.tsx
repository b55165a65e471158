// The second factor: an app that shows codes (RFC 6238), and recovery codes for the day when it is lost.

import {
  Badge,
  Button,
  Center,
  Code,
  CopyButton,
  Group,
  Modal,
  Paper,
  PasswordInput,
  PinInput,
  SimpleGrid,
  Stack,
  Text,
} from "@mantine/core"
import { useMutation } from "@tanstack/react-query"
import { QRCodeSVG } from "qrcode.react"
import { type FormEvent, useState } from "react"
import { askLogin } from "../../access/fresh.ts"
import { saveText } from "../../api/download.ts"
import { Copyable } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { sessionsKey, useRefresh } from "./refresh.ts"

type Purpose = "enable" | "disable" | "codes"

const passwordCharsMax = 128
const codeDigits = 6
const qrPixels = 192

const purposes: Record<Purpose, { title: string; lead: string; button: string; path: string; dangerous?: boolean }> = {
  enable: {
    title: "Set up the authenticator",
    lead: "Confirm with your password; then you get a code to scan.",
    button: "Go on",
    path: "/two-factor/enable",
  },
  disable: {
    title: "Switch the authenticator off",
    lead: "From then on your password alone logs you in. The recovery codes end as well.",
    button: "Disable",
    path: "/two-factor/disable",
    dangerous: true,
  },
  codes: {
    title: "New recovery codes",
    lead: "The former ones end at once.",
    button: "Create new codes",
    path: "/two-factor/generate-backup-codes",
  },
}

interface Enrolment {
  readonly uri: string
  readonly codes: readonly string[]
}

export function Authenticator({ isOn, hasPassword }: { isOn: boolean; hasPassword: boolean }) {
  const refresh = useRefresh()
  const [purpose, setPurpose] = useState<Purpose | null>(null)
  const [enrolment, setEnrolment] = useState<Enrolment | null>(null)
  const [codes, setCodes] = useState<readonly string[] | null>(null)
  return (
    <Section
      title="Authenticator"
      description="A code from your phone besides the password. Any app that follows RFC 6238 will do."
      actions={
        <Badge variant="light" color={isOn ? "teal" : "yellow"}>
          {isOn ? "on" : "off"}
        </Badge>
      }
    >
      {isOn ? (
        <Group>
          <Button variant="default" onClick={() => setPurpose("codes")}>
            New recovery codes
          </Button>
          <Button variant="light" color="red" onClick={() => setPurpose("disable")}>
            Disable
          </Button>
        </Group>
      ) : hasPassword ? (
        <Button onClick={() => setPurpose("enable")}>Set up</Button>
      ) : (
        <Text size="sm" c="dimmed">
          It goes with a password, and your account has none. A passkey is a second factor of its own.
        </Text>
      )}
      {purpose === null ? null : (
        <PasswordDialog
          purpose={purpose}
          onClose={() => setPurpose(null)}
          onDone={async (answer) => {
            setPurpose(null)
            if (purpose === "enable") setEnrolment({ uri: answer.totpURI ?? "", codes: answer.backupCodes ?? [] })
            if (purpose === "codes") setCodes(answer.backupCodes ?? [])
            if (purpose === "disable") await refresh(sessionsKey)
          }}
        />
      )}
      {enrolment === null ? null : (
        <ScanDialog
          uri={enrolment.uri}
          onClose={() => setEnrolment(null)}
          onDone={async () => {
            setCodes(enrolment.codes)
            setEnrolment(null)
            await refresh(sessionsKey)
          }}
        />
      )}
      {codes === null ? null : <CodesDialog codes={codes} onClose={() => setCodes(null)} />}
    </Section>
  )
}

interface Answer {
  readonly totpURI?: string
  readonly backupCodes?: readonly string[]
}

function PasswordDialog({
  purpose,
  onClose,
  onDone,
}: {
  purpose: Purpose
  onClose: () => void
  onDone: (answer: Answer) => Promise<void>
}) {
  const { title, lead, button, path, dangerous } = purposes[purpose]
  const [password, setPassword] = useState("")
  const ask = useMutation({
    mutationFn: () => askLogin("POST", path, { password }) as Promise<Answer>,
    onSuccess: onDone,
  })
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    ask.mutate()
  }
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          {ask.error ? <ErrorAlert error={ask.error} /> : null}
          <Text size="sm" c="dimmed">
            {lead}
          </Text>
          <PasswordInput
            label="Password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            maxLength={passwordCharsMax}
            autoComplete="current-password"
            data-autofocus
            required
          />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" color={dangerous ? "red" : undefined} loading={ask.isPending}>
              {button}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function ScanDialog({ uri, onClose, onDone }: { uri: string; onClose: () => void; onDone: () => Promise<void> }) {
  const [code, setCode] = useState("")
  const confirm = useMutation({
    mutationFn: (digits: string) => askLogin("POST", "/two-factor/verify-totp", { code: digits }),
    onSuccess: onDone,
    onError: () => setCode(""),
  })
  const secret = URL.canParse(uri) ? (new URL(uri).searchParams.get("secret") ?? "") : ""
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    confirm.mutate(code)
  }
  return (
    <Modal opened onClose={onClose} title="Scan, then enter a code" closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">Scan this with your authenticator app, or type the secret into it.</Text>
          <Center>
            {/* Scanners want dark on light, whatever the colours of the page. */}
            <Paper bg="white" p="md" radius="md" withBorder>
              <QRCodeSVG value={uri} size={qrPixels} title="Secret of the authenticator as a QR code" />
            </Paper>
          </Center>
          <Copyable value={secret} label="secret" />
          {confirm.error ? <ErrorAlert error={confirm.error} title="That code was not right" /> : null}
          <Stack gap={4}>
            <Text size="sm" fw={500} id="totp-code">
              Code that the app shows now
            </Text>
            <PinInput
              length={codeDigits}
              type="number"
              inputMode="numeric"
              oneTimeCode
              value={code}
              onChange={setCode}
              onComplete={(digits) => confirm.mutate(digits)}
              getInputProps={(index) => ({ "aria-label": `Digit ${index + 1} of ${codeDigits}` })}
              aria-labelledby="totp-code"
            />
          </Stack>
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={confirm.isPending} disabled={code.length !== codeDigits}>
              Confirm
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function CodesDialog({ codes, onClose }: { codes: readonly string[]; onClose: () => void }) {
  const text = codes.join("\n")
  return (
    <Modal
      opened
      onClose={onClose}
      title="Keep these recovery codes"
      closeOnClickOutside={false}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack>
        <Text size="sm">
          Each logs you in once without the authenticator. They are shown this once: print them, or keep them where you
          keep your passwords.
        </Text>
        <SimpleGrid component="ul" cols={2} spacing="xs" p={0} m={0} style={{ listStyle: "none" }}>
          {codes.map((code) => (
            <li key={code}>
              <Code fz="sm">{code}</Code>
            </li>
          ))}
        </SimpleGrid>
        <Group justify="space-between">
          <Group gap="xs">
            <CopyButton value={text}>
              {({ copied, copy }) => (
                <Button variant="default" onClick={copy}>
                  {copied ? "Copied" : "Copy all"}
                </Button>
              )}
            </CopyButton>
            <Button variant="default" onClick={() => saveText("weir-recovery-codes.txt", `${text}\n`, "text/plain")}>
              Download
            </Button>
          </Group>
          <Button onClick={onClose}>I have kept them</Button>
        </Group>
      </Stack>
    </Modal>
  )
}
