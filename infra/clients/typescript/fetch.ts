// Walks with openapi-fetch and the types of openapi-typescript: it invites, sends, lists, reads, and is refused.
import createClient from "openapi-fetch";

import type { components, paths } from "./generated/fetch/concord.js";
import { token, url, want } from "./walk.js";

const api = createClient<paths>({ baseUrl: url, headers: { authorization: "Bearer " + (await token()) } });
const to = "openapi-fetch@larch.example";
const body: components["schemas"]["NewInvitation"] = { kind: "reseller", recipientEmail: to };

const made = await api.POST("/v1/invitations", { params: { header: { "Idempotency-Key": "fetch-1" } }, body });
if (!made.data) throw new Error(JSON.stringify(made.error));
const id = made.data.id;
const sent = await api.POST("/v1/invitations/{id}/send", { params: { path: { id }, header: { "Idempotency-Key": "fetch-2" } }, body: {} });
if (!sent.data) throw new Error(JSON.stringify(sent.error));
const list = await api.GET("/v1/invitations", { params: { query: { recipientEmail: to, status: ["all"] } } });
want("the list", list.data?.items.map((i) => i.id).join(), id);
const read = await api.GET("/v1/invitations/{id}", { params: { path: { id } } });
want("status", read.data?.status, "pending");

const again = await api.POST("/v1/invitations", { params: { header: { "Idempotency-Key": "fetch-3" } }, body });
if (!again.error || !("code" in again.error)) throw new Error("no problem");
want("code", again.error.code, "duplicate_open_invitation");
want("the open one", again.error.invitationId, id);
console.log("openapi-typescript: invited, sent, listed, read, refused");
