"""Walks with the client that openapi-python-client generates: it invites, sends, lists, reads, and is refused."""

import os

import httpx

from concord_client import AuthenticatedClient
from concord_client.api.invitations import create_invitation, get_invitation, list_invitations, send_invitation
from concord_client.models import Invitation, InvitationKind, InvitationStatus, InvitationStatusFilter, NewInvitation, Nothing, Problem

token = httpx.post(os.environ["CONCORD_TOKEN_URL"], data={"grant_type": "client_credentials"}, auth=("alder", "local")).json()["access_token"]
client = AuthenticatedClient(base_url=os.environ["CONCORD_URL"], token=token)

to = "openapi-python-client@larch.example"
body = NewInvitation(kind=InvitationKind.RESELLER, recipient_email=to)
made = create_invitation.sync(client=client, body=body, idempotency_key="python-1")
assert isinstance(made, Invitation), made
sent = send_invitation.sync(made.id, client=client, body=Nothing(), idempotency_key="python-2")
assert isinstance(sent, Invitation), sent
page = list_invitations.sync(client=client, recipient_email=to, status=[InvitationStatusFilter.ALL])
assert [i.id for i in page.items] == [made.id], page
read = get_invitation.sync(made.id, client=client)
assert isinstance(read, Invitation) and read.status == InvitationStatus.PENDING, read

again = create_invitation.sync(client=client, body=body, idempotency_key="python-3")
assert isinstance(again, Problem) and again.code == "duplicate_open_invitation" and again.invitation_id == made.id, again
print("openapi-python-client: invited, sent, listed, read, refused")
