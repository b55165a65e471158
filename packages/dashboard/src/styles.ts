// Mantine's styles first, so that ours win where both say something.

import "@mantine/core/styles.css"
import "@mantine/notifications/styles.css"
import "./styles.css"
