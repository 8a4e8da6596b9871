// The local stack's identity provider: OpenID Connect by oidc-provider, with the clients and people of accounts.json.
// Everything is in memory and gone with the process; the signing key is made at every start.
//
//   node server.mjs --port 8081 --accounts ../accounts.json --redirect-uri http://127.0.0.1:8080/sign-in/callback
import { generateKeyPair, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { parseArgs, promisify } from 'node:util';
import { pathToFileURL } from 'node:url';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string' },
    accounts: { type: 'string' },
    'redirect-uri': { type: 'string', multiple: true, default: [] },
  },
});
const issuer = `http://127.0.0.1:${options.port}`;

const tools = createRequire(new URL('../../tools/package.json', import.meta.url));
const [oidc, accountsText, { privateKey }] = await Promise.all([
  import(pathToFileURL(tools.resolve('oidc-provider'))),
  readFile(options.accounts, 'utf8'),
  promisify(generateKeyPair)('rsa', { modulusLength: 2048 }),
]);
const { default: Provider, interactionPolicy } = oidc;

const accounts = JSON.parse(accountsText);
const tenants = new Map(accounts.tenants.map((tenant) => [tenant.id, tenant]));
const clients = new Map(accounts.clients.map((client) => [client.id, client]));
const peopleByName = new Map(accounts.people.map((person) => [person.username, person]));
const peopleById = new Map(accounts.people.map((person) => [person.id, person]));

const webClient = 'concord';
const hour = 60 * 60;

// The library's own store in memory forgets everything beyond a thousand entries, which a hundred sign-ins at once exceed.
class Memory {
  static entries = new Map();

  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload, expiresIn) {
    Memory.entries.set(`${this.model}:${id}`, { payload, until: Date.now() + expiresIn * 1000 });
    if (this.model === 'Session') {
      Memory.entries.set(`uid:${payload.uid}`, { payload: id, until: Date.now() + expiresIn * 1000 });
    }
  }

  async find(id) {
    const entry = Memory.entries.get(`${this.model}:${id}`);
    return entry && entry.until > Date.now() ? entry.payload : undefined;
  }

  async findByUid(uid) {
    return this.find(Memory.entries.get(`uid:${uid}`)?.payload);
  }

  async consume(id) {
    (await this.find(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    Memory.entries.delete(`${this.model}:${id}`);
  }

  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of Memory.entries) {
      if (payload.grantId === grantId) Memory.entries.delete(key);
    }
  }
}
setInterval(() => {
  const now = Date.now();
  for (const [key, { until }] of Memory.entries) {
    if (until <= now) Memory.entries.delete(key);
  }
}, 60_000).unref();

const policy = interactionPolicy.base();
policy.remove('consent');

const provider = new Provider(issuer, {
  adapter: Memory,
  clients: [
    {
      client_id: webClient,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      redirect_uris: options['redirect-uri'],
    },
    ...accounts.clients.map(({ id }) => ({
      client_id: id,
      client_secret: 'local',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    })),
  ],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: randomBytes(8).toString('hex'), alg: 'RS256', use: 'sig' }] },
  // A browser sends the cookies of one host to all its ports, so these must not be named like the product's.
  cookies: {
    keys: [randomBytes(32).toString('hex')],
    names: { session: 'idp_session', interaction: 'idp_interaction', resume: 'idp_resume' },
  },
  routes: {
    authorization: '/oauth2/authorize',
    token: '/oauth2/token',
    jwks: '/oauth2/jwks',
    userinfo: '/oauth2/userinfo',
    end_session: '/oauth2/logout',
  },
  scopes: ['openid', 'profile', 'email'],
  claims: {
    openid: ['sub', 'tid', 'tenant_name', 'tenant_domains', 'tenant_country', 'cloud', 'roles'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
  },
  // Relying parties of this product read the ID token alone.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  ttl: {
    AccessToken: hour, ClientCredentials: hour, IdToken: hour, AuthorizationCode: 60, Interaction: hour, Session: 12 * hour, Grant: 12 * hour,
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // A resource indicator must be a URI; the audience in the token is the plain name.
      defaultResource: (ctx, client) => (client.clientId === webClient ? undefined : 'urn:concord-api'),
      getResourceServerInfo: () => ({
        scope: '', audience: 'concord-api', accessTokenFormat: 'jwt', accessTokenTTL: hour, jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims(ctx, token) {
    const client = token.kind === 'ClientCredentials' && clients.get(token.clientId);
    return client ? { tenantId: client.tenantId, roles: client.roles, cloud: tenants.get(client.tenantId).cloud } : undefined;
  },
  findAccount(ctx, id) {
    const person = peopleById.get(id);
    if (!person) return undefined;
    const tenant = tenants.get(person.tenantId);
    return {
      accountId: id,
      claims: () => ({
        sub: id,
        tid: tenant.id,
        tenant_name: tenant.name,
        tenant_domains: tenant.domains,
        tenant_country: tenant.country,
        cloud: tenant.cloud,
        roles: person.roles,
        name: person.name,
        preferred_username: person.username,
        email: person.username,
        email_verified: true,
      }),
    };
  },
  interactions: { policy, url: (ctx, interaction) => `/sign-in/${interaction.uid}` },
  // Consent is given once and for all by being in accounts.json.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid profile email');
    await grant.save();
    return grant;
  },
  renderError(ctx, out) {
    ctx.type = 'html';
    ctx.body = page('Sign-in stopped', `<p>${escape(out.error_description ?? out.error)}</p>`);
  },
});

