// The frame around every page: which app, where one is, who one is.

import {
  ActionIcon,
  AppShell,
  Avatar,
  Burger,
  Group,
  Menu,
  NavLink,
  ScrollArea,
  Select,
  Text,
  Tooltip,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
  VisuallyHidden,
} from "@mantine/core"
import { useDisclosure } from "@mantine/hooks"
import { MoonIcon, PersonIcon, PlayIcon, PlusIcon, SignOutIcon, SunIcon } from "@primer/octicons-react"
import type { ReactNode } from "react"
import { Link, useLocation } from "wouter"
import { useLogOut, useMay, useMe } from "../access/session.tsx"
import { navGroups, type Page } from "../pages/page.ts"
import { useAppId, useApps } from "./apps.tsx"
import { Mark } from "./mark.tsx"

export function Shell({ pages, children }: { pages: readonly Page[]; children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure(false)
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 240, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "md", sm: "xl" }}
    >
      <a className="weir-skip" href="#main">
        Skip to the page
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap" style={{ minWidth: 0 }}>
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={opened ? "Close the navigation" : "Open the navigation"}
            />
            <Link href="/" aria-label="Weir, all apps" style={{ display: "flex" }}>
              <Mark />
            </Link>
            <AppChoice />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <SchemeSwitch />
            <Account />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar aria-label="Pages" className="weir-drawer" data-opened={opened || undefined}>
        <Navigation pages={pages} onGo={close} />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <div style={{ maxWidth: "var(--weir-page-width)", margin: "0 auto" }}>{children}</div>
      </AppShell.Main>
    </AppShell>
  )
}

function AppChoice() {
  const apps = useApps()
  const appId = useAppId()
  const [, go] = useLocation()
  const may = useMay()
  const choices = (apps.data?.apps ?? []).map(({ id, name, environment }) => ({
    value: String(id),
    label: environment === "production" ? name : `${name} (${environment})`,
  }))
  return (
    <Group gap={4} wrap="nowrap" style={{ minWidth: 0 }}>
      <Select
        aria-label="App"
        data={choices}
        value={appId === null ? null : String(appId)}
        placeholder={apps.isPending ? "Loading…" : "Choose an app"}
        onChange={(value) => value !== null && go(`/apps/${value}`)}
        allowDeselect={false}
        searchable={choices.length > 8}
        w={{ base: 170, sm: 230 }}
        size="sm"
        nothingFoundMessage="No app of this name"
        styles={{ input: { textOverflow: "ellipsis" } }}
      />
      {may("apps.manage") ? (
        <Tooltip label="New app">
          <ActionIcon
            component={Link}
            href="/apps/new"
            variant="subtle"
            color="gray"
            aria-label="New app"
            visibleFrom="xs"
          >
            <PlusIcon />
          </ActionIcon>
        </Tooltip>
      ) : null}
    </Group>
  )
}

function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme("light")
  const other = scheme === "dark" ? "light" : "dark"
  return (
    <Tooltip label={`Switch to ${other} mode`}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        onClick={() => setColorScheme(other)}
        aria-label={`Switch to ${other} mode`}
      >
        {scheme === "dark" ? <SunIcon /> : <MoonIcon />}
      </ActionIcon>
    </Tooltip>
  )
}

function Account() {
  const { operator } = useMe()
  const logOut = useLogOut()
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <UnstyledButton>
          <Avatar name={operator.name} color="initials" radius="xl" size={32} aria-hidden />
          <VisuallyHidden>Account of {operator.name}</VisuallyHidden>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" fw={600} truncate>
            {operator.name}
          </Text>
          <Text size="xs" truncate>
            {operator.email ?? operator.role}
          </Text>
        </Menu.Label>
        <Menu.Divider />
        <Menu.Item component={Link} href="/account" leftSection={<PersonIcon />}>
          Account and security
        </Menu.Item>
        <Menu.Item component="a" href="/demo" target="_blank" leftSection={<PlayIcon />}>
          Demo
        </Menu.Item>
        <Menu.Item leftSection={<SignOutIcon />} onClick={() => void logOut()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

/** The list is longer than many screens: where one is can be seen, however one came there. */
const intoView = (link: HTMLAnchorElement | null): void => link?.scrollIntoView({ block: "nearest" })

function Navigation({ pages, onGo }: { pages: readonly Page[]; onGo: () => void }) {
  const appId = useAppId()
  const [location] = useLocation()
  const may = useMay()
  const elsewhere = pages.find(
    ({ under, path }) =>
      under !== undefined && location.startsWith(`/apps/${appId}${path.slice(0, path.indexOf(":"))}`),
  )
  const place = elsewhere === undefined ? location : `/apps/${appId}${elsewhere.under}`
  const shown = pages.filter(
    ({ nav, needs, scope }) => nav !== null && may(needs) && (scope !== "app" || appId !== null),
  )
  return (
    <AppShell.Section grow component={ScrollArea} p="xs">
      {navGroups.map((group) => {
        const inGroup = shown.filter(({ nav }) => nav?.group === group)
        if (inGroup.length === 0) return null
        return (
          <div key={group}>
            <Text size="xs" fw={600} c="dimmed" px="sm" pt="sm" pb={4}>
              {group}
            </Text>
            {inGroup.map(({ title, path, scope, nav }) => {
              const Shape = nav?.icon ?? PlayIcon
              const href = scope === "app" ? `/apps/${appId}${path === "/" ? "" : path}` : path
              const isActive = path === "/" ? place === href : place === href || place.startsWith(`${href}/`)
              return (
                <NavLink
                  key={title}
                  component={Link}
                  href={href}
                  onClick={onGo}
                  label={title}
                  leftSection={<Shape size={16} />}
                  active={isActive}
                  {...(isActive ? { "aria-current": "page" as const } : {})}
                  {...(isActive ? { ref: intoView } : {})}
                  py={{ base: 7, sm: 4 }}
                  style={{ borderRadius: "var(--mantine-radius-md)" }}
                />
              )
            })}
          </div>
        )
      })}
    </AppShell.Section>
  )
}
