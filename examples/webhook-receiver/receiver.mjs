// A backend that hears what happens in its app, on plain node:http. With Express, the endpoint is one line:
// app.post("/hook", expressWebhook({ secrets, onEvent: (event) => … })), before express.json().
// Run it beside `npx weir webhooks listen --forward http://localhost:4000/hook`, which prints the secret:
// WEBHOOK_SECRETS=whsec_… node examples/webhook-receiver/receiver.mjs

import { createServer } from "node:http"
import { expressWebhook } from "@weir/sdk-server"

const { WEBHOOK_SECRETS, PORT = "4000" } = process.env
if (!WEBHOOK_SECRETS)
  throw new Error("set WEBHOOK_SECRETS to the hook's whsec_…; during a rotation to both, with a comma")

const hook = expressWebhook({
  secrets: WEBHOOK_SECRETS.split(","),
  // Your work with an event, once for each. When it throws, 500 is answered, and the event comes again.
  onEvent: ({ type, user, message }) => console.log([type, user?.id, message?.text].filter(Boolean).join(" ")),
})

const server = createServer((request, response) => {
  if (request.url === "/hook") return hook(request, response)
  response.writeHead(404).end()
})
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/hook`))