function escape(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function page(title, body) {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 2rem auto; padding: 0 1rem; }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit; }
input, button { min-height: 2.75rem; margin: .25rem 0 1rem; padding: .25rem .5rem; }
.error { border-left: .25rem solid #d4351c; padding-left: .75rem; }
li { overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`;
}

function signInPage({ username = '', error } = {}) {
  const people = accounts.people.map((person) => `<li>${escape(person.username)}</li>`).join('\n');
  return page('Sign in', `${error ? `<p class="error" role="alert" id="error">${escape(error)}</p>` : ''}
<form method="post">
<label for="username">User name</label>
<input id="username" name="username" type="text" value="${escape(username)}" autocomplete="username" autocapitalize="none" spellcheck="false" required${error ? ' aria-describedby="error" aria-invalid="true"' : ''}>
<label for="password">Password (any)</label>
<input id="password" name="password" type="password" autocomplete="current-password">
<button type="submit">Sign in</button>
</form>
<details><summary>Who can sign in to this local stack</summary>
<ul>
${people}
</ul>
</details>`);
}

function send(response, status, html) {
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(html);
}

async function formOf(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 16_384) throw new RangeError('the form is too long');
  }
  return new URLSearchParams(text);
}

async function signIn(request, response) {
  let interaction;
  try {
    interaction = await provider.interactionDetails(request, response);
  } catch {
    return send(response, 400, page('Sign-in stopped', '<p>This sign-in is over or was started in another browser. Go back and start again.</p>'));
  }
  if (request.method === 'GET' || request.method === 'HEAD') {
    return send(response, 200, signInPage({ username: interaction.params.login_hint }));
  }
  if (request.method !== 'POST') {
    return send(response, 405, page('Sign-in stopped', '<p>This page takes a form.</p>'));
  }
  const username = ((await formOf(request)).get('username') ?? '').trim();
  const person = peopleByName.get(username.toLowerCase());
  if (!person) {
    return send(response, 422, signInPage({ username, error: username ? `Nobody here is called ${username}.` : 'Type a user name.' }));
  }
  const next = await provider.interactionResult(request, response, { login: { accountId: person.id } }, { mergeWithLastSubmission: false });
  // Another person than the session's: forget that one here, or the library asks for a confirmation that needs a script.
  const session = interaction.session?.uid && await provider.Session.findByUid(interaction.session.uid);
  if (session && session.accountId && session.accountId !== person.id) {
    delete session.accountId;
    delete session.authorizations;
    await session.persist();
  }
  response.writeHead(303, { Location: next, 'Cache-Control': 'no-store', 'Content-Length': 0 });
  return response.end();
}

const answer = provider.callback();
const server = createServer((request, response) => {
  if (!request.url.startsWith('/sign-in/')) {
    return answer(request, response);
  }
  return signIn(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) send(response, 400, page('Sign-in stopped', '<p>The form could not be read.</p>'));
  });
});
server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
server.listen(Number(options.port), '127.0.0.1');
