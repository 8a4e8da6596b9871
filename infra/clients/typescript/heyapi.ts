// Walks with the client that @hey-api/openapi-ts generates: it invites, sends, lists, reads, and is refused.
import { client } from "./generated/heyapi/client.gen.js";
import { createInvitation, getInvitation, listInvitations, sendInvitation } from "./generated/heyapi/sdk.gen.js";
import type { NewInvitation } from "./generated/heyapi/types.gen.js";
import { token, url, want } from "./walk.js";

const bearer = await token();
client.setConfig({ baseUrl: url, auth: () => bearer });
const to = "hey-api@larch.example";
const body: NewInvitation = { kind: "reseller", recipientEmail: to };

const made = await createInvitation({ headers: { "Idempotency-Key": "heyapi-1" }, body, throwOnError: true });
const id = made.data.id;
await sendInvitation({ path: { id }, headers: { "Idempotency-Key": "heyapi-2" }, body: {}, throwOnError: true });
const list = await listInvitations({ query: { recipientEmail: to, status: ["all"] }, throwOnError: true });
want("the list", list.data.items.map((i) => i.id).join(), id);
const read = await getInvitation({ path: { id }, throwOnError: true });
want("status", read.data.status, "pending");

const again = await createInvitation({ headers: { "Idempotency-Key": "heyapi-3" }, body });
if (!again.error || !("code" in again.error)) throw new Error("no problem");
want("code", again.error.code, "duplicate_open_invitation");
want("the open one", again.error.invitationId, id);
console.log("@hey-api/openapi-ts: invited, sent, listed, read, refused");
