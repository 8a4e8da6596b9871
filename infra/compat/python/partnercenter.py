"""The Partner Center client of PyPI (partnercenterservices, generated from Microsoft's own description) against Concord, by base URL alone."""
import json
import os
import urllib.error
import urllib.request

from microsoft.store.partnercenterservices import MicrosoftPartnerStoreApis, models
from msrest.authentication import BasicTokenAuthentication

BASE, CUSTOMER, OF_RESELLER = (os.environ[name] for name in ('CONCORD_PC', 'CONCORD_CUSTOMER', 'CONCORD_RESELLERS_CUSTOMER'))


def client(name):
    return MicrosoftPartnerStoreApis(BasicTokenAuthentication({'access_token': os.environ[f'CONCORD_TOKEN_{name}']}), BASE)


A, B = client('ALDER'), client('BIRCH')
steps = 0


def step(name, call, good=lambda answer: True):
    global steps
    answer = call()
    assert good(answer), (name, answer and answer.as_dict())
    steps += 1
    print('ok', name)
    return answer


def raw(method, path, body=None, **headers):
    """What this client does not know, as others send it."""
    request = urllib.request.Request(BASE + path, json.dumps(body).encode() if body is not None else None, {
        'Authorization': 'Bearer ' + os.environ['CONCORD_TOKEN_ALDER'], 'Content-Type': 'application/json', **headers}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


customer = A.getvversioncustomerscustomer
step('customers', lambda: A.getvversioncustomersfilterfilter.value(version='1', filter=None, size=10),
     lambda x: x.items and x.items[0].company_profile and x.total_count)
step('customer', lambda: customer.id(CUSTOMER, '1'), lambda x: x.id and x.company_profile)
step('relationships of a customer', lambda: B.getvversioncustomerscustomer.idrelationships(OF_RESELLER, '1'), lambda x: x.items[0].mpn_id)
step('relationships', lambda: B.getvversionrelationshipsrelationship.value('1', 'IsIndirectCloudSolutionProviderOf'), lambda x: x.items[0].mpn_id)
step('relationships, in snake case', lambda: B.getvversionrelationshipsrelationship.value('1', 'is_indirect_cloud_solution_provider_of'),
     lambda x: x.items[0].mpn_id)
step('orders', lambda: customer.value7(CUSTOMER, '1'), lambda x: x.items[0].line_items[0].offer_id)
step('subscriptions', lambda: customer.value9(CUSTOMER, '1'), lambda x: x.items[0].friendly_name)
step('organization profile', lambda: A.getvversionprofilesorganization('1'), lambda x: x.company_name)
step('support profile', lambda: A.getvversionprofilessupport('1'), lambda x: x.email)
step('PartnerID', lambda: A.getvversionprofilesmpnmpn_idmpn_id.value('1', '4100003'), lambda x: x.mpn_id)
step('legal business profile', lambda: A.getvversionprofileslegalbusinessvetting_versionvetting_version.value('1', 'current'), lambda x: x.company_name)
step('offers', lambda: A.getvversionofferscountrycountry.value('1', 'US'), lambda x: x.items[0].maximum_quantity)
step('address', lambda: A.postvversionvalidationsaddress(models.MicrosoftPartnerSdkContractsV1Address(
    address_line1='12 Heath Road', city='Springfield', state='OR', postal_code='97477', country='US'), '1'))

status, first = raw('GET', '/v1/customers?size=1')
assert status == 200 and first['links']['next']['headers'][0]['key'] == 'MS-ContinuationToken', first
status, second = raw('GET', '/v1/customers?seekOperation=Next', **{'MS-ContinuationToken': first['continuationToken']})
assert status == 200 and second['items'][0]['id'] != first['items'][0]['id'], second
step('a page after another', lambda: None)

subscription = raw('GET', f'/v1/customers/{CUSTOMER}/subscriptions')[1]['items'][0]
path = f"/v1/customers/{CUSTOMER}/subscriptions/{subscription['id']}"
status, same = raw('PATCH', path, subscription)
assert status == 200 and same['quantity'] == subscription['quantity'], same
status, more = raw('PATCH', path, {'Quantity': subscription['quantity'] + 1, **{k.capitalize(): v for k, v in subscription.items() if k == 'attributes'}})
assert status == 200 and more['quantity'] == subscription['quantity'] + 1, more
status, stale = raw('PATCH', path, {**subscription, 'quantity': 9})
assert status == 409 and stale['code'] == 'precondition_failed', (status, stale)
step('a subscription goes back whole', lambda: None)

order = {'lineItems': [{'lineItemNumber': 0, 'offerId': raw('GET', '/v1/offers?country=US')[1]['items'][0]['id'], 'quantity': 1}]}
once = [raw('POST', f'/v1/customers/{CUSTOMER}/orders', order, **{'MS-RequestId': 'a-key-of-partner-center'}) for _ in (1, 2)]
assert once[0][0] == 201 and once[0][1]['id'] == once[1][1]['id'], once
step('one key, one order', lambda: None)

for name, want, method, path, body in (
    ('removal without attestation', 400, 'PATCH', f'/v1/customers/{CUSTOMER}', {'relationshipToPartner': 'none'}),
    ('a link for everybody', 404, 'GET', '/v1/customers/relationshiprequests', None),
    ('users', 404, 'GET', f'/v1/customers/{CUSTOMER}/users', None),
    ('licences', 404, 'GET', f'/v1/customers/{CUSTOMER}/subscribedskus', None),
    ('migration', 404, 'POST', '/v1/customers/migrate', {}),
    ('seeking back', 400, 'GET', '/v1/customers?seekOperation=Previous', None),
):
    status, said = raw(method, path, body)
    assert status == want and said['code'] and said['description'], (name, status, said)
    step(name, lambda: None)
print(steps, 'steps')
