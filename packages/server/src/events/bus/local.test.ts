import { busSuite } from "../../../../../contract/suites/bus/suite.ts"
import { createLogger } from "../../base/log.ts"
import { createLocalBus } from "./local.ts"

const quiet = createLogger({ level: "error", format: "json", write: () => {} })

busSuite("local", { shared: false, open: async () => createLocalBus(quiet) })
