// Microsoft's JavaScript client of Graph against Concord, by base URL alone (customHosts besides, or it sends no token): one relationship from
// its proposal to the lock, a page after another, groups and narrowing of one that was approved, and what is refused.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
const { Client, PageIterator } = createRequire(import.meta.url)('@microsoft/microsoft-graph-client')

const { CONCORD_GRAPH: baseUrl, CONCORD_TOKEN: token, CONCORD_RELATIONSHIP: approved } = process.env
const client = Client.init({ baseUrl, defaultVersion: 'v1.0', customHosts: new Set(['127.0.0.1']), authProvider: done => done(null, token) })
const root = '/tenantRelationships/delegatedAdminRelationships'
const helpdesk = '729827e3-9c14-49f7-bb1b-9608f156bbb8', reader = 'f2ef992c-3afb-46b9-b7cf-a126ee74c451'
const roles = (...ids) => ({ unifiedRoles: ids.map(roleDefinitionId => ({ roleDefinitionId })) })
const refused = async (status, code, f) => {
  const e = await f().then(() => assert.fail(`not refused: ${code}`), e => e)
  assert.deepEqual([e.statusCode, e.code], [status, code], e.message)
}
let steps = 0
const step = async (name, f) => { const v = await f(); steps++; console.log('ok', name); return v }

const made = []
for (const n of [1, 2, 3])
  made.push(await step(`create ${n}`, () => client.api(root).post({
    '@odata.type': '#microsoft.graph.delegatedAdminRelationship', displayName: `Graph ${n}`, duration: 'P90D', autoExtendDuration: 'PT0S', accessDetails: roles(helpdesk, reader),
  })))
const [first] = made
assert.equal(first.status, 'created'); assert.equal(first.autoExtendDuration, 'PT0S'); assert.match(first['@odata.etag'], /^W\/"1"$/)
await step('page and filter', async () => {
  const page = await client.api(root).top(2).filter("status eq 'created'").count(true).get()
  assert.equal(page.value.length, 2); assert.ok(page['@odata.count'] >= 3); assert.ok(page['@odata.nextLink'])
  let all = 0
  await new PageIterator(client, page, () => ++all > 0).iterate()
  assert.ok(all >= 3)
})
await step('both comparisons', async () => {
  const page = await client.api(root).filter(`status eq 'active' and customer/tenantId eq '${(await client.api(`${root}/${approved}`).get()).customer.tenantId}'`).get()
  assert.ok(page.value.some(r => r.id === approved))
})
await step('select', async () => assert.deepEqual(Object.keys((await client.api(root).top(1).select('id,status').get()).value[0]).sort(), ['@odata.etag', 'id', 'status']))
await step('change', async () => {
  await refused(412, 'PreconditionFailed', () => client.api(`${root}/${first.id}`).header('If-Match', 'W/"9"').patch({ duration: 'P91D' }))
  const r = await client.api(`${root}/${first.id}`).header('If-Match', first['@odata.etag']).patch({ duration: 'P91D' })
  assert.equal(r.duration, 'P91D'); first['@odata.etag'] = r['@odata.etag']
})
await step('lock and read the request', async () => {
  const request = await client.api(`${root}/${first.id}/requests`).header('If-Match', first['@odata.etag']).post({ action: 'lockForApproval' })
  assert.equal(request.status, 'succeeded')
  assert.deepEqual(await client.api(`${root}/${first.id}/requests/${request.id}`).get(), request)
  assert.equal((await client.api(`${root}/${first.id}/requests`).get()).value.length, 1)
  assert.deepEqual((await client.api(`${root}/${first.id}/operations`).get()).value, [])
})
await step('one key, one relationship', async () => {
  const twice = () => client.api(root).header('client-request-id', 'a-key-of-graph').post({ displayName: 'Once', duration: 'P1D', accessDetails: roles(helpdesk) })
  assert.equal((await twice()).id, (await twice()).id)
})
await step('delete', () => client.api(`${root}/${made[1].id}`).header('If-Match', '*').delete())
await step('batch', async () => {
  const { responses } = await client.api('/$batch').post({ requests: [
    { id: '1', method: 'GET', url: `${root}/${made[2].id}` },
    { id: '2', method: 'GET', url: `${root}/gdap_aaaaaaaaaaaaaaaaaaaaaaaaaa` },
    { id: '3', method: 'DELETE', url: `${root}/${made[2].id}`, headers: { 'If-Match': '*' }, dependsOn: ['2'] },
    { id: '4', method: 'DELETE', url: `${root}/${made[2].id}`, headers: { 'if-match': 'W/"1"' }, dependsOn: ['1'] },
  ] })
  assert.deepEqual(responses.map(r => r.status), [200, 404, 424, 204])
})
const groups = `${root}/${approved}/accessAssignments`
await step('groups', async () => {
  const group = id => ({ accessContainer: { accessContainerId: id, accessContainerType: 'securityGroup' } })
  const one = await client.api(groups).post({ ...group('5d1c0a4e-2f77-4f0b-9d3c-0a6a4d0c7fff'), accessDetails: roles(helpdesk, reader) })
  assert.equal(one.status, 'active')
  await refused(400, 'BadRequest', () => client.api(groups).post({ ...group('5d1c0a4e-2f77-4f0b-9d3c-0a6a4d0c7fff'), accessDetails: roles(helpdesk) }))
  const changed = await client.api(`${groups}/${one.id}`).header('If-Match', one['@odata.etag']).patch({ accessDetails: roles(helpdesk) })
  assert.equal(changed.accessDetails.unifiedRoles.length, 1)
  const other = await client.api(groups).post({ ...group('night'), accessDetails: roles(reader) })
  await client.api(`${groups}/${other.id}`).header('If-Match', other['@odata.etag']).delete()
  assert.deepEqual((await client.api(groups).get()).value.map(a => a.id), [one.id])
})
await step('narrow', async () => {
  const narrow = (...ids) => client.api(`${root}/${approved}`).header('If-Match', '*').patch({ accessDetails: roles(...ids) }) // a receipt on its way changes the version
  const less = await narrow(helpdesk)
  assert.equal(less.accessDetails.unifiedRoles.length, 1); assert.equal(less.status, 'active')
  await refused(400, 'BadRequest', () => narrow(helpdesk, reader))
})
await step('customers', async () => {
  const { value } = await client.api('/tenantRelationships/delegatedAdminCustomers').get()
  assert.ok(value.length > 0)
  assert.deepEqual(await client.api(`/tenantRelationships/delegatedAdminCustomers/${value[0].id}`).get(), value[0])
})
await step('beta', async () => assert.equal((await client.api(`${root}/${approved}`).version('beta').get()).id, approved))
await step('never pretended', async () => {
  for (const path of ['/users', '/groups', '/subscribedSkus', `${root}/${approved}/accessAssignments/x/y`]) await refused(404, 'ResourceNotFound', () => client.api(path).get())
  await refused(400, 'BadRequest', () => client.api(root).filter("startswith(displayName,'x')").get())
  await refused(400, 'BadRequest', () => client.api(root).expand('accessAssignments').get())
})
await step('terminate', async () => {
  await client.api(`${root}/${approved}/requests`).post({ action: 'terminate' })
  const r = await client.api(`${root}/${approved}`).get()
  assert.equal(r.status, 'terminated')
  assert.deepEqual((await client.api(groups).get()).value.map(a => a.status), ['deleted'])
})
console.log(`${steps} steps`)
