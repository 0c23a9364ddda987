// What receivers of webhooks use: the official libraries of Standard Webhooks and of Stripe, over real deliveries.
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import Stripe from 'stripe';

const url = process.env.TOLLGATE_TEST_URL;
const stripe = new Stripe('sk_test_unused');
const received = [];
let server;

before(async () => {
  server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    received.push({ path: request.url, headers: request.headers, body: Buffer.concat(parts) });
    response.writeHead(204).end();
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
});
after(() => server.close());

const operator = async (method, path, body) => {
  const response = await fetch(url + path, { method, body: body && JSON.stringify(body), headers: { authorization: `Bearer ${process.env.TOLLGATE_TEST_ADMIN_KEY}`, 'content-type': 'application/json' } });
  const answer = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
};
const endpoint = (path, more) => operator('POST', '/api/v1/webhook-endpoints', { url: `http://127.0.0.1:${server.address().port}${path}`, events: ['key.created'], ...more });
const arrived = async (path, count = 1) => {
  for (let i = 0; i < 400; i++) {
    const found = received.filter((one) => one.path === path);
    if (found.length >= count) return found;
    await new Promise((r) => setTimeout(r, 50));
  }
  throw new Error(`nothing came to ${path}`);
};
const headers = ({ headers: h }) => ({ 'webhook-id': h['webhook-id'], 'webhook-timestamp': h['webhook-timestamp'], 'webhook-signature': h['webhook-signature'] });

test('Standard Webhooks takes a delivery, and not one that was changed', async () => {
  const made = await endpoint('/standard');
  const key = await operator('POST', '/api/v1/keys', { operator: true, name: 'café ☕' });
  const [got] = await arrived('/standard');
  const event = new Webhook(made.secret).verify(got.body.toString(), headers(got));
  assert.equal(event.type, 'key.created');
  assert.equal(event.data.object.id, key.id);
  assert.equal(event.data.object.name, 'café ☕');
  assert.equal(event.id, got.headers['webhook-id']);
  const other = await endpoint('/other', { events: [] });
  assert.throws(() => new Webhook(other.secret).verify(got.body.toString(), headers(got)), WebhookVerificationError);
  assert.throws(() => new Webhook(made.secret).verify(got.body.toString().replace('key.created', 'key.revoked'), headers(got)), WebhookVerificationError);
  assert.throws(() => new Webhook(made.secret).verify(got.body.toString(), { ...headers(got), 'webhook-timestamp': `${Number(got.headers['webhook-timestamp']) + 1}` }), WebhookVerificationError);
});

test('the public key verifies what v1a says', async () => {
  const made = await endpoint('/asymmetric');
  await operator('POST', '/api/v1/keys', { operator: true });
  const [got] = await arrived('/asymmetric');
  const signature = got.headers['webhook-signature'].split(' ').find((one) => one.startsWith('v1a,')).slice(4);
  const raw = Buffer.from(made.public_key.replace('whpk_', ''), 'base64');
  const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') } });
  const content = (body) => Buffer.concat([Buffer.from(`${got.headers['webhook-id']}.${got.headers['webhook-timestamp']}.`), body]);
  assert.ok(verify(null, content(got.body), key, Buffer.from(signature, 'base64')));
  assert.ok(!verify(null, content(Buffer.from(`${got.body} `)), key, Buffer.from(signature, 'base64')));
});

test("Stripe's library constructs the event, and Standard Webhooks takes it too", async () => {
  const made = await endpoint('/stripe', { scheme: 'stripe', api_version: '2025-12-01.else' });
  const key = await operator('POST', '/api/v1/keys', { operator: true });
  const [got] = await arrived('/stripe');
  const event = stripe.webhooks.constructEvent(got.body, got.headers['stripe-signature'], made.secret);
  assert.equal(event.object, 'event');
  assert.equal(event.api_version, '2025-12-01.else');
  assert.equal(event.type, 'key.created');
  assert.equal(event.data.object.id, key.id);
  assert.equal(event.livemode, true);
  assert.match(event.request.id, /^req_/);
  assert.ok(Math.abs(event.created - Date.now() / 1000) < 600);
  assert.equal(new Webhook(made.secret).verify(got.body.toString(), headers(got)).id, event.id);
  assert.throws(() => stripe.webhooks.constructEvent(`${got.body} `, got.headers['stripe-signature'], made.secret), stripe.errors?.StripeSignatureVerificationError ?? Error);
});

test('while a secret is rolled, both are good; afterwards the new one alone', async () => {
  const made = await endpoint('/rolled', { scheme: 'stripe' });
  const rolled = await operator('POST', `/api/v1/webhook-endpoints/${made.id}/rotate-secret`, {});
  await operator('POST', `/api/v1/webhook-endpoints/${made.id}/test`);
  const [both] = await arrived('/rolled');
  for (const secret of [made.secret, rolled.secret]) {
    assert.equal(new Webhook(secret).verify(both.body.toString(), headers(both)).type, 'endpoint.test');
    assert.equal(stripe.webhooks.constructEvent(both.body, both.headers['stripe-signature'], secret).type, 'endpoint.test');
  }
  const last = await operator('POST', `/api/v1/webhook-endpoints/${made.id}/rotate-secret`, { overlap_hours: 0 });
  await operator('POST', `/api/v1/webhook-endpoints/${made.id}/test`);
  const [, alone] = await arrived('/rolled', 2);
  assert.ok(stripe.webhooks.constructEvent(alone.body, alone.headers['stripe-signature'], last.secret));
  assert.throws(() => stripe.webhooks.constructEvent(alone.body, alone.headers['stripe-signature'], rolled.secret));
  assert.throws(() => new Webhook(rolled.secret).verify(alone.body.toString(), headers(alone)), WebhookVerificationError);
});
