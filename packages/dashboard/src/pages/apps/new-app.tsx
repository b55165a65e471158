// Makes an app, and shows its first secret this once.

import { Button, Group, Input, SegmentedControl, Stack, Text, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { Link } from "wouter"
import { useChange } from "../../api/queries.ts"
import { Copyable, SecretOnce } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"

const nameCharsMax = 100

export default function NewApp() {
  const create = useChange("CreateApp", ["ListApps"])
  const [name, setName] = useState("")
  const [environment, setEnvironment] = useState<"development" | "production">("development")
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    create.mutate({ body: { name: name.trim(), environment } })
  }
  if (create.data) {
    const { app, key, secret } = create.data
    return (
      <>
        <PageHeader title={app.name}>The app is there. These two are all that a backend needs.</PageHeader>
        <Section title="Credentials">
          <Stack>
            <div>
              <Text size="sm" c="dimmed">
                API key: public, every client carries it
              </Text>
              <Copyable value={key.api_key} label="API key" />
            </div>
            <SecretOnce value={secret} label="API secret" />
            <Group>
              <Button component={Link} href={`/apps/${app.id}`}>
                Open the app
              </Button>
            </Group>
          </Stack>
        </Section>
      </>
    )
  }
  return (
    <>
      <PageHeader title="New app">It gets an API key and a secret at once.</PageHeader>
      <Section>
        <form onSubmit={submit}>
          <Stack maw={460}>
            {create.error ? <ErrorAlert error={create.error} title="The app was not created" /> : null}
            <TextInput
              label="Name"
              description="For you and your team; users never see it."
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              maxLength={nameCharsMax}
              required
              data-autofocus
            />
            <div>
              <Input.Label component="div" id="environment" display="block">
                Environment
              </Input.Label>
              <SegmentedControl
                aria-labelledby="environment"
                value={environment}
                onChange={(value) => setEnvironment(value as typeof environment)}
                data={[
                  { value: "development", label: "Development" },
                  { value: "production", label: "Production" },
                ]}
              />
              <Text size="xs" c="dimmed" mt={4}>
                {environment === "production"
                  ? "Development tokens and the demo stay off."
                  : "Development tokens can be enabled, and the demo may use it."}
              </Text>
            </div>
            <Group>
              <Button type="submit" loading={create.isPending} disabled={name.trim() === ""}>
                Create app
              </Button>
              <Button component={Link} href="/" variant="default">
                Cancel
              </Button>
            </Group>
          </Stack>
        </form>
      </Section>
    </>
  )
}
