// Activities: contract/endpoints.json `add_activity`, `get_activity`, `update_activity`, `update_activity_partial`,
// `delete_activity`.

import { Type } from "typebox"
import { ObjectId, UserId } from "../../ids.ts"
import { operation } from "../../operation.ts"
import { ActingUser, Answer, Custom, Empty } from "../../schemas.ts"
import { feedLimits } from "../limits.ts"
import { ActivityContent, ActivityResponse, FeedName, UnsupportedContent } from "../schemas.ts"

const ActivityPath = Type.Object({ id: ObjectId })
const Feeds = Type.Array(FeedName, { minItems: 1, maxItems: feedLimits.feedsPerActivityMax })

export const addActivity = operation({
  name: "AddActivity",
  method: "POST",
  path: "/api/v2/feeds/activities",
  tag: "feeds",
  summary: "Adds an activity to feeds. The same request with the same id again answers what is stored.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    ...ActivityContent.properties,
    ...UnsupportedContent,
    ...ActingUser,
    id: Type.Optional(ObjectId),
    type: Type.String({ minLength: 1, maxLength: 255 }),
    feeds: Feeds,
  }),
  output: Answer({ activity: ActivityResponse }),
  status: 201,
  errors: ["notFound", "notAllowed"],
})

export const getActivity = operation({
  name: "GetActivity",
  method: "GET",
  path: "/api/v2/feeds/activities/{id}",
  tag: "feeds",
  summary: "One activity, for whoever may read one of its feeds.",
  access: ["server", "user", "guest", "anonymous"],
  params: ActivityPath,
  query: Type.Object({ user_id: Type.Optional(UserId) }),
  body: null,
  output: Answer({ activity: ActivityResponse }),
  status: 200,
  errors: ["notFound"],
})

export const updateActivity = operation({
  name: "UpdateActivity",
  method: "PUT",
  path: "/api/v2/feeds/activities/{id}",
  tag: "feeds",
  summary: "Replaces what an activity says: what is left out is cleared, but for the feeds that it stands in.",
  access: ["server", "user", "guest"],
  params: ActivityPath,
  query: Empty,
  body: Type.Object({
    ...ActivityContent.properties,
    ...UnsupportedContent,
    ...ActingUser,
    feeds: Type.Optional(Feeds),
  }),
  output: Answer({ activity: ActivityResponse }),
  status: 200,
  errors: ["notFound", "notAllowed"],
})

export const updateActivityPartial = operation({
  name: "UpdateActivityPartial",
  method: "PATCH",
  path: "/api/v2/feeds/activities/{id}",
  tag: "feeds",
  summary: "Changes single fields of an activity; dotted names reach into custom data.",
  access: ["server", "user", "guest"],
  params: ActivityPath,
  query: Empty,
  body: Type.Object({
    set: Type.Optional(Custom),
    unset: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 100 })),
    ...ActingUser,
  }),
  output: Answer({ activity: ActivityResponse }),
  status: 200,
  errors: ["notFound", "notAllowed"],
})

export const deleteActivity = operation({
  name: "DeleteActivity",
  method: "DELETE",
  path: "/api/v2/feeds/activities/{id}",
  tag: "feeds",
  summary: "Takes an activity out of all its feeds; `hard_delete` also forgets what it said.",
  access: ["server", "user", "guest"],
  params: ActivityPath,
  query: Type.Object({ hard_delete: Type.Optional(Type.Boolean()) }),
  body: null,
  output: Answer({}),
  status: 200,
  errors: ["notFound", "notAllowed"],
})
